"""What a sample says, from hand-made records of every preset and from the simulator."""

import json
from itertools import islice

import msgspec
import pytest

from stream.ingest.mapping import PRESETS, Mapping
from stream.model.event import Record
from stream.model.funnel import Funnel, Step
from stream.probe.analyse import Known, analyse
from stream.probe.sample import Run, Sample
from stream.settings.load import load_tracker
from stream.settings.sources import mapping_of
from stream.settings.tracker import FieldPaths
from stream.simulate.shop import ShopTraffic, shop_records

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
SECRETS = ("alice@example.com", "Miller Street 5")


def second(number: int) -> str:
    return f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.500Z"


def event_of(preset: str, number: int) -> dict:
    actor, name = f"person-{number % 7}", ("view", "buy")[number % 2]
    person = {"email": SECRETS[0], "address": {"street": SECRETS[1]}}
    return {
        "flat": {"user_id": actor, "time": second(number), "event": name, "id": f"e{number}", "properties": person},
        "segment": {
            "type": "track",
            "anonymousId": actor,
            "timestamp": second(number),
            "sentAt": second(number),
            "event": name,
            "messageId": f"e{number}",
            "context": person,
        },
        "snowplow": {
            "domain_userid": actor,
            "derived_tstamp": second(number).replace("T", " "),
            "collector_tstamp": second(number),
            "event": "struct",
            "event_name": name,
            "event_id": f"e{number}",
            "se_label": SECRETS[0],
        },
        "cloudevents": {
            "specversion": "1.0",
            "source": "/shop",
            "subject": actor,
            "time": second(number),
            "type": name,
            "id": f"e{number}",
            "data": person,
        },
        "posthog": {
            "distinct_id": actor,
            "timestamp": second(number),
            "event": name,
            "uuid": f"e{number}",
            "properties": person,
        },
    }[preset]


def records_of(events, keys=None, record_times=None) -> list[Record]:
    return [
        Record(
            event if isinstance(event, bytes) else json.dumps(event).encode(),
            number,
            record_times[number] if record_times else None,
            keys[number] if keys else None,
        )
        for number, event in enumerate(events)
    ]


def in_file(events) -> Sample:
    return Sample("events.jsonl", False, (Run(0, records_of(events)),), total_records=len(events))


def in_topic(events, keys, record_times) -> Sample:
    return Sample("clicks", True, (Run(0, records_of(events, keys, record_times)),), 1, len(events))


def findings_of(sample: Sample, known: Known | None = None, **more):
    return analyse(sample, known or Known(), NOW_MS + 86_400_000, **more)


def loaded(tmp_path, findings):
    """Load the config to paste as a tracker would."""
    path = tmp_path / "tracker.yaml"
    path.write_text(findings.config)
    return load_tracker(path, {})


def shop_sample(count: int = 5_000, **traffic) -> Sample:
    shop = list(islice(shop_records(ShopTraffic(**traffic)), count))
    return in_topic([each.value for each in shop], [each.key for each in shop], [each.record_ms for each in shop])


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_is_recognised_by_its_own_records(preset, tmp_path):
    findings = findings_of(in_file([event_of(preset, number) for number in range(200)]))
    assert (findings.reading.preset, findings.reading.fields, findings.mapped) == (preset, {}, 200)
    assert findings.names == {"buy": 100, "view": 100}
    assert mapping_of(loaded(tmp_path, findings).sources[0]) == PRESETS[preset]


@pytest.mark.parametrize(
    ("event", "fields", "unit"),
    [
        pytest.param(
            lambda number: {"visitor": {"id": f"p{number % 5}"}, "ts": 1_767_225_600 + number, "action": "view"},
            {"actor": ["visitor.id"], "time": ["ts"], "name": ["action"]},
            "s",
            id="nested-actor-and-seconds",
        ),
        pytest.param(
            lambda number: {
                "anonymous_id": f"p{number % 5}",
                "user_id": None if number % 3 else f"u{number % 5}",
                "time": str(1_767_225_600_000_000 + number),
                "event": "view",
            },
            {"actor": ["anonymous_id"]},
            "us",
            id="what-does-not-change-at-login-and-microseconds-as-text",
        ),
        pytest.param(
            lambda number: {
                "payload": {"event": "view", "uuid": f"e{number}", "name": f"Person {number}"},
                "user": {"id": f"p{number}"},
                "event.time": 1_767_225_600_000_000_000 + number,
                "received_at": second(number),
            },
            {"actor": ["user.id"], "time": ["event\\.time"], "name": ["payload.event"], "id": ["payload.uuid"]},
            "ns",
            id="an-envelope-a-dot-in-a-key-and-nanoseconds",
        ),
    ],
)
def test_other_fields_are_found_with_their_unit(event, fields, unit, tmp_path):
    findings = findings_of(in_file([event(number) for number in range(100)]))
    assert (findings.reading.fields, findings.reading.time_unit, findings.mapped) == (fields, unit, 100)
    [source] = loaded(tmp_path, findings).sources
    wanted = FieldPaths(**{role: tuple(paths) for role, paths in fields.items()})
    assert (source.preset, source.fields, source.time_unit) == ("flat", wanted, unit)


