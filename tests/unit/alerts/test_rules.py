"""The rule file: what is in it follows from funnels and settings, and it queries as docs/metrics.md asks to."""

import re
from dataclasses import replace

import pytest
import yaml

from stream.alerts.drop_off import EXPECTED
from stream.alerts.form import compound, divergence
from stream.alerts.rules import document, text
from stream.alerts.trust import most_lag_s
from stream.metrics import names
from stream.model.funnel import Step
from stream.settings.alerts import with_alert_windows
from stream.settings.tracker import DEFAULT_ROLLING, AlertSettings
from support.watched import AGES, FUNNEL, SETTINGS

SPIKE, PART = "FunnelDropOffSpike", "FunnelSegmentDropOffSpike"


def rules(funnels=(FUNNEL,), settings=SETTINGS):
    return [rule for group in document(funnels, settings)["groups"] for rule in group["rules"]]


def alerts(name, *arguments):
    return [rule for rule in rules(*arguments) if rule.get("alert") == name]


def nats(rule):
    return float(re.search(r"drop_nats > ([0-9.]+)", rule["expr"])[1])


def test_equal_settings_give_equal_text_that_reads_back_as_the_document():
    assert text([FUNNEL], SETTINGS) == text([replace(FUNNEL)], replace(SETTINGS))
    assert yaml.safe_load(text([FUNNEL], SETTINGS)) == document([FUNNEL], SETTINGS)


def test_totals_have_an_alert_for_each_window_and_age_and_segments_for_each_of_their_windows():
    assert [(rule["labels"]["window"], rule["labels"]["age"]) for rule in alerts(SPIKE)] == [
        ("1m", "5m"), ("5m", "5m"), ("30m", "5m"),
    ]  # fmt: skip
    assert [rule["labels"]["window"] for rule in alerts(PART)] == ["5m", "30m"]


@pytest.mark.parametrize("is_shared", [False, True])
def test_segments_have_the_target_of_their_step_only_where_settings_say_so(is_shared):
    settings = replace(SETTINGS, alerts=AlertSettings(segment_targets=is_shared))
    (expected,) = [rule["expr"] for rule in rules([FUNNEL], settings) if rule.get("record") == EXPECTED]
    assert ("group_left () clamp_max(" in expected) == is_shared


def test_where_no_breakdown_or_no_window_is_there_is_nothing_to_watch():
    plain = replace(FUNNEL, breakdowns=())
    assert alerts(PART, [plain]) == []
    assert nats(alerts(SPIKE, [plain])[1]) == pytest.approx(nats(alerts(SPIKE)[1]) - 0.69, abs=0.02), "the whole budget"
    without = replace(SETTINGS, rolling=DEFAULT_ROLLING, age_matched=())
    assert alerts(SPIKE, [FUNNEL], without) == alerts(PART, [FUNNEL], without) == []
    assert alerts("FunnelTrafficStop", [FUNNEL], without)
    assert alerts("FunnelLag", [FUNNEL], replace(without, rolling=()))


def test_more_to_watch_or_a_smaller_budget_asks_for_more_surprise():
    usual = nats(alerts(SPIKE)[1])
    longer = replace(FUNNEL, steps=(*FUNNEL.steps, Step("thanks", ("thanks",))))
    careful = replace(SETTINGS, alerts=AlertSettings(false_alarms_per_week=0.01))
    assert nats(alerts(SPIKE, [longer])[1]) == pytest.approx(usual + 0.69, abs=0.02)
    assert nats(alerts(SPIKE, [FUNNEL], careful)[1]) == pytest.approx(usual + 2.30, abs=0.02)
    assert nats(alerts(PART)[0]) == pytest.approx(usual + 2.69, abs=0.02), "2 windows of 22 segments, not 3 of totals"
    assert nats(alerts(SPIKE)[0]) > usual > nats(alerts(SPIKE)[2]), "long windows are looked at less often"


def test_segments_learn_from_the_longest_window_that_they_have():
    own = replace(SETTINGS, rolling=with_alert_windows(DEFAULT_ROLLING, AGES, {"segment_windows": ["5m"]}))
    first = next(rule for rule in rules([FUNNEL], own) if rule.get("record") == "funnel:age_matched_reached:same_hour")
    assert 'window="30m",breakdown=""} offset 1w' in first["expr"]
    assert 'window="5m",breakdown!=""} offset 6d23h55m' in first["expr"]


def test_what_is_the_same_on_every_worker_is_never_added_over_workers():
    for rule in rules():
        for series in names.ABOUT_FUNNELS:
            if series.name.startswith("funnel_") and not series.name.startswith("funnel_worker_"):
                assert not re.search(rf"(sum|avg|count)[^()]*\((rate|increase)?\(?{series.name}\b", rule["expr"]), rule


def test_every_series_that_the_rules_read_exists():
    known = {name for series in names.ALL for name in series.sample_names} | {"funnel_step_info"}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        assert set(re.findall(r"\bfunnel_[a-z_0-9]+\b(?!:)", rule["expr"])) <= known, rule
        assert set(re.findall(r"\bfunnel:\w+:\w+", f"{rule['expr']} {rule.get('annotations')}")) <= recorded, rule


def test_no_range_has_a_sample_at_its_edge():
    ranges = [each for rule in rules() for each in re.findall(r"\[(\w+)\]", rule["expr"])]
    assert len(ranges) > 10
    assert all(each.endswith("s500ms") for each in ranges)


@pytest.mark.parametrize(("age_ms", "most_s"), [(15_000, 5), (60_000, 6), (900_000, 30), (86_400_000, 30)])
def test_the_shorter_the_age_the_less_may_wait(age_ms, most_s):
    assert most_lag_s(age_ms) == most_s


def test_durations_and_divergences_are_written_as_promql_reads_them():
    assert compound(604_800_000 - 1_800_000) == "6d23h30m"
    assert compound(61_001) == "1m1s1ms"
    assert divergence("a", "b") == ("(a * ln(clamp_min(a, 1e-9) / b) + (1 - a) * ln(clamp_min(1 - a, 1e-9) / (1 - b)))")
