"""What is live for whom: a process with the rules that are live, with those a switch replaced, and with newer ones."""

from dataclasses import replace

import pytest

from stream.errors import StoreRefused
from stream.model.window import AlertWindow, RollingWindow
from stream.settings.tracker import SourceSettings
from stream.worker.activation import funnel_set_id, rules_id
from stream.worker.pointer import promoted, rolled_back, what_is_live
from stream.worker.runs import Run, Runs, Start
from support.switched import FIRST, NOW_MS, OTHER, PLAIN, SECOND, THIRD, TOPIC, rules


def run(name, *funnels, settings=PLAIN, topic=TOPIC):
    return Run(name, topic, rules(*funnels, settings=settings), {0: Start(0)}, None, NOW_MS)


NEVER = Runs().with_run(run("r", SECOND)).with_run(run("s", THIRD))
ONCE = promoted(NEVER, "r", NOW_MS, rules(FIRST))
TWICE = promoted(ONCE, "s", NOW_MS, rules(SECOND))
BACK = rolled_back(ONCE, rules(SECOND))
ONCE_BACK = rolled_back(TWICE, rules(THIRD))
AGAIN = promoted(BACK, "r", NOW_MS, rules(FIRST))
CHANGED_SINCE = rolled_back(ONCE, rules(THIRD))
OF_BEFORE = promoted(NEVER, "s", NOW_MS, rules(SECOND), [funnel_set_id([FIRST]), funnel_set_id([SECOND])])


@pytest.mark.parametrize(
    ("runs", "files", "namespace", "counted", "is_overruled"),
    [
        pytest.param(NEVER, FIRST, "live", FIRST, False, id="no-switch-yet-so-the-files-say"),
        pytest.param(ONCE, SECOND, "live.r", SECOND, False, id="promoted-and-its-files-say-so"),
        pytest.param(ONCE, FIRST, "live.r", SECOND, True, id="promoted-and-its-files-are-older"),
        pytest.param(ONCE, THIRD, "live.r", THIRD, False, id="promoted-and-its-files-are-newer"),
        pytest.param(TWICE, THIRD, "live.s", THIRD, False, id="the-newest-of-two"),
        pytest.param(TWICE, SECOND, "live.s", THIRD, True, id="replaced-by-the-second"),
        pytest.param(TWICE, FIRST, "live.s", THIRD, True, id="replaced-by-the-first-already"),
        pytest.param(BACK, FIRST, "live", FIRST, False, id="rolled-back-and-its-files-say-so"),
        pytest.param(BACK, SECOND, "live", FIRST, True, id="rolled-back-and-its-files-are-of-the-run"),
        pytest.param(BACK, THIRD, "live", THIRD, False, id="rolled-back-and-its-files-are-newer"),
        pytest.param(ONCE_BACK, THIRD, "live.r", SECOND, True, id="rolled-back-to-another-run"),
        pytest.param(AGAIN, SECOND, "live.r", SECOND, False, id="promoted-rolled-back-and-promoted-again"),
        pytest.param(AGAIN, FIRST, "live.r", SECOND, True, id="and-the-older-files-are-older-again"),
        pytest.param(CHANGED_SINCE, THIRD, "live", FIRST, True, id="what-the-run-counted-in-the-end-is-given-up-too"),
        pytest.param(OF_BEFORE, FIRST, "live.s", THIRD, True, id="replaced-long-before-any-switch"),
    ],
)
def test_what_is_live(runs, files, namespace, counted, is_overruled):
    live = what_is_live(PLAIN, (files,), runs)
    assert (live.settings.redis.namespace, live.funnels, live.is_overruled) == (namespace, (counted,), is_overruled)
    assert live.run_name == namespace.removeprefix("live").removeprefix(".")


def test_who_insists_goes_by_its_files_where_the_run_counts():
    live = what_is_live(PLAIN, (FIRST,), ONCE, insists=True)
    assert (live.settings.redis.namespace, live.funnels, live.is_overruled) == ("live.r", (FIRST,), False)


def test_what_is_only_shown_or_judged_comes_from_the_files():
    """A target is no rule: it is the files' own, whether these are older or say what is live."""
    runs = promoted(Runs().with_run(run("r", SECOND, OTHER)), "r", NOW_MS, rules(FIRST, OTHER))
    aimed = replace(OTHER, target=0.5)
    windows = (RollingWindow("1m", 60_000, alerts=(AlertWindow("1m", 60_000),)),)
    settings = replace(PLAIN, rolling=windows)
    for files in ((SECOND, aimed), (FIRST, aimed)):
        live = what_is_live(settings, files, runs)
        assert live.funnels == (SECOND, aimed)
        assert live.settings.rolling == windows


def test_the_funnels_of_old_files_are_not_newer_for_being_read_otherwise():
    """Of a set that a switch has replaced it is of no matter what else its files say."""
    otherwise = replace(PLAIN, sources=(replace(PLAIN.sources[0], allowed_lateness_ms=1),))
    assert what_is_live(otherwise, (FIRST,), ONCE).funnels == (SECOND,)
    assert not what_is_live(otherwise, (SECOND,), ONCE).is_overruled


def test_rules_of_reading_and_keeping_are_the_runs():
    lenient = replace(
        PLAIN,
        sources=(replace(PLAIN.sources[0], allowed_lateness_ms=1),),
        rolling=(RollingWindow("5m", 300_000),),
        worker=replace(PLAIN.worker, bot_cap=7),
    )
    runs = promoted(Runs().with_run(run("r", FIRST, settings=lenient)), "r", NOW_MS, rules(FIRST))
    live = what_is_live(PLAIN, (FIRST,), runs)
    assert live.is_overruled
    assert (live.settings.sources, live.settings.rolling) == (lenient.sources, lenient.rolling)
    assert (live.settings.worker, live.settings.kafka) == (replace(PLAIN.worker, bot_cap=7), PLAIN.kafka)


def test_a_process_that_reads_another_log_is_refused():
    elsewhere = replace(PLAIN, sources=(SourceSettings("shop", ("elsewhere",), is_keyed_by_actor=True),))
    with pytest.raises(StoreRefused, match="run r, which is live, counts topic shop; this process reads elsewhere"):
        what_is_live(elsewhere, (SECOND,), ONCE)
    runs = promoted(Runs().with_run(run("r", SECOND, settings=elsewhere, topic="elsewhere")), "r", 0, rules(FIRST))
    with pytest.raises(StoreRefused, match="counts topic elsewhere; this process reads shop"):
        what_is_live(PLAIN, (FIRST,), runs)  # also where the run's own sources would be gone by


@pytest.mark.parametrize(
    ("changed", "is_another"),
    [
        pytest.param(rules(replace(FIRST, target=0.5)), False, id="a-target"),
        pytest.param(rules(THIRD), True, id="a-version"),
        pytest.param(rules(FIRST, OTHER), True, id="one-more-funnel"),
        pytest.param(
            rules(FIRST, settings=replace(PLAIN, sources=(replace(PLAIN.sources[0], start_from="latest"),))),
            False,
            id="where-one-began",
        ),
        pytest.param(
            rules(FIRST, settings=replace(PLAIN, sources=(replace(PLAIN.sources[0], preset="segment"),))),
            True,
            id="how-records-are-read",
        ),
        pytest.param(rules(FIRST, settings=replace(PLAIN, rolling=())), True, id="a-window"),
        pytest.param(rules(FIRST, settings=replace(PLAIN, age_matched=())), True, id="an-age"),
    ],
)
def test_rules_are_known_by_what_they_count(changed, is_another):
    assert (rules_id(changed) != rules_id(rules(FIRST))) is is_another
