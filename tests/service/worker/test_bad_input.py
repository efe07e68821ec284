"""Bad input never stops a worker: each record is counted under its verdict and found in the dead-letter topic."""

import json
import time

import pytest

from stream.model.verdict import Verdict
from support.workers import Site

pytestmark = pytest.mark.service

NOW_MS = int(time.time() * 1000)


def event(**changes):
    body = {"id": "e", "anonymous_id": "a1", "event": "view_page", "time": NOW_MS, **changes}
    return json.dumps({name: value for name, value in body.items() if value is not ...}).encode()


# name -> (value, verdict)
BAD = {
    "invalid UTF-8": (event().replace(b'"a1"', b'"\xff\xfe"'), Verdict.INVALID),
    "truncated JSON": (event()[:-9], Verdict.INVALID),
    "an array": (b"[1, 2]", Verdict.INVALID),
    "actor of a wrong type": (event(anonymous_id={"a": 1}), Verdict.INVALID),
    "time of a wrong type": (event(time=[NOW_MS]), Verdict.INVALID),
    "10 MB that are no JSON": (b"x" * 10_000_000, Verdict.INVALID),
    "depth 10 000": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, Verdict.INVALID),
    "NaN as time": (event().replace(str(NOW_MS).encode(), b"NaN"), Verdict.INVALID),
    "a huge integer as time": (event().replace(str(NOW_MS).encode(), b"9" * 400), Verdict.INVALID),
    "a lone surrogate in the actor": (event().replace(b'"a1"', b'"\\ud800"'), Verdict.INVALID),
    "null as time": (event(time=None), Verdict.INVALID),
    "no actor": (event(anonymous_id=...), Verdict.INVALID),
    "no time": (event(time=...), Verdict.INVALID),
    "no name": (event(event=...), Verdict.INVALID),
    "a tombstone": (None, Verdict.INVALID),
    "an empty value": (b"", Verdict.INVALID),
    "the year 0": (event(time="0000-01-01T00:00:00Z"), Verdict.INVALID),
    "the year 9999": (event(time="9999-12-31T23:59:59Z"), Verdict.FUTURE),
    "a day ago": (event(time=NOW_MS - 86_400_000), Verdict.LATE),
}
GOOD = {
    "NUL in a property": event(id="nul", properties={"device": "a\x00b"}),
    "10 MB in a property that nobody reads": event(id="big", properties={"text": "x" * 10_000_000}),
}


async def test_each_bad_record_is_counted_and_dead_lettered_and_the_good_ones_too(stack, tmp_path):
    site = Site(tmp_path, stack.kafka, stack.redis_url, partitions=1)
    try:
        await site.make_topic()
        values = [event(id="first"), *[value for value, _ in BAD.values()], *GOOD.values(), event(id="last")]
        await site.produce([(b"a1", value, NOW_MS) for value in values])
        worker = site.start()
        await site.caught_up()
        head = (await site.view()).partitions[0].head
        expected = dict.fromkeys(Verdict, 0)
        for _, verdict in BAD.values():
            expected[verdict] += 1
        expected[Verdict.ACCEPTED] = 2 + len(GOOD)
        assert dict(zip(Verdict, head.verdicts, strict=True)) == expected
        assert sum(head.verdicts) == head.next_offset == len(values)
        letters = {record.key.decode(): json.loads(record.value) for record in await site.dead_letters(len(BAD))}
        for offset, (name, (_, verdict)) in enumerate(BAD.items(), start=1):
            letter = letters[f"{site.name}/0/{offset}"]
            assert (letter["topic"], letter["partition"], letter["offset"]) == (site.name, 0, offset), name
            assert letter["verdict"] == verdict.label, name
            assert letter["reason"], name
        assert max(len(json.dumps(letter)) for letter in letters.values()) < 5_000
        assert worker.process.poll() is None
        assert await site.differences() == []
    finally:
        site.close()
