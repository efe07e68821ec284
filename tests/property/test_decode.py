"""Laws of decoding: no bytes raise, the quick reader agrees with the patient one, properties never decide validity."""

import json
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from stream.ingest import json_format
from stream.ingest.decode import EventDecoder, Invalid
from stream.ingest.mapping import PRESETS, Mapping, split_path
from stream.ingest.outcome import Reason
from stream.model.event import Event
from stream.model.times import TimeUnit, time_reader

KEYS = ["user_id", "time", "event", "id", "properties", "context", "a", "b", "a.b", "\u00e9", "userId", "anonymousId"]
PATHS = ["user_id", "event", "context.id", "a", "a.b", "context", "b", r"a\.b", "\u00e9", "properties.a"]

raw_strings = st.sampled_from(
    ["\\ud83d", "\\ud83d\\ude00", "\\u0000", "\\udc00x", "\xff", "\xed\xa0\x80", "\\q", "\\", '"', "\x00", "\xc3\xa9"]
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.floats(allow_nan=False, allow_infinity=False)
).map(lambda value: json.dumps(value).encode())
odd = st.one_of(
    raw_strings.map(lambda raw: b'"' + raw.encode("latin-1") + b'"'),
    st.sampled_from(
        [b"NaN", b"-Infinity", b"01", b"1e0", b"12.30", b"-0", b"1e999999999999999999999", b"9" * 4301, b""]
    ),
    st.sampled_from([b"18446744073709551616", b"-" + b"9" * 4300, b"1E5", b"tru", b"1.", b"-"]),
)


def _object(members):
    return (
        b"{" + b",".join(json.dumps(key, ensure_ascii=False).encode() + b":" + value for key, value in members) + b"}"
    )


def _objects(values):
    return st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=5).map(_object)


anything = st.recursive(
    st.one_of(scalars, scalars, scalars, odd),
    lambda inner: st.one_of(
        _objects(inner), st.lists(inner, max_size=3).map(lambda each: b"[" + b",".join(each) + b"]")
    ),
    max_leaves=12,
)


@st.composite
def nearly_events(draw):
    """Draw records with the core of an event, good or bad, whose rest is anything; sometimes cut or changed."""
    members = draw(st.lists(st.tuples(st.sampled_from(KEYS), anything), max_size=4))
    for key, good in (("user_id", b'"ann"'), ("time", b"1000"), ("event", b'"buy"')):
        members.insert(
            draw(st.integers(0, len(members))), (key, draw(st.one_of(st.just(good), st.just(good), anything)))
        )
    value = _object(members)
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(value)))
        value = value[:at] + draw(st.binary(max_size=2)) + value[at + draw(st.integers(0, 2)) :]
    return value


mappings = st.sampled_from(
    [
        Mapping(),
        PRESETS["segment"],
        Mapping(actor=("context.id", "user_id", "a"), id=("id", "context.id"), unit=TimeUnit.S),
        Mapping(id=(), properties=("", "context")),
        Mapping(name=("a.b", "event"), id=("user_id",), properties=("a",)),
    ]
)
wanted = st.lists(st.sampled_from(PATHS), max_size=3, unique=True).map(tuple)


def patient(mapping, properties, value):
    """Return the event by the patient reader alone, which reads the whole document."""
    core = tuple(tuple(map(split_path, paths)) for paths in (mapping.actor, mapping.time, mapping.name, mapping.id))
    found = json_format._read_patiently(value, core, time_reader(mapping.unit))
    if isinstance(found, Invalid):
        return found
    *fields, document = found
    return Event(*fields, EventDecoder(mapping, properties).properties(document))


def exactly(event):
    """Type and text of each value: 1, True, 1.0 and Decimal("1.0") are different answers."""
    return (
        [event.reason] if isinstance(event, Invalid) else [(type(each), str(each)) for each in (*event[:4], *event[4])]
    )


@given(mappings, wanted, nearly_events())
@example(Mapping(), ("a",), b'{"user_id":"u","time":1,"event":"e","properties":"x","properties":{"a":12.30}}')
@example(Mapping(), ("a",), b'{"user_id":"u","time":1,"event":"e","properties":{"a":"\\ud83d"},"b":"\xff"}')
def test_both_readers_agree(mapping, properties, value):
    assert exactly(EventDecoder(mapping, properties).decode(value)) == exactly(patient(mapping, properties, value))


@given(mappings, wanted, wanted, nearly_events())
def test_a_property_reads_the_same_whatever_else_is_needed(mapping, mine, others, value):
    both = tuple(dict.fromkeys(mine + others))
    alone, together = EventDecoder(mapping, mine).decode(value), EventDecoder(mapping, both).decode(value)
    if isinstance(alone, Invalid) or isinstance(together, Invalid):
        assert alone == together
    else:
        assert exactly(alone) == exactly(together._replace(properties=together.properties[: len(mine)]))


@given(st.one_of(st.none(), st.binary(max_size=60), anything))
def test_no_bytes_raise(value):
    for name in PRESETS:
        found = EventDecoder(PRESETS[name], ("a", "a.b")).decode(value)
        assert isinstance(found, Event) or found.reason in set(Reason)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda each: each.normalize() + 0))
def test_amounts_are_exact(amount):
    text = f"{amount:f}"
    value = f'{{"user_id":"u","time":1,"event":"e","properties":{{"total":{text}}}}}'.encode()
    (found,) = EventDecoder(Mapping(), ("total",)).decode(value).properties
    assert type(found) in (int, Decimal)
    assert Decimal(found) == Decimal(text)
