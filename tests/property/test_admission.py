"""Laws of admission: the quick batch form is the clear form, and nothing but the log prefix shows."""

import json

from hypothesis import given
from hypothesis import strategies as st

from stream.ingest.admission import NO_LIMIT_MS, Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.model.event import Record
from stream.model.verdict import Verdict
from support.clear_admission import Watermark, judge

DECODER = EventDecoder(Mapping(), ("device", "cart.total"))
SERVED = {"view", "buy"}

times = st.integers(-20, 140)
broken = st.sampled_from(
    [None, b"", b"{", b"[]", b'{"user_id": 1}', b"\xff", b'{"user_id": true, "event": "buy", "time": 1}']
)


@st.composite
def mapped(draw):
    fields = {
        "user_id": draw(st.sampled_from(["ann", "bob", 7])),
        "event": draw(st.sampled_from(["view", "buy", "other"])),
        "time": draw(times),
        "id": draw(st.sampled_from([None, "", "x", "y", 3])),
        "properties": draw(st.sampled_from([{}, {"device": "tv"}, {"cart": {"total": 12.3}}, None, {"device": []}])),
    }
    return json.dumps(fields).encode()


records = st.builds(
    Record,
    value=st.one_of(mapped(), mapped(), mapped(), broken),
    offset=st.just(0),
    record_ms=st.one_of(st.none(), st.integers(0, 120)),
)
logs = st.lists(records, max_size=40).map(
    lambda log: [record._replace(offset=100 + at) for at, record in enumerate(log)]
)
limits = st.builds(Limits, allowed_lateness_ms=st.integers(0, 30), max_future_skew_ms=st.integers(0, 20))
marks = st.one_of(st.none(), times)


def admit(log, limit, mark):
    columns = [record.value for record in log], [record.record_ms for record in log], [record.offset for record in log]
    return admit_batch(*columns, DECODER, SERVED, limit, mark, "shop/3/")


@given(logs, limits, marks)
def test_the_batch_form_equals_the_clear_form(log, limit, mark):
    admitted = admit(log, limit, mark)
    judged, after = judge(log, DECODER, SERVED, limit, Watermark(mark))
    assert admitted.watermark_ms == after.time_ms
    assert admitted.events == [
        (
            one.event.actor,
            one.event.time_ms,
            one.event.event_id or f"shop/3/{record.offset}",
            one.event.name,
            one.event.properties,
            NO_LIMIT_MS if one.limit_ms is None else one.limit_ms,
        )
        for record, one in zip(log, judged, strict=True)
        if one.verdict is None
    ]
    assert admitted.counts == [sum(one.verdict is verdict for one in judged) for verdict in Verdict]
    assert [(at, verdict) for at, verdict, _ in admitted.rejects] == [
        (at, one.verdict)
        for at, one in enumerate(judged)
        if one.verdict in {Verdict.INVALID, Verdict.FUTURE, Verdict.LATE}
    ]


@given(logs, limits, marks, st.data())
def test_where_a_batch_is_cut_never_shows(log, limit, mark, data):
    """Batch boundaries are an accident of the consumer; nothing may depend on one."""
    cut = data.draw(st.integers(0, len(log)))
    whole = admit(log, limit, mark)
    head = admit(log[:cut], limit, mark)
    tail = admit(log[cut:], limit, head.watermark_ms)
    assert head.events + tail.events == whole.events
    assert [a + b for a, b in zip(head.counts, tail.counts, strict=True)] == whole.counts
    assert head.rejects + [(at + cut, *rest) for at, *rest in tail.rejects] == whole.rejects
    assert tail.watermark_ms == whole.watermark_ms


@given(logs, limits, marks)
def test_every_record_is_counted_once(log, limit, mark):
    admitted = admit(log, limit, mark)
    assert sum(admitted.counts) + len(admitted.events) == len(log)


@given(logs, limits, marks)
def test_what_funnels_need_changes_neither_verdicts_nor_watermark(log, limit, mark):
    columns = [record.value for record in log], [record.record_ms for record in log], [record.offset for record in log]
    bare = admit_batch(*columns, EventDecoder(Mapping()), SERVED, limit, mark, "shop/3/")
    full = admit(log, limit, mark)
    assert (bare.counts, bare.rejects, bare.watermark_ms) == (full.counts, full.rejects, full.watermark_ms)
    assert [event[:4] for event in bare.events] == [event[:4] for event in full.events]


@given(logs, limits)
def test_the_watermark_never_goes_back(log, limit):
    marks_seen = [admit(log[:end], limit, None).watermark_ms for end in range(len(log) + 1)]
    known = [mark for mark in marks_seen if mark is not None]
    assert known == sorted(known)
    assert None not in marks_seen[marks_seen.index(known[0]) :] if known else True
