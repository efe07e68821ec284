"""What bytes mean: events, and every kind of garbage under a stable reason."""

import json
from decimal import Decimal

import pytest

from stream.errors import MappingError
from stream.ingest.decode import EventDecoder, Invalid, Reason
from stream.ingest.mapping import Mapping
from stream.model.event import Event
from stream.model.times import TimeUnit

FLAT = EventDecoder(Mapping())
GOOD = {"user_id": "u1", "time": 1000, "event": "buy", "id": "e1"}


def record(**changes):
    return json.dumps({**GOOD, **changes}).encode()


def without(field):
    return json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()


def with_text(field, raw):
    """Return the good record with raw bytes for `field`."""
    return record(**{field: "?"}).replace(b'"?"', raw)


def nested(levels):
    return record(z=0).replace(b'"z": 0', b'"z": ' + b"[" * levels + b"]" * levels)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        pytest.param(None, Reason.NULL, id="a-tombstone"),
        pytest.param(b"", Reason.EMPTY, id="no-bytes"),
        pytest.param(b" \r\n", Reason.EMPTY, id="only-space"),
        pytest.param(b"\xef\xbb\xbf", Reason.EMPTY, id="only-a-byte-order-mark"),
        pytest.param(b"hello", Reason.MALFORMED, id="no-json"),
        pytest.param(record()[:-3], Reason.MALFORMED, id="truncated"),
        pytest.param(record() + b"x", Reason.MALFORMED, id="more-after-the-end"),
        pytest.param(record() + record(), Reason.MALFORMED, id="two-records-in-one"),
        pytest.param(with_text("id", b"NaN"), Reason.MALFORMED, id="nan-is-not-json"),
        pytest.param(with_text("z", b"Infinity"), Reason.MALFORMED, id="infinity-is-not-json"),
        pytest.param(with_text("z", b'"\x00"'), Reason.MALFORMED, id="a-raw-nul"),
        pytest.param(b"\x00" * 50, Reason.MALFORMED, id="zero-bytes"),
        pytest.param(record().decode().encode("utf-16"), Reason.MALFORMED, id="utf-16"),
        pytest.param(b"null", Reason.NOT_AN_OBJECT, id="null"),
        pytest.param(b"[" + record() + b"]", Reason.NOT_AN_OBJECT, id="an-array"),
        pytest.param(b"12", Reason.NOT_AN_OBJECT, id="a-number"),
        pytest.param(b'"text"', Reason.NOT_AN_OBJECT, id="a-text"),
        pytest.param(nested(256), Reason.TOO_DEEP, id="257-levels"),
        pytest.param(nested(10_000), Reason.TOO_DEEP, id="10000-levels"),
        pytest.param(b"[" * 1_000_000, Reason.TOO_DEEP, id="a-million-open-brackets"),
        pytest.param(b'{"a":' * 100_000, Reason.TOO_DEEP, id="100000-open-objects"),
        pytest.param(b"{}", Reason.NO_ACTOR, id="an-empty-object"),
        pytest.param(without("user_id"), Reason.NO_ACTOR, id="no-actor"),
        pytest.param(record(user_id=None), Reason.NO_ACTOR, id="a-null-actor"),
        pytest.param(record(user_id=""), Reason.NO_ACTOR, id="an-empty-actor"),
        pytest.param(record(user_id=True), Reason.BAD_ACTOR, id="a-truth-value-for-actor"),
        pytest.param(record(user_id=1.0), Reason.BAD_ACTOR, id="a-fraction-for-actor"),
        pytest.param(with_text("user_id", b"1e3"), Reason.BAD_ACTOR, id="an-exponent-for-actor"),
        pytest.param(record(user_id=["u1"]), Reason.BAD_ACTOR, id="a-list-for-actor"),
        pytest.param(record(user_id={"id": "u1"}), Reason.BAD_ACTOR, id="an-object-for-actor"),
        pytest.param(with_text("user_id", b"9" * 4301), Reason.BAD_ACTOR, id="an-actor-of-4301-digits"),
        pytest.param(with_text("user_id", b'"\\ud800"'), Reason.BAD_ACTOR, id="a-lone-surrogate-in-actor"),
        pytest.param(with_text("user_id", b'"\xff"'), Reason.BAD_ACTOR, id="invalid-utf-8-in-actor"),
        pytest.param(without("time"), Reason.NO_TIME, id="no-time"),
        pytest.param(record(time=""), Reason.NO_TIME, id="an-empty-time"),
        pytest.param(record(time=True), Reason.BAD_TIME, id="a-truth-value-for-time"),
        pytest.param(record(time="0000-01-01T00:00:00Z"), Reason.BAD_TIME, id="the-year-0"),
        pytest.param(with_text("time", b"9" * 30), Reason.BAD_TIME, id="a-huge-time"),
        pytest.param(with_text("time", b"1e9999999999999999999"), Reason.BAD_TIME, id="an-endless-time"),
        pytest.param(with_text("time", b'"\\ud800"'), Reason.BAD_TIME, id="a-lone-surrogate-in-time"),
        pytest.param(without("event"), Reason.NO_NAME, id="no-name"),
        pytest.param(record(event=""), Reason.NO_NAME, id="an-empty-name"),
        pytest.param(record(event=5), Reason.BAD_NAME, id="a-number-for-name"),
        pytest.param(with_text("event", b'"\\udc00x"'), Reason.BAD_NAME, id="a-lone-surrogate-in-name"),
        pytest.param(record(id=1.5), Reason.BAD_ID, id="a-fraction-for-id"),
        pytest.param(record(id=False), Reason.BAD_ID, id="a-truth-value-for-id"),
        pytest.param(record(id=[]), Reason.BAD_ID, id="a-list-for-id"),
        pytest.param(with_text("id", b'"\xc0\x80"'), Reason.BAD_ID, id="overlong-utf-8-in-id"),
        pytest.param(record(user_id=[], time=True, event=5), Reason.BAD_ACTOR, id="the-first-of-several-problems"),
    ],
)
def test_invalid_because(value, reason):
    assert FLAT.decode(value) == Invalid(reason)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(record(), Event("u1", 1000, "buy", "e1", ()), id="a-good-record"),
        pytest.param(b"\xef\xbb\xbf" + record(), Event("u1", 1000, "buy", "e1", ()), id="a-byte-order-mark-is-skipped"),
        pytest.param(b" \n" + record() + b"\r\n", Event("u1", 1000, "buy", "e1", ()), id="space-around"),
        pytest.param(record(user_id=0), Event("0", 1000, "buy", "e1", ()), id="an-actor-by-number-zero"),
        pytest.param(record(user_id=-(10**30)), Event(f"-1{'0' * 30}", 1000, "buy", "e1", ()), id="a-long-number"),
        pytest.param(with_text("user_id", b"-0"), Event("0", 1000, "buy", "e1", ()), id="minus-zero-is-zero"),
        pytest.param(record(id=17), Event("u1", 1000, "buy", "17", ()), id="an-id-by-number"),
        pytest.param(record(id=""), Event("u1", 1000, "buy", None, ()), id="an-empty-id-is-none"),
        pytest.param(record(id=None), Event("u1", 1000, "buy", None, ()), id="a-null-id-is-none"),
        pytest.param(without("id"), Event("u1", 1000, "buy", None, ()), id="no-id"),
        pytest.param(record(user_id="a\0b"), Event("a\0b", 1000, "buy", "e1", ()), id="an-escaped-nul-is-text"),
        pytest.param(
            with_text("user_id", b'"\\ud83d\\ude00"'), Event("\U0001f600", 1000, "buy", "e1", ()), id="a-pair"
        ),
        pytest.param(record(time=0), Event("u1", 0, "buy", "e1", ()), id="time-zero"),
        pytest.param(record(time=-5), Event("u1", -5, "buy", "e1", ()), id="a-negative-time"),
        pytest.param(record()[:-1] + b', "time": 7}', Event("u1", 7, "buy", "e1", ()), id="of-equal-keys-the-last"),
        pytest.param(with_text("z", b'"\xff\\ud800"'), Event("u1", 1000, "buy", "e1", ()), id="junk-in-another-field"),
        pytest.param(with_text("z", b"9" * 5000), Event("u1", 1000, "buy", "e1", ()), id="a-huge-number-elsewhere"),
        pytest.param(nested(255), Event("u1", 1000, "buy", "e1", ()), id="256-levels"),
        pytest.param(
            nested(255)[:-1] + b', "y": [[]]}', Event("u1", 1000, "buy", "e1", ()), id="256-levels-and-others"
        ),
        pytest.param(record(z="[" * 5000), Event("u1", 1000, "buy", "e1", ()), id="brackets-in-text-nest-nothing"),
        pytest.param(record(z='\\"[' * 900), Event("u1", 1000, "buy", "e1", ()), id="nor-behind-escaped-quotes"),
        pytest.param(record(z=[[]] * 5000), Event("u1", 1000, "buy", "e1", ()), id="many-brackets-side-by-side"),
    ],
)
def test_a_record_means(value, expected):
    assert FLAT.decode(value) == expected


