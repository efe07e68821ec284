"""A run that begins where live began, where live is a run itself."""

import pytest

from stream.analyze.read_topic import Span
from stream.errors import ReplayError
from stream.replay import plan
from stream.replay.plan import Log, Word, make_plan
from stream.settings.tracker import KafkaSettings
from stream.worker.runs import Start
from support.switched import FIRST, NOW_MS, rules


@pytest.fixture(autouse=True)
def spans(monkeypatch):
    async def topic_spans(_kafka, _topic):
        return {0: Span(5, 90), 1: Span(0, 70)}

    monkeypatch.setattr(plan, "topic_spans", topic_spans)


async def planned(live, begin=Word.LIVE, **options):
    log = Log(KafkaSettings(), "shop", {0: 7, 1: 3}, live)
    return (await make_plan(log, rules(FIRST), begin, Word.FOLLOW, NOW_MS, **options)).starts


async def test_a_warm_up_that_live_does_not_count_is_not_counted_either():
    live = {0: Start(7, NOW_MS - 9_000), 1: Start(3, NOW_MS - 9_000)}
    assert await planned(live) == live
    assert await planned({}) == {0: Start(7), 1: Start(3)}


async def test_live_that_began_with_files_is_not_equal_without_them():
    live = {0: Start(7, seam_ms=NOW_MS), 1: Start(3, seam_ms=NOW_MS)}
    with pytest.raises(ReplayError, match=r"--from live: live began with files.*give them with --files"):
        await planned(live)
    assert await planned(live, has_files=True) == {0: Start(7), 1: Start(3)}


async def test_nothing_can_begin_in_the_future():
    with pytest.raises(ReplayError, match=r"--from 2023-11-14T22:13:20.001Z lies in the future"):
        await planned({}, NOW_MS + 1)
