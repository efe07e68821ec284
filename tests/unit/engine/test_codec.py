"""States come back from their bytes as they were; other bytes are refused."""

import msgspec
import pytest

from stream.engine.advance import advance
from stream.engine.codec import CODEC_VERSION, LENGTH_BYTES, decode_states, encode_new, encode_whole
from stream.engine.match import FunnelSet
from stream.engine.state import EMPTY_BASE, FunnelState, seal_entries
from stream.errors import UnreadableState
from stream.model.funnel import Breakdown, Funnel, Step, ValueRule
from support.roles import steps_of


def chunk(*parts):
    written = msgspec.msgpack.encode(parts)
    return len(written).to_bytes(LENGTH_BYTES, "big") + written


PATHS = [
    "A@0", "A@0 B@1", "A@0 A@3 B@4", "A@0 B@1 C@2", "A@0 A@3 A@11 B@12", "A#x@0 A#y@0 B#z@0", "A@-5 B@0",
    "A@9 B@12 A@21", "A@1 B@2 C@3 A@4 B@14", "B@1", "A@0 A@3 B@4 A@5",
]  # fmt: skip


@pytest.mark.parametrize("limit", [-100, 3, 13, 100])
@pytest.mark.parametrize("path", PATHS)
def test_a_state_comes_back_as_it_was(run, path, limit):
    actor = run("A>B>C/10", path, period_ms=10)
    actor.seal(limit)
    read = decode_states(encode_whole([actor.funnel], actor.record), {0: actor.funnel})[0]
    assert [entry[1:] for entry in read.entries] == [("", (), None, *entry[4:7], ()) if place == 0 else entry[1:]
                                                     for place, entry in enumerate(actor.state.entries)]  # fmt: skip
    assert read.fold == actor.state.fold


def test_touches_come_back_as_they_were():
    steps = (Step("a", ("A",)), Step("b", ("B",), value=ValueRule("total", None, "EUR")))
    funnels = FunnelSet([Funnel("f", 1, steps, 10, breakdowns=(Breakdown("by", ("utm",)),))])
    (funnel,) = funnels.funnels
    state = FunnelState([EMPTY_BASE])
    hits = [
        (time, f"e{time}", steps_of(funnel)[name], funnel.touch(steps_of(funnel)[name], properties), 0)
        for time, name, properties in [(0, "A", (None, "mail")), (1, "B", ("9.90", None)), (20, "A", (None, "blog"))]
    ]
    advance(funnel, state, hits, [])
    for limit in (0, 1, 2, 21):
        seal_entries(funnel, state.entries, limit)
        read = decode_states(encode_whole([funnel], [b"", state.entries]), funnels.by_number)[0]
        assert read.fold == state.fold
        assert [entry[:4] for entry in read.entries[1:]] == [entry[:4] for entry in state.entries[1:]]


def test_a_funnel_that_is_gone_is_left_out_and_the_others_are_read(run):
    one, two = run("A>B/10", "A@0"), run("A>B/10", "A@5")
    two.funnel.number, two.funnel.slot = 4, 2
    blob = encode_whole([one.funnel, two.funnel], [b"", one.state.entries, two.state.entries])
    assert {number: state.fold for number, state in decode_states(blob, {4: two.funnel}).items()} == {4: two.state.fold}


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(chunk(CODEC_VERSION + 1, 5, 5), id="a-later-version"),
        pytest.param(chunk(0), id="an-earlier-version"),
        pytest.param(b"\0\0\0\1\x80", id="no-list"),
        pytest.param(chunk(), id="an-empty-list"),
        pytest.param(chunk(CODEC_VERSION, [0, "x"]), id="no-state"),
        pytest.param(chunk(CODEC_VERSION, 3), id="a-number-for-a-state"),
        pytest.param(chunk(CODEC_VERSION, [0, []])[:-1], id="cut-short"),
        pytest.param(chunk(CODEC_VERSION, [0, []]) + b"\0\0", id="cut-short-after-a-chunk"),
        pytest.param(msgspec.msgpack.encode([2, [0, [], None, [], []]]), id="before-chunks"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1\xff", id="no-msgpack"),
    ],
)
def test_other_bytes_are_refused_with_what_would_be_right(blob):
    with pytest.raises(UnreadableState, match=f"this release reads {CODEC_VERSION}"):
        decode_states(blob, {})


def test_what_was_appended_counts_like_what_was_written_at_once(run):
    actor = run("A>B>C/10", "A#e1@0 B#e2@4 A#e3@8")
    actor.seal(3)
    blob = encode_whole([actor.funnel], actor.record)
    for more in ("C#e4@9", "A#e5@11 B#e6@12"):
        position = len(actor.state.entries)
        actor.take(more)
        blob += encode_new(actor.record, {actor.funnel: position})
    assert len(actor.state.entries) == 6
    read = decode_states(blob, {0: actor.funnel})[0].entries
    assert (read[0][4:7], read[1:]) == (actor.state.entries[0][4:7], actor.state.entries[1:])


def test_what_is_appended_to_nothing_is_a_state(run):
    actor = run("A>B>C/10", "A#e1@0 B#e2@4")
    blob = encode_new(actor.record, {actor.funnel: 1})
    assert decode_states(blob, {0: actor.funnel})[0].entries == actor.state.entries