def test_the_field_that_is_the_record_key_goes_before_other_actors():
    events = [
        {"account_id": f"a{number % 3}", "ref": f"r{number % 7}", "time": second(number), "event": "view"}
        for number in range(70)
    ]
    assert findings_of(in_file(events)).reading.fields["actor"] == ["account_id"]
    keyed = in_topic(events, [event["ref"].encode() for event in events], [NOW_MS] * 70)
    assert findings_of(keyed).reading.fields["actor"] == ["ref"]


def test_when_a_record_arrived_is_not_when_it_happened():
    events = [
        {"user_id": f"p{number}", "event": "view", "received_at": second(number + 9), "visited_at": second(number)}
        for number in range(70)
    ]
    assert findings_of(in_file(events)).reading.fields == {"time": ["visited_at"]}


def test_the_simulated_shop_is_read_by_what_its_topic_is_keyed_by(tmp_path):
    findings = findings_of(shop_sample(junk_share=0.02, duplicate_share=0.1))
    assert findings.reading.fields == {"actor": ["anonymous_id"]}
    assert findings.key_is_actor_share == 1.0
    assert findings.mapped == 5_000 - sum(findings.invalid.values())
    assert 0.01 < sum(findings.invalid.values()) / 5_000 < 0.03
    assert findings.duplicate_share == pytest.approx(0.09, abs=0.02)
    [source] = loaded(tmp_path, findings).sources
    assert (source.topics, source.is_keyed_by_actor) == (("clicks",), True)
    assert not loaded(tmp_path, findings).needs_repartition


def test_delays_are_percentiles_and_the_suggestion_covers_nearly_all():
    findings = findings_of(shop_sample(20_000, events_per_second=10, late_share=0, future_share=0, offline_share=0.3))
    assert findings.delay.p50 <= findings.delay.p90 <= findings.delay.p99 <= findings.delay.p999 <= findings.delay.max
    assert findings.delay.max <= 600_000
    assert findings.allowed_lateness in {"5m", "10m"}
    assert findings.late_share <= 0.001
    assert findings.future_share == 0


def test_future_records_are_counted_and_make_nobody_late():
    events = [event_of("flat", number) for number in range(100)]
    events[10]["time"] = "2027-01-01T00:00:00Z"
    times = [NOW_MS + 1_000 * number + 600 for number in range(100)]
    for sample in (in_topic(events, [None] * 100, times), in_file(events)):
        findings = findings_of(sample)
        assert findings.future_share == pytest.approx(0.01)
        assert (findings.behind.max, findings.allowed_lateness) == (0, "1m")


def test_a_file_that_is_shuffled_suggests_no_lateness():
    events = [event_of("flat", number * 7_919 % 3_001) for number in range(3_001)]
    findings = findings_of(in_file(events))
    assert (findings.behind, findings.allowed_lateness, findings.late_share) == (None, None, None)
    assert any("not in order of arrival" in note for note in findings.notes)
    assert "allowed_lateness" not in findings.config


def test_a_key_that_is_another_field_is_named():
    events = [{**event_of("flat", number), "device_id": f"d{number}"} for number in range(50)]
    keys = [f"d{number}".encode() for number in range(50)]
    findings = findings_of(in_topic(events, keys, [NOW_MS] * 50))
    assert (findings.key_is_actor_share, findings.key_field) == (0.0, "device_id")
    assert any("the key is device_id" in note for note in findings.notes)
    assert "keyed_by_actor" not in findings.config


def test_a_single_record_with_another_key_forbids_keyed_by_actor():
    events = [event_of("flat", number) for number in range(50)]
    keys = [event["user_id"].encode() for event in events[:-1]] + [None]
    findings = findings_of(in_topic(events, keys, [NOW_MS] * 50))
    assert findings.key_is_actor_share == 0.98
    assert "keyed_by_actor" not in findings.config


def test_steps_count_their_events_and_a_typo_gets_a_guess():
    funnel = Funnel("shop", 2, (Step("look", ("view", "see")), Step("pay", ("Buys",)), Step("send", ("zzz",))), 1_000)
    other = Funnel("other", 1, (Step("a", ("aaa",)), Step("b", ("bbb",))), 1_000)
    findings = findings_of(in_file([event_of("flat", number) for number in range(10)]), Known((funnel, other)))
    [found, _] = findings.funnels
    assert found.key == "shop@2"
    assert [(step.matches, step.did_you_mean) for step in found.steps] == [(5, []), (0, ["buy"]), (0, [])]
    assert findings.notes[-1] == "no event matches any step of other@1"