@pytest.mark.parametrize("levels", [100, 200, 255, 256, 300, 600, 900, 1100])
def test_what_is_too_deep_does_not_depend_on_the_callers_stack(levels):
    def from_depth(frames):
        return FLAT.decode(nested(levels)) if frames == 0 else from_depth(frames - 1)

    assert type(from_depth(0)) is type(from_depth(300)) is (Event if levels < 256 else Invalid)


def test_a_record_of_ten_megabytes_is_read_like_any_other():
    value = record(properties={"note": "x" * 10_000_000})
    found = EventDecoder(Mapping(), ("note",)).decode(value)
    assert found[:4] == ("u1", 1000, "buy", "e1")
    assert len(found.properties[0]) == 10_000_000


def properties(paths, raw, mapping=None):
    value = record(properties=0).replace(b'"properties": 0', b'"properties": ' + raw)
    return EventDecoder(mapping or Mapping(), paths).decode(value).properties


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b'{"a": "x"}', "x", id="text"),
        pytest.param(b'{"a": ""}', "", id="empty-text-is-a-value"),
        pytest.param(b'{"a": 12}', 12, id="an-integer"),
        pytest.param(b'{"a": 12.30}', Decimal("12.30"), id="an-amount-keeps-its-digits"),
        pytest.param(b'{"a": 0.1000000000000000000000001}', Decimal("0.1000000000000000000000001"), id="exact"),
        pytest.param(b'{"a": true}', True, id="a-truth-value"),
        pytest.param(b'{"a": null}', None, id="null-is-none"),
        pytest.param(b"{}", None, id="absent"),
        pytest.param(b'{"a": {"b": 1}}', None, id="an-object-is-none"),
        pytest.param(b'{"a": [1]}', None, id="an-array-is-none"),
        pytest.param(b'{"a": "x\\ud83d"}', "x\ufffd", id="half-an-emoji-is-marked"),
        pytest.param(b'{"a": "x\xff"}', "x\ufffd", id="invalid-utf-8-is-marked"),
        pytest.param(b'{"a": "x\\u0000"}', "x\0", id="an-escaped-nul-is-text"),
        pytest.param(b'{"a": 1e9999999999999999999}', None, id="no-decimal-holds-it"),
        pytest.param(b'{"a": ' + b"9" * 4301 + b"}", None, id="an-integer-of-4301-digits"),
        pytest.param(b"null", None, id="null-for-all-properties"),
        pytest.param(b'"text"', None, id="text-for-all-properties"),
        pytest.param(b"[]", None, id="an-array-for-all-properties"),
        pytest.param(b'{"a": 1, "a": 2}', 2, id="of-equal-keys-the-last"),
        pytest.param(b'[], "properties": {"a": 1}', 1, id="of-equal-properties-the-last"),
    ],
)
def test_a_property_is(raw, expected):
    (found,) = properties(("a",), raw)
    assert (type(found), found) == (type(expected), expected)
    assert str(found) == str(expected)


