"""Where a run begins and ends on a real topic, and that what is refused has written nothing."""

import asyncio
import json
import re
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from msgspec.structs import replace

from stream.analyze.document import iso
from stream.analyze.live import open_store
from stream.analyze.read_topic import topic_spans
from stream.cli.main import main
from stream.errors import AnalyzeError, ReplayError
from stream.replay.plan import Log, Plan, Word, make_end, make_plan
from stream.settings.counting import counting_rules
from stream.settings.load import load_funnels
from stream.worker.runs import Run, Start, change_runs
from support.run_processes import Replays
from support.workers import Site, until

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

MINUTE_MS = 60_000
NOON = "2026-01-31T12:00:00Z"
NOON_MS = 1_769_860_800_000
WARM_MS = 75 * MINUTE_MS  # window 1 h, lateness 10 min, skew 5 min
NOW_MS = int(time.time() * 1000)


def minute(number):
    return NOON_MS + number * MINUTE_MS


def at(number):
    return iso(minute(number))


@pytest.fixture(scope="module")
def site(stack, tmp_path_factory):
    """Make a topic: two partitions with a record a minute, the first 100 of one of them deleted, and an empty one."""
    place = Site(tmp_path_factory.mktemp("plans"), stack.kafka, stack.redis_url, partitions=3)

    async def fill():
        await place.make_topic()
        views = [
            (minute(n), b'{"anonymous_id": "a", "event": "view_page", "time": %d}' % minute(n)) for n in range(300)
        ]
        await place.produce([(b"a", value, at_ms, partition) for partition in (0, 1) for at_ms, value in views])
        admin = AIOKafkaAdminClient(bootstrap_servers=place.kafka)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(place.name, 1): RecordsToDelete(100)})
        finally:
            await admin.close()

        async def is_deleted():
            return (await topic_spans(place.settings.kafka, place.name))[1].first == 100

        await until(is_deleted, "the records are deleted")

    asyncio.run(fill())
    yield place
    place.close()


def plan_of(site, begin, end, first=None, now_ms=NOW_MS):
    rules = counting_rules(site.settings, load_funnels(site.settings.funnels))
    return make_plan(Log(site.settings.kafka, site.name, first or {}), rules, begin, end, now_ms)


ENDS = {0: 300, 1: 300, 2: 0}
ALL = {0: Start(0), 1: Start(100), 2: Start(0)}


def warm(since_ms, *offsets):
    return {number: Start(offset, since_ms) for number, offset in enumerate(offsets)}


@pytest.mark.parametrize(("begin", "end", "starts", "until"), [
    pytest.param(Word.EARLIEST, Word.NOW, ALL, ENDS, id="all-there-is"),
    pytest.param(Word.EARLIEST, Word.FOLLOW, ALL, None, id="and-follow"),
    pytest.param(Word.EARLIEST, minute(50), ALL, {0: 50, 1: 100, 2: 0}, id="to-lies-before-all-that-a-partition-holds"),
    pytest.param(Word.EARLIEST, minute(120) + 1, ALL, {0: 121, 1: 121, 2: 0}, id="a-record-before-the-end-is-read"),
    pytest.param(Word.EARLIEST, minute(400), ALL, ENDS, id="to-lies-behind-the-last"),
    pytest.param(minute(200), Word.NOW, warm(minute(200), 125, 125, 0), ENDS, id="from-a-time-with-its-warm-up"),
    pytest.param(minute(200), minute(201), warm(minute(200), 125, 125, 0), {0: 201, 1: 201, 2: 0}, id="one-minute"),
    pytest.param(minute(175), Word.NOW, warm(minute(175), 100, 100, 0), ENDS, id="the-warm-up-is-just-there"),
    pytest.param({0: 200, 1: 250, 2: 0}, Word.NOW,
                 {0: Start(125, minute(200)), 1: Start(175, minute(250)), 2: Start(0, NOW_MS)}, ENDS, id="offsets"),
    pytest.param({0: 300, 1: 299, 2: 0}, Word.NOW,
                 {0: Start(300, NOW_MS), 1: Start(224, minute(299)), 2: Start(0, NOW_MS)}, ENDS, id="from-ends"),
])  # fmt: skip
async def test_where_a_run_begins_and_ends(site, begin, end, starts, until):
    assert await plan_of(site, begin, end) == Plan(starts, until)


