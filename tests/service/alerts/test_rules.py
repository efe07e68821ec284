"""Debian's promtool on the rules: which alerts fire in which story."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream.alerts.rules import document
from stream.stack.programs import prepare
from stream.stack.state import cache_folder
from support.surprise import drop_nats
from support.watched import (
    DAY_S,
    FUNNEL,
    HOUR_S,
    SETTINGS,
    WEEK_S,
    Shop,
    Story,
    always,
    between,
    fired,
    promtool,
    rules_of,
    selector,
    since,
)

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[3]
END_S, THEN_S = 5_400, 2_400
SOON_END_S, SOON_S = 3_600, 1_500
AFTER_WEEKS_S = 3 * WEEK_S + 14 * HOUR_S
SPIKE, PART, STOP, MISSED = "FunnelDropOffSpike", "FunnelSegmentDropOffSpike", "FunnelTrafficStop", "FunnelTargetMissed"
NO_DATA, LATE, STALL, STALE = "FunnelNoData", "FunnelLateSurge", "FunnelWatermarkStall", "FunnelRollupStale"
LAG, LETTERS, DOWN = "FunnelLag", "FunnelDeadLetters", "FunnelWorkerDown"
BROKEN = {"shop": Shop(share=since(SOON_S, 0.1, 0.4))}


def daily(now_s: float) -> float:
    """Visits a minute: days of a small shop, and nights in which hardly anybody comes."""
    hour = now_s % DAY_S / HOUR_S
    return 12 if 8 <= hour < 20 else 2 if 6 <= hour < 22 else 0.3


@dataclass(frozen=True)
class Case:
    """fires: values of `by` for which something fires. tempts: alerts of which this is near to what they are about."""

    story: Story
    fires: tuple[tuple[str, ...], ...] = ()
    by: tuple[str, ...] = ("alertname",)
    tempts: tuple[str, ...] = ()


CASES = {
    "traffic": Case(
        Story(
            END_S,
            {
                "as usual": Shop(),
                "halved": Shop(since(THEN_S, 50, 100)),
                "doubled": Shop(since(THEN_S, 200, 100)),
                "less than is worth an alert": Shop(always(500), since(THEN_S, 0.35, 0.4)),
                "too few to judge": Shop(always(0.3), since(THEN_S, 0, 0.4)),
                "learning": Shop(share=since(THEN_S, 0.1, 0.4), target=None),
                "a fall": Shop(share=since(THEN_S, 0.25, 0.4)),
                "a fall among many": Shop(always(600), since(THEN_S, 0.1, 0.4)),
                "a fall among few": Shop(always(3), since(THEN_S, 0, 0.4)),
                "target missed": Shop(matured=always(0.3)),
                "a step's target missed": Shop(step_matured=always(0.3)),
                "target missed by chance": Shop(matured=always(0.39)),
            },
        ),
        fires=(
            (SPIKE, "a fall", "5m"),
            (SPIKE, "a fall", "30m"),
            *[(SPIKE, "a fall among many", window) for window in ("1m", "5m", "30m")],
            (SPIKE, "a fall among few", "30m"),
            (MISSED, "target missed", ""),
            (MISSED, "a step's target missed", ""),
        ),
        by=("alertname", "funnel", "window"),
        tempts=(SPIKE, PART, STOP, MISSED),
    ),
    "weeks-to-learn-from": Case(
        Story(
            AFTER_WEEKS_S + 4 * HOUR_S,
            {
                "as usual": Shop(daily, target=None),
                "halved": Shop(lambda now_s: daily(now_s) * (0.5 if now_s >= AFTER_WEEKS_S else 1), target=None),
                "a fall": Shop(daily, since(AFTER_WEEKS_S, 0.15, 0.4), target=None),
                "a fall like that of a week": Shop(
                    daily,
                    lambda now_s: 0.1 if WEEK_S <= now_s < WEEK_S + DAY_S or now_s >= AFTER_WEEKS_S else 0.4,
                    target=None,
                ),
                "mobile broken": Shop(daily, mobile=since(AFTER_WEEKS_S, 0, 1), target=None),
                "nobody": Shop(lambda now_s: daily(now_s) * (now_s < AFTER_WEEKS_S), target=None),
            },
            tick_s=900,
            look_s=2 * HOUR_S,
            judged_s=2 * WEEK_S,
        ),
        fires=(
            *[(alert, funnel, segment) for funnel in ("a fall", "a fall like that of a week")
              for alert, segment in ((SPIKE, ""), (PART, "mobile"), (PART, "desktop"))],
            (SPIKE, "mobile broken", ""),
            (PART, "mobile broken", "mobile"),
            (STOP, "nobody", ""),
        ),
        by=("alertname", "funnel", "segment"),
        tempts=(SPIKE, PART, STOP),
    ),
    "a-gap-of-five-minutes": Case(
        Story(SOON_END_S, closed=between(SOON_S, SOON_S + 300, 1, 0)),
        tempts=(SPIKE, PART, STOP, NO_DATA, STALL, LAG, DOWN, STALE, LATE, LETTERS),
    ),
    "nobody-any-more": Case(Story(SOON_END_S, closed=since(SOON_S, 1, 0)), fires=((STOP,), (NO_DATA,)),
                            tempts=(SPIKE, STALL)),
    "a-late-source": Case(Story(SOON_END_S, BROKEN, late=since(SOON_S - 300, 0.05, 0.001)), fires=((LATE,), (NO_DATA,)),
                          tempts=(SPIKE, LETTERS)),
    "broken-while-all-is-well": Case(Story(SOON_END_S, BROKEN), fires=((SPIKE,),), tempts=(NO_DATA,)),
    "broken-while-a-worker-lags": Case(Story(SOON_END_S, BROKEN, lag=since(SOON_S, 120, 0)), fires=((LAG,), (NO_DATA,)),
                                       tempts=(SPIKE,)),
    "broken-during-a-backlog": Case(
        Story(2_300, BROKEN, lag=between(1_200, 1_740, 120, 0), moves=between(1_200, 1_740, 0, 1)),
        fires=((LAG, ""), *[(SPIKE, window) for window in ("1m", "5m", "30m")]), by=("alertname", "window"),
        tempts=(NO_DATA,)),
    "broken-while-workers-restart": Case(
        Story(SOON_END_S, BROKEN, started=lambda now_s: now_s - 30 if now_s >= SOON_S else 0), fires=((NO_DATA,),),
        tempts=(SPIKE, DOWN)),
    "broken-while-a-rollup-is-stale": Case(Story(SOON_END_S, BROKEN, stale=since(SOON_S, 60, 0.2)),
                                           fires=((STALE,), (NO_DATA,)), tempts=(SPIKE,)),
    "a-moment-behind": Case(
        Story(SOON_END_S, lag=between(SOON_S, SOON_S + 60, 90, 0), stale=between(SOON_S, SOON_S + 30, 40, 0.2),
              up=between(SOON_S + 600, SOON_S + 660, 0, 1)), tempts=(LAG, STALE, DOWN, NO_DATA)),
    "no-worker": Case(Story(SOON_END_S, up=since(SOON_S, 0, 1)), fires=((DOWN,), (NO_DATA,)), tempts=(STOP, SPIKE)),
    "only-old-events": Case(Story(SOON_END_S, moves=since(SOON_S, 0, 1)), fires=((STALL,), (NO_DATA,)), tempts=(STOP,)),
    "invalid-records": Case(Story(SOON_END_S, invalid=since(SOON_S, 0.05, 0)), fires=((LETTERS,),),
                            tempts=(LATE, MISSED)),
    "a-few-late-and-invalid-ones": Case(Story(SOON_END_S, invalid=always(0.005), late=always(0.005)),
                                        tempts=(LATE, LETTERS)),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def programs():
    """Have Debian's Prometheus there: it brings promtool."""
    prepare(["prometheus"], cache_folder())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_fires(tmp_path, case):
    expected = [{key: value for key, value in zip(case.by, each, strict=True) if value} for each in case.fires]
    assert fired(tmp_path, case.story, expected, *case.by) == ""


