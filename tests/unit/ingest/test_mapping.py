"""Presets and what an operator may change in them."""

import json

import pytest

from stream.errors import MappingError
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import PRESETS, Mapping, split_path
from stream.ingest.outcome import Invalid, Reason
from stream.model.event import Event
from stream.model.times import TimeUnit

AT = "2025-11-24T16:00:00.123Z"
AT_MS = 1_764_000_000_123


@pytest.mark.parametrize(
    ("preset", "record", "expected"),
    [
        pytest.param(
            "flat",
            {"user_id": "u1", "time": AT_MS, "event": "buy", "id": "e1", "properties": {"device": "tv"}},
            Event("u1", AT_MS, "buy", "e1", ("tv",)),
            id="flat-with-properties",
        ),
        pytest.param(
            "flat",
            {"user_id": 7, "time": AT, "event": "buy", "device": "tv"},
            Event("7", AT_MS, "buy", None, ("tv",)),
            id="flat-keeps-unknown-fields-as-properties",
        ),
        pytest.param(
            "segment",
            {
                "type": "track",
                "event": "Order Completed",
                "userId": "u1",
                "anonymousId": "a1",
                "messageId": "m1",
                "timestamp": AT,
                "properties": {"device": "tv"},
            },
            Event("u1", AT_MS, "Order Completed", "m1", ("tv",)),
            id="segment-track",
        ),
        pytest.param(
            "segment",
            {"type": "track", "event": "Viewed", "userId": None, "anonymousId": "a1", "timestamp": AT},
            Event("a1", AT_MS, "Viewed", None, (None,)),
            id="segment-anonymous",
        ),
        pytest.param(
            "segment",
            {"type": "page", "name": "Home", "userId": "", "anonymousId": "a1", "timestamp": AT},
            Event("a1", AT_MS, "page", None, (None,)),
            id="segment-page-goes-by-its-type",
        ),
        pytest.param(
            "snowplow",
            {
                "event": "unstruct",
                "event_name": "add_to_cart",
                "event_id": "e1",
                "domain_userid": "d1",
                "derived_tstamp": "2025-11-24 16:00:00.123",
                "device": "tv",
            },
            Event("d1", AT_MS, "add_to_cart", "e1", ("tv",)),
            id="snowplow",
        ),
        pytest.param(
            "snowplow",
            {"event": "page_ping", "event_name": None, "domain_userid": "d1", "derived_tstamp": AT},
            Event("d1", AT_MS, "page_ping", None, (None,)),
            id="snowplow-without-event-name",
        ),
        pytest.param(
            "cloudevents",
            {
                "specversion": "1.0",
                "type": "shop.buy",
                "source": "/shop",
                "subject": "u1",
                "id": "e1",
                "time": AT,
                "data": {"device": "tv"},
            },
            Event("u1", AT_MS, "shop.buy", "e1", ("tv",)),
            id="cloudevents",
        ),
        pytest.param(
            "posthog",
            {"event": "$pageview", "distinct_id": "u1", "uuid": "e1", "timestamp": AT, "properties": {"device": "tv"}},
            Event("u1", AT_MS, "$pageview", "e1", ("tv",)),
            id="posthog",
        ),
    ],
)
def test_a_preset_reads_what_its_producers_send(preset, record, expected):
    assert EventDecoder(Mapping.preset(preset), ("device",)).decode(json.dumps(record).encode()) == expected


def test_segment_identify_is_an_event_that_no_funnel_needs_to_take():
    record = {"type": "identify", "userId": "u1", "timestamp": AT, "traits": {"plan": "pro"}}
    found = EventDecoder(PRESETS["segment"], ("traits.plan",)).decode(json.dumps(record).encode())
    assert found == Event("u1", AT_MS, "identify", None, ("pro",))


def test_a_change_replaces_only_what_it_names():
    changed = Mapping.preset("flat", time="ts", actor=["account", "user_id"], unit="us")
    assert changed == Mapping(time=("ts",), actor=("account", "user_id"), unit=TimeUnit.US)


def test_a_cloudevent_of_nobody_has_no_actor():
    record = {"type": "shop.tick", "id": "e1", "time": AT}
    found = EventDecoder(PRESETS["cloudevents"]).decode(json.dumps(record).encode())
    assert found == Invalid(Reason.NO_ACTOR)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"preset": "mixpanel"}, '"mixpanel" is unknown (try one of: flat, segment'),
        ({"preset": "flat", "user": "id"}, '"user" is no field of it (try one of: actor'),
        ({"preset": "flat", "unit": "minutes"}, '"minutes" is not a time unit (try one of: iso, s, ms, us, ns)'),
        ({"preset": "flat", "actor": ()}, 'mapping.actor: no path given (try "user_id")'),
        ({"preset": "flat", "actor": ""}, 'mapping.actor: "" is not a path'),
        ({"preset": "flat", "time": "a..b"}, 'mapping.time: "a..b" is not a path'),
        ({"preset": "flat", "properties": "a."}, 'mapping.properties: "a." is not a path'),
    ],
)
def test_a_mapping_that_cannot_be_says_what_would_be_right(changes, text):
    name = changes.pop("preset")
    with pytest.raises(MappingError) as caught:
        Mapping.preset(name, **changes)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("path", "keys"),
    [("", ()), ("a", ("a",)), ("a.b.c", ("a", "b", "c")), (r"a\.b.c", ("a.b", "c"))],
)
def test_a_path_is_split_at_its_dots(path, keys):
    assert split_path(path) == keys