async def test_from_live_begins_where_live_began(site):
    found = await plan_of(site, Word.LIVE, Word.NOW, first={0: 7, 1: 150, 2: 0})
    assert found == Plan({0: Start(7), 1: Start(150), 2: Start(0)}, ENDS)


async def test_what_is_deleted_of_what_live_counted_is_a_gap(site):
    found = await plan_of(site, Word.LIVE, Word.NOW, first={0: 0, 1: 40, 2: 0})
    assert found.starts[1] == Start(100)
    (gap,) = found.gaps
    assert gap == (
        "partition 1: live began at offset 40, the log still holds offsets from 100 on: what was deleted is missing "
        "from the run"
    )


async def test_what_is_deleted_of_a_warm_up_is_a_gap(site):
    found = await plan_of(site, minute(174), Word.NOW)
    assert found.starts[1] == Start(100, minute(174))
    (gap,) = found.gaps
    assert gap == (
        f"partition 1: a run from {at(174)} reads its warm-up from {at(99)}, the log begins at {at(100)} at "
        "offset 100: chains and attempts that began in between are cut"
    )


NOTHING = "nothing lies between --from and --to in topic"


@pytest.mark.parametrize(("begin", "end", "expected"), [
    pytest.param(minute(200), minute(200), NOTHING, id="to-is-from"),
    pytest.param(minute(200), minute(150), NOTHING, id="to-lies-in-the-warm-up"),
    pytest.param(Word.EARLIEST, NOON_MS, NOTHING, id="to-is-the-first-record"),
    pytest.param(minute(400), Word.NOW, NOTHING, id="from-lies-behind-the-last-record"),
    pytest.param({0: 300, 1: 300, 2: 0}, Word.NOW, NOTHING, id="from-the-ends"),
    pytest.param({0: 1, 1: 100}, Word.NOW, "--from names 2 partitions, topic", id="a-partition-is-missing"),
    pytest.param({0: 1, 1: 100, 2: 0, 3: 0}, Word.NOW, "has 3 (look at 3): give an offset for each", id="one-too-many"),
    pytest.param({0: 1, 1: 99, 2: 0}, Word.NOW, "holds offsets 100 to 300", id="an-offset-that-is-deleted"),
    pytest.param({0: 301, 1: 100, 2: 0}, Word.NOW, "holds offsets 0 to 300", id="an-offset-that-is-not-there-yet"),
    pytest.param(Word.LIVE, Word.NOW, "--from live: where live began on partition 0 is not known", id="no-live"),
])  # fmt: skip
async def test_what_cannot_be_planned(site, begin, end, expected):
    with pytest.raises(ReplayError, match=re.escape(expected)):
        await plan_of(site, begin, end)


async def test_another_end_is_planned_like_the_first(site):
    rules = counting_rules(site.settings, load_funnels(site.settings.funnels))
    run = Run("r", site.name, rules, {0: Start(150), 1: Start(100), 2: Start(0)}, ENDS, 1)
    assert await make_end(site.settings.kafka, run, Word.FOLLOW) is None
    assert await make_end(site.settings.kafka, run, Word.NOW) == ENDS
    assert await make_end(site.settings.kafka, run, minute(120)) == {0: 150, 1: 120, 2: 0}
    with pytest.raises(AnalyzeError, match="does not exist"):
        await make_end(site.settings.kafka, replace(run, topic=f"{site.name}x"), Word.NOW)