def test_properties_come_in_the_order_asked_for():
    assert properties(("b", "a.c", "z"), b'{"a": {"c": 1}, "b": 2}') == (2, 1, None)


def test_a_broken_property_costs_only_itself():
    assert properties(("a", "b"), b'{"a": "\\ud800", "b": "fine"}') == ("\ufffd", "fine")


def test_a_path_and_one_below_it_can_both_be_read():
    assert properties(("a", "a.b", "a.b.c"), b'{"a": {"b": {"c": 1}}}') == (None, None, 1)
    assert properties(("a", "a.b", "a.b.c"), b'{"a": {"b": 2}}') == (None, 2, None)
    assert properties(("a.b", "a"), b'{"a": 3}') == (None, 3)


def test_a_core_field_is_a_property_as_well():
    assert properties(("event", "user_id"), b"{}") == ("buy", "u1")


def test_the_properties_root_is_looked_at_first():
    value = record(properties={"device": "tv"}, device="phone", country="FR")
    assert EventDecoder(Mapping(), ("device", "country")).decode(value).properties == ("tv", "FR")


def test_a_dot_inside_a_key_is_escaped():
    assert properties((r"a\.b",), b'{"a.b": 1, "a": {"b": 2}}') == (1,)


def test_core_fields_may_lie_deep_and_have_fallbacks():
    mapping = Mapping(actor=("context.user", "user_id"), time=("sent.at",), name=("context.name",), id=("context.id",))
    value = json.dumps({"context": {"user": "", "name": "buy", "id": 5}, "user_id": "u2", "sent": {"at": 9}}).encode()
    assert EventDecoder(mapping).decode(value) == Event("u2", 9, "buy", "5", ())


def test_one_key_may_be_two_fields():
    mapping = Mapping(id=("user_id",), name=("event", "user_id"))
    assert EventDecoder(mapping).decode(record()) == Event("u1", 1000, "buy", "u1", ())


def test_a_source_without_ids_is_fine():
    assert EventDecoder(Mapping(id=())).decode(record()).event_id is None


def test_seconds_with_a_fraction_are_read_exactly():
    decoder = EventDecoder(Mapping(unit=TimeUnit.S))
    assert decoder.decode(with_text("time", b"1764000000.123")).time_ms == 1_764_000_000_123
    assert decoder.decode(with_text("time", b"-0.0005")).time_ms == -1


def test_an_unknown_format_says_which_there_are():
    with pytest.raises(MappingError, match=r'"xml" is unknown \(try one of: json\)'):
        EventDecoder(Mapping(format="xml"))


@pytest.mark.parametrize("path", ["", "a..b", "."])
def test_an_empty_property_path_is_refused(path):
    with pytest.raises(MappingError, match="is not a path"):
        EventDecoder(Mapping(), (path,))


@pytest.mark.parametrize("path", ['a"b', "cart.a\\b", "a\nb"])
def test_a_path_that_json_writes_otherwise_is_refused_by_name(path):
    with pytest.raises(MappingError, match="a key with a quote, a backslash or a control character"):
        EventDecoder(Mapping(), (path,))