def test_every_alert_has_a_story_in_which_it_fires_and_one_in_which_it_is_tempted_not_to_be_silent():
    rules = [rule for group in document([FUNNEL], SETTINGS)["groups"] for rule in group["rules"]]
    alerts = {rule["alert"] for rule in rules if "alert" in rule}
    assert {each[0] for case in CASES.values() for each in case.fires} == alerts
    assert {name for case in CASES.values() for name in case.tempts} == alerts


def test_promtool_finds_the_projects_own_configuration_right_and_its_rules_in_it():
    file = ROOT / "config" / "prometheus" / "prometheus.yml"
    done = subprocess.run(["promtool", "check", "config", file], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules/funnel.yml" in done.stdout


@pytest.mark.parametrize(
    ("reached", "went_on", "past"),
    [
        pytest.param(200, 50, None, id="against-a-target"),
        pytest.param(200, 0, None, id="nobody-went-on"),
        pytest.param(300, 60, (240, 100), id="against-the-week-before"),
        pytest.param(90, 80, (80, 80), id="where-everybody-went-on"),
    ],
)
def test_the_statistic_is_the_one_whose_chances_are_known(tmp_path, reached, went_on, past):
    """`past`: in each half of last week's hour so many reached the step, and so many of them went on."""
    step, counts = {"funnel": "shop", "version": "1", "step": "1"}, {"window": "30m", "age": "5m"}
    pairs = zip(("reached", "went_on"), past or ("_", "_"), (reached, went_on), strict=True)
    series = {f"funnel_age_matched_{name}{selector(step | counts)}": f"{old}x1 {new}x400" for name, old, new in pairs}
    series[f"funnel_step_target_ratio{selector(step | {'age': '5m'})}"] = "0.4x400"
    expected, behind = (0.4, None) if past is None else (past[1] / past[0], 2 / 3 * 2 * past[0])
    nats = drop_nats(went_on, reached, expected, behind)
    expr = f"abs(funnel:age_matched_conversion:drop_nats - {nats!r}) < bool 1e-6"
    rules = rules_of(Story(END_S))
    assert promtool(tmp_path, rules, series, (1_800, WEEK_S, WEEK_S), expr, [step | counts]) == ""


def test_an_alert_says_in_words_what_was_seen_expected_and_lost(tmp_path):
    step, counts = {"funnel": "shop", "version": "1", "step": "1"}, {"window": "5m", "age": "5m"}
    series = {
        f"funnel_age_matched_reached{selector(step | counts)}": "400x5",
        f"funnel_age_matched_went_on{selector(step | counts)}": "100x5",
        f"funnel_step_target_ratio{selector(step | {'age': '5m'})}": "0.4x5",
        f"funnel_step_info{selector(step | {'step_name': 'cart'})}": "1x5",
        "funnel_as_of_seconds": "0+60x5",
    }
    expected = {
        "alertname": SPIKE,
        "eval_time": "2m",
        "exp_alerts": [
            {
                "exp_labels": {**step, **counts, "step_name": "cart", "severity": "critical", "layer": "funnel"},
                "exp_annotations": {
                    "summary": "shop: fewer go on from step 1 (cart)",
                    "description": "Of those who reached cart in the 5m that have had 5m to go on, 25% did, expected "
                    "were 40%. That is 60 lost in that window.",
                    "runbook_url": "docs/runbooks/FunnelDropOffSpike.md",
                },
            }
        ],
    }
    assert promtool(tmp_path, rules_of(Story(END_S)), series, (60, 60, 120), alerts=[expected]) == ""
