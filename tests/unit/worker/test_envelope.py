"""Envelopes mean what the records in them mean at their source, and keep what was invalid countable."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream.ingest.decode import EventDecoder, Invalid
from stream.ingest.mapping import PRESETS, Mapping
from stream.worker.envelope import (
    TOO_LARGE_REASON,
    EnvelopeWriter,
    Provenance,
    log_mapping,
    misplaced_text,
    provenance,
    record_field,
)

LARGE = 1 << 20
SOURCE = "orders/3/17"
PATHS = ("x", "x.y", "properties.x", "data.x", "source", "actor", "event", "id", "time", "record.x")
OWN = Mapping(properties=("payload.at\\.tributes", "properties"))
MAPPINGS = [*PRESETS.values(), OWN]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "ü", "\x00"]) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "y", "at.tributes"]), inner),
    max_leaves=6,
)
containers = st.dictionaries(
    st.sampled_from(["x", "y", "properties", "data", "payload", "source", "actor", "event", "id", "time", "record"]),
    json_values,
)


def sound(mapping, extra):
    """Return a record that `mapping` accepts, with `extra` beside its core fields."""
    core = {mapping.actor[0]: "u1", mapping.time[0]: "2026-11-24T10:00:00.123Z", mapping.name[0]: "buy"}
    return json.dumps({**extra, **core}).encode()


def written(value, mapping):
    return EnvelopeWriter(mapping, LARGE).write(value, SOURCE)


def read_back(envelope):
    return EventDecoder(log_mapping([OWN]), PATHS).decode(envelope)


@given(st.sampled_from(MAPPINGS), containers)
@example(PRESETS["flat"], {"x": 5, "properties": {"x": {"y": 1}}})
@example(PRESETS["flat"], {"x": 5, "properties": {"x": 6}})
@example(PRESETS["flat"], {"properties": "text", "source": "newsletter"})
@example(PRESETS["cloudevents"], {"data": {"x": 12345678901234567890.5}})
def test_an_event_has_the_same_properties_as_at_its_source(mapping, extra):
    """Whatever the source's roots and however its containers overlap."""
    value = sound(mapping, extra)
    direct = EventDecoder(mapping, PATHS).decode(value)
    key, envelope, is_event = written(value, mapping)
    if isinstance(direct, Invalid):  # an object where the id should be
        assert not is_event
        return
    assert is_event
    assert key == b"u1"
    assert read_back(envelope) == direct._replace(event_id=direct.event_id or SOURCE)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()) | st.none())
def test_what_is_no_event_becomes_an_envelope_that_is_invalid_and_says_why(value):
    direct = EventDecoder(Mapping()).decode(value)
    assert isinstance(direct, Invalid)
    key, envelope, is_event = written(value, Mapping())
    assert not is_event
    assert key == SOURCE.encode()
    assert read_back(envelope) == Invalid("missing actor")
    assert provenance(envelope) == Provenance(SOURCE, direct.reason)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b'\xef\xbb\xbf{"user_id":"u","time":1,"event":"e"}', id="byte-order-mark"),
        pytest.param(b' \n{"user_id":"u","time":1,"event":"e"} \n', id="blanks-around"),
        pytest.param(b'{"user_id":"u","time":1,"event":"e","x":"\xff"}', id="bytes-that-are-no-utf-8"),
        pytest.param(b'{"user_id":"u","time":1,"event":"e","x":"\\ud800"}', id="lone-surrogate"),
        pytest.param(b'{"user_id":7,"time":"1","event":"e","x":1.10}', id="digits-of-a-number"),
        pytest.param(b'{"user_id":"\\u0000","time":0,"event":"e","x":1e400}', id="nul-and-a-huge-number"),
        pytest.param(b'{"user_id":"u","time":1,"event":"e","x":' + b"[" * 250 + b"]" * 250 + b"}", id="250-deep"),
        pytest.param(b'{"user_id":"u","time":1,"event":"e","user_id":"v","x":1,"x":2}', id="keys-twice"),
    ],
)
def test_odd_records_mean_the_same_in_an_envelope(value):
    direct = EventDecoder(Mapping(), PATHS).decode(value)
    key, envelope, is_event = written(value, Mapping())
    assert is_event
    assert key == direct.actor.encode()
    assert read_back(envelope) == direct._replace(event_id=SOURCE)


def test_a_record_at_the_limit_of_depth_is_invalid_once_it_is_in_an_envelope():
    deep = b'{"user_id":"u","time":1,"event":"e","x":' + b"[" * 255 + b"]" * 255 + b"}"
    assert not isinstance(EventDecoder(Mapping()).decode(deep), Invalid)
    _, envelope, _ = written(deep, Mapping())
    assert read_back(envelope) == Invalid("nested too deep")


def test_an_envelope_is_plain_json_with_the_record_untouched():
    value = b'{"user_id":"u1","time":1000,"event":"buy","id":"e1","properties":{"price":1.10,"tags":["a",{"b":null}]}}'
    _, envelope, _ = written(value, Mapping())
    assert envelope == (
        b'{"actor":"u1","time":1000,"event":"buy","id":"e1","source":"orders/3/17","record":' + value + b"}"
    )


def test_a_record_that_the_topic_could_not_take_is_invalid_and_the_limit_itself_fits():
    value = b'{"user_id":"u1","time":1,"event":"e"}'
    key, envelope, _ = written(value, Mapping())
    size = len(key) + len(envelope)
    assert EnvelopeWriter(Mapping(), size).write(value, SOURCE) == (key, envelope, True)
    _, rejected, is_event = EnvelopeWriter(Mapping(), size - 1).write(value, SOURCE)
    assert not is_event
    assert provenance(rejected).reason.startswith(TOO_LARGE_REASON)


def test_sources_with_other_roots_have_a_field_of_their_own():
    assert record_field(PRESETS["segment"].properties) == "record"
    assert len({record_field(mapping.properties) for mapping in MAPPINGS}) == 4


@pytest.mark.parametrize("value", [None, b"", b"[]", b'{"user_id":"u"}', b'{"source":1}', b"\xff"])
def test_what_others_write_into_the_topic_has_no_provenance(value):
    assert provenance(value) is None


def test_the_text_about_a_wrong_key_says_where_and_what_turns_repartitioning_on():
    text = misplaced_text("orders", 3, 17, "web")
    assert "topic orders, partition 3, offset 17" in text
    assert "Take keyed_by_actor out of source web" in text
    assert "docs/sources.md" in text