async def test_a_topic_that_got_more_partitions_is_not_the_one_that_was_planned_for(site):
    rules = counting_rules(site.settings, load_funnels(site.settings.funnels))
    run = Run("r", site.name, rules, {0: Start(0), 1: Start(100)}, ENDS, 1)
    with pytest.raises(ReplayError, match=f"topic {site.name} has 3 partitions, run r was planned for 2: drop the run"):
        await make_end(site.settings.kafka, run, Word.NOW)


WRONG = [
    (["start", "--name", "r", "--from", "yesterday"], '--from "yesterday" is none of earliest, live,'),
    (["start", "--name", "r", "--to", "2999-01-01"], "--to 2999-01-01 lies in the future"),
    (["start", "--name", "a b"], '--name "a b": 1 to 32 of a-z 0-9 _ - are right'),
    (["start", "--name", "r", "--funnel", "shopp"], '--funnel shopp: there is no such funnel (did you mean "shop"?)'),
    (["start", "--name", "r", "--from", at(150)], "the log no longer holds all that this run needs:\n  partition 1:"),
    (["start", "--name", "r", "--from", "live"], "--from live: where live began on partition 0 is not known"),
    (["start", "--name", "r", "--from", at(200), "--to", at(100)], NOTHING),
    (["start", "--name", "taken"], "there is a run taken already"),
    (["resume", "--name", "takn"], 'there is no run takn (did you mean "taken"?)'),
    (["resume", "--name", "taken", "--to", "soon"], '--to "soon" is none of now, follow'),
    (["status", "--name", "r"], "there is no run r (there are 1: taken)"),
    (["stop", "--name", "r"], "there is no run r"),
    (["drop", "--name", "r"], "there is no run r"),
    (["drop", "--name", "A B"], '--name "A B": 1 to 32 of a-z 0-9 _ - are right'),
]


@pytest.fixture(scope="module")
def taken(site):
    """Make a run that nobody counts."""
    rules = counting_rules(site.settings, load_funnels(site.settings.funnels))

    async def make():
        store = open_store(site.settings)
        await change_runs(store, lambda runs: runs.with_run(Run("taken", site.name, rules, ALL, ENDS, 1)))
        await store.close()

    asyncio.run(make())


@pytest.mark.parametrize(("words", "expected"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
@pytest.mark.usefixtures("taken")
async def test_wrong_use_is_named_and_changes_nothing(site, capsys, words, expected):
    replays = Replays(site)
    before = await replays.stored(":./")
    assert before
    assert await replays.say(*words) == 1
    assert expected in capsys.readouterr().err
    assert await replays.stored(":./") == before


@pytest.mark.usefixtures("taken")
async def test_a_topic_that_is_not_there_is_named(site, capsys):
    replays = Replays(site)
    before = await replays.stored(":./")
    config = site.folder / "missing.yaml"
    config.write_text((site.folder / "tracker.yaml").read_text().replace(f"topics: [{site.name}]", "topics: [shopp]"))
    assert await asyncio.to_thread(main, ["replay", "start", "--name", "r", "--config", str(config)]) == 1
    assert 'topic "shopp" does not exist' in capsys.readouterr().err
    assert await asyncio.to_thread(main, ["replay", "resume", "--name", "taken", "--config", str(config)]) == 1
    said = capsys.readouterr().err
    assert f"run taken reads topic {site.name}, the tracker file's log is shopp" in said
    assert await replays.stored(":./") == before


async def test_a_gap_that_is_accepted_is_said_and_remembered(site, capsys):
    replays = Replays(site)
    run = replays.start("start", "gap", "--from", at(150), "--to", at(250), "--allow-gap")
    assert await run.ended() == 0, run.said()
    gap = f"partition 1: a run from {at(150)} reads its warm-up from {at(75)}"
    assert run.said().startswith(f"not covered: {gap}")
    assert await replays.say("status", "--name", "gap", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert [text[: len(gap)] for text in status["gaps"]] == [gap]
    assert (status["state"], status["counts_from"], status["done"]) == ("complete", at(150), 175 + 150)