def test_the_mapping_in_the_config_is_kept_if_it_reads_as_much():
    sample = in_file([event_of("segment", number) for number in range(100)])
    own = Mapping.preset("segment", time="sentAt")
    findings = findings_of(sample, Known(configured=("segment", own)))
    assert (findings.reading.is_configured, findings.reading.fields) == (True, {"time": ["sentAt"]})


def test_a_mapping_in_the_config_that_reads_less_is_said():
    sample = in_file([event_of("segment", number) for number in range(100)])
    findings = findings_of(sample, Known(configured=("flat", PRESETS["flat"])))
    assert (findings.reading.preset, findings.reading.is_configured) == ("segment", False)
    assert findings.notes[0] == "the mapping in your config reads 0.0% of the records; the one below fits better"


def test_a_wrong_time_unit_in_the_config_is_said():
    sample = in_file([{**event_of("flat", number), "time": 1_767_225_600 + number} for number in range(100)])
    findings = findings_of(sample, Known(configured=("flat", PRESETS["flat"])))
    assert (findings.reading.time_unit, findings.reading.is_configured) == ("s", False)
    assert "reads 100.0% of the records, its times as ms;" in findings.notes[0]


def test_no_value_is_given_away_unless_asked_for():
    for preset in PRESETS:
        sample = in_file([{**event_of(preset, number), f"{SECRETS[0]}": {"x": 1}} for number in range(50)])
        text = msgspec.json.encode(findings_of(sample)).decode()
        assert not [value for value in (*SECRETS, "person-1", '"e4') if value in text]
        assert SECRETS[0] in msgspec.json.encode(findings_of(sample, show_values=True)).decode()


def test_names_that_could_be_persons_are_shown_as_their_shape():
    events = [{**event_of("flat", number), "event": SECRETS[0] if number % 2 else "view"} for number in range(10)]
    assert findings_of(in_file(events)).names == {"<email>": 5, "view": 5}
    assert findings_of(in_file(events), show_values=True).names == {SECRETS[0]: 5, "view": 5}


JUNK = [
    b"",
    b"null",
    b"[1, 2]",
    b'"text"',
    b'{"user_id":',
    b"\xff\xfe\x00",
    b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    b'{"time":' + b"9" * 5_000 + b"}",
    b'{"user_id": "p", "time": NaN, "event": "view"}',
    b'{"\\u0000": {"\\ud800": 1e999}}',
    json.dumps({f"k{number}": {f"person {number}": 1} for number in range(2_000)}).encode(),
]


@pytest.mark.parametrize("events", [[], *[[junk] for junk in JUNK], JUNK * 3])
def test_junk_and_nothing_are_said_to_map_nowhere(events):
    findings = findings_of(in_file(events))
    assert (findings.mapped, findings.config, sum(findings.invalid.values())) == (0, "", len(events))
    assert len(findings.notes) == 1
    msgspec.json.encode(findings)


def test_a_null_value_in_a_topic_is_a_reason():
    sample = Sample("clicks", True, (Run(0, [Record(None, 0, NOW_MS, b"k")]),), 1, 1)
    assert findings_of(sample).invalid == {"null value": 1}


def test_one_record_is_enough(tmp_path):
    findings = findings_of(in_topic([event_of("flat", 1)], [b"person-1"], [NOW_MS + 5_000]))
    assert (findings.mapped, findings.delay.p50, findings.delay.max) == (1, 3_500, 3_500)
    assert loaded(tmp_path, findings).sources[0].is_keyed_by_actor
    assert findings.notes == ["1 events are few: take the shares and percentiles as rough"]


def test_a_record_of_ten_megabytes_is_read_like_any_other():
    event = {**event_of("flat", 1), "blob": "x" * 10_000_000}
    findings = findings_of(in_file([event, event_of("flat", 2)]))
    assert (findings.mapped, findings.duplicate_share) == (2, 0)


def test_events_without_an_id_are_no_duplicates():
    event = event_of("flat", 1)
    del event["id"]
    findings = findings_of(in_file([event, event]))
    assert findings.duplicate_share is None
    assert any("no event has an id" in note for note in findings.notes)


def test_a_topic_named_like_a_number_and_the_servers_are_quoted(tmp_path):
    sample = Sample("007", True, (Run(0, records_of([event_of("flat", 1)])),), 1, 1)
    tracker = loaded(tmp_path, findings_of(sample, Known(servers="a.example:9092,b.example:9092")))
    assert (tracker.sources[0].topics, tracker.kafka.bootstrap) == (("007",), "a.example:9092,b.example:9092")
