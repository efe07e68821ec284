"""Tracker files: the texts of every problem, and the settings that right files become."""

# ruff: noqa: E501, S106 - a text stays in one piece, so that grep finds it; the passwords are made up

import json

import pytest

from stream.errors import SettingsError
from stream.model.funnel import Period, PeriodUnit
from stream.model.window import Age, RollingWindow
from stream.settings.load import load_tracker
from stream.settings.schema import TRACKER_SCHEMA
from stream.settings.tracker import FieldPaths

SOURCE = {"topics": ["clicks"], "keyed_by_actor": True}
NO_ALERTS = {"windows": [], "segment_windows": []}
SASL = {"protocol": "sasl_ssl", "user": "u", "password": "p"}


@pytest.fixture
def load(tmp_path):
    """Load a tracker file with one source, and `changes`."""

    def load_changed(env=None, **changes):
        path = tmp_path / "tracker.yaml"
        path.write_text(json.dumps({"sources": [SOURCE], **changes}))
        return load_tracker(path, env or {})

    return load_changed


@pytest.fixture
def problems(load):
    """Return `path: text` of every problem of a file."""

    def found(env=None, **changes):
        with pytest.raises(SettingsError) as raised:
            load(env, **changes)
        return [f"{problem.path}: {problem.text}" for problem in raised.value.problems]

    return found


def source(**changes):
    return {"sources": [{**SOURCE, **changes}]}


def two_sources(**changes):
    return {"sources": [SOURCE, {"topics": ["orders"], **changes}]}


def security(**changes):
    return {"kafka": {"security": changes}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sources": []}, "sources: has 0 entries, needs at least 1"),
        ({"sources": [{}]}, "sources[0]: names nothing to read (add topics: [...] or pattern: ...)"),
        (source(topics="clicks"), 'sources[0].topics: "clicks" is text, not a list (try [clicks])'),
        (
            source(topics=["a b"]),
            'sources[0].topics[0]: "a b" is not a topic name (letters, digits, ".", "_", "-"; try "a-b")',
        ),
        (
            source(topics=["funnel-events"]),
            'sources[0].topics[0]: "funnel-events" is a topic that the tracker itself writes',
        ),
        (
            source(pattern="shop-("),
            'sources[0].pattern: "shop-(" is not a regular expression: missing ), unterminated subpattern at position 5 (try "shop-.*")',
        ),
        (
            source(pattern="funnel-e.*"),
            "sources[0].pattern: matches funnel-events, a topic that the tracker itself writes (narrow the pattern)",
        ),
        (
            source(preset="segmnt"),
            'sources[0].preset: "segmnt" is not one of flat, segment, snowplow, cloudevents, posthog (try "segment")',
        ),
        (source(format="avro"), 'sources[0].format: not supported yet in version 0.1: "avro" (use json)'),
        (source(time_unit="sec"), 'sources[0].time_unit: "sec" is not one of iso, s, ms, us, ns'),
        (source(keyed_by_actor="yes"), 'sources[0].keyed_by_actor: "yes" is text, not true or false (try true)'),
        (source(allowed_lateness="10 min"), 'sources[0].allowed_lateness: "10 min" is not a duration (try "10m")'),
        (
            source(fields={"actor": "a..b"}),
            'sources[0].fields.actor: "a..b" is not a property path (keys joined by dots, no quotes, as in page.url)',
        ),
        (source(fields={"actr": "a"}), 'sources[0].fields.actr: "actr" is not a known key (did you mean "actor"?)'),
        (two_sources(name="clicks"), 'sources[1]: "clicks" is already the name of sources[0] (add a name of its own)'),
        (
            {"sources": [SOURCE, {**SOURCE, "name": "x"}]},
            'sources[1].topics[0]: "clicks" is read by sources[0] too (keep one)',
        ),
        (
            two_sources(allowed_lateness="1h"),
            "sources[1].allowed_lateness: is 1h, but 10m for sources[0]; they share one log (give both the same)",
        ),
        (
            two_sources(max_future_skew="1m"),
            "sources[1].max_future_skew: is 1m, but 5m for sources[0]; they share one log (give both the same)",
        ),
        (
            {**source(keyed_by_actor=False), "repartition": {"enabled": False}},
            "repartition.enabled: is false, but the source is not keyed_by_actor (remove it, or set it to true)",
        ),
        (
            {**source(topics=["a", "b"]), "repartition": {"enabled": False}},
            "repartition.enabled: is false, but the source has several topics (remove it, or set it to true)",
        ),
        (
            {**two_sources(), "repartition": {"enabled": False}},
            "repartition.enabled: is false, but there are several sources (remove it, or set it to true)",
        ),
        (
            {"dead_letter": {"topic": "funnel-events"}},
            'dead_letter.topic: "funnel-events" is the repartition topic too',
        ),
        (
            {"kafka": {"bootstrap": "host"}},
            'kafka.bootstrap: "host" is not a list of servers (try "host:9092" or "host1:9092,host2:9092")',
        ),
        ({"kafka": {"bootstrap": ["host:1"]}}, 'kafka.bootstrap: ["host:1"] is a list, not a list of servers'),
        (
            security(protocol="SSL"),
            'kafka.security.protocol: "SSL" is not one of plaintext, ssl, sasl_plaintext, sasl_ssl (try "ssl")',
        ),
        (
            security(key_password="p"),
            "kafka.security.key_password: is for TLS, but protocol is plaintext (try protocol: ssl)",
        ),
        (security(user="u"), "kafka.security.user: is for SASL, but protocol is plaintext (try protocol: sasl_ssl)"),
        (
            security(protocol="sasl_ssl", user="u"),
            'kafka.security: "password" is missing, protocol sasl_ssl needs it (add password: ${env:KAFKA_PASSWORD})',
        ),
        (
            security(**SASL, ca_file="none.pem"),
            'kafka.security.ca_file: there is no file "none.pem" (give the path of a PEM file)',
        ),
        (
            security(**{**SASL, "password": 12345}),
            "kafka.security.password: the value is a number, not text (try quotes around it)",
        ),
        (
            {"redis": {"url": "http://h"}},
            'redis.url: the value is not a Redis URL (try "redis://host:6379/0" or "rediss://host:6379/0")',
        ),
        (
            {"redis": {"url": "redis://h/3", "cluster": True}},
            "redis.url: names a database, but a Redis Cluster has only 0 (end it with /0)",
        ),
        (
            {"redis": {"namespace": "a{b}"}},
            'redis.namespace: "a{b}" is not a name (letters, digits, "_", ".", "-", at most 64; try "a-b")',
        ),
        ({"rolling": ["5m", "300s"]}, "rolling[1]: 300s is there already (keep one)"),
        (
            {"rolling": [{"window": "1s", "slots": 7}]},
            "rolling[0]: 1s cannot be cut into 7 slots of whole milliseconds (try slots: 5)",
        ),
        ({"age_matched": ["1h", "60m"]}, "age_matched[1]: 60m is there already (keep one)"),
        ({"age_matched": ["15 min"]}, 'age_matched[0]: "15 min" is not a duration (try "15m")'),
        ({"age_matched": "15m"}, 'age_matched: "15m" is text, not a list (try [15m])'),
        ({"age_matched": ["0s"]}, 'age_matched[0]: "0s" is too short, at least 1s (try "1s")'),
        ({"rolling": [5]}, "rolling[0]: 5 is a number, not a duration or a mapping"),
        ({"worker": {"max_batch_records": "10k"}}, 'worker.max_batch_records: "10k" is text, not a whole number'),
        ({"worker": {"shards": 0}}, "worker.shards: 0 is too small (at least 1)"),
        ({"metrics": {"port": 70000}}, "metrics.port: 70000 is too large (at most 65535)"),
        ({"metrics": {"port": "9100"}}, 'metrics.port: "9100" is text, not a whole number (try 9100)'),
        (
            {"export": {"allow": {"device": "mobile"}}},
            'export.allow.device: "mobile" is text, not a list (try [mobile])',
        ),
        ({"export": {"allow": {"code": [404]}}}, 'export.allow.code[0]: 404 is a number, not text (try "404")'),
        ({"period": {"zone": "Mars/Base"}}, 'period.zone: "Mars/Base" is not a time zone (try "Europe/Berlin")'),
        ({"actor_secret": "ä" * 33}, "actor_secret: has 66 bytes, at most 64 (give a shorter one)"),
        ({"kafka": None}, "kafka: is empty, not a mapping (give a value, or remove the key)"),
        (
            {"topics": ["x"]},
            """topics: "topics" is not a known key (known here: kafka, redis, sources, funnels, rolling, age_matched, period, worker, metrics, web, export, alerts, dead_letter, repartition, actor_secret)""",
        ),
        (
            {"web": {"host": "0.0.0.0"}},  # noqa: S104
            'web.host: "0.0.0.0" is no loopback address, so requests need a token (add token: ${env:...}) or a proxy\'s trusted_header',
        ),
        (
            {"web": {"token": "too short"}},
            "web.token: the value is not a token (at least 16 visible ASCII characters, no spaces)",
        ),
        (
            {"web": {"trusted_header": "X User"}},
            'web.trusted_header: "X User" is not a header\'s name (letters, digits, "-", as in X-Forwarded-User)',
        ),
    ],
)
def test_a_problem_says_where_what_and_what_would_be_right(problems, changes, expected):
    assert problems(**changes) == [expected]


def test_certificate_and_key_need_each_other(problems, tmp_path):
    (tmp_path / "x.pem").touch()
    tls = {"kafka": {"security": {"protocol": "ssl", "cert_file": "x.pem"}}}
    assert problems(**tls) == ["kafka.security.cert_file: needs the certificate's key (add key_file: ...)"]
    assert problems(redis={"url": "rediss://h", "key_file": "x.pem"}) == [
        "redis.key_file: needs the key's certificate (add cert_file: ...)"
    ]
    assert problems(redis={"ca_file": "x.pem"}) == [
        "redis.ca_file: is for TLS, but the URL is without (start it with rediss://)"
    ]


def test_no_secret_is_ever_shown(problems, load):
    env = {"PASSWORD": "hunter2", "REDIS_URL": "redis://:hunter2@host:x y/0"}
    assert problems(env, kafka={"bootstrap": "${env:PASSWORD}"}, worker={"shards": "${env:PASSWORD}"}) == [
        'kafka.bootstrap: the value of "${env:PASSWORD}" is not a list of servers (try "host:9092" or "host1:9092,host2:9092")',
        'redis.url: the value of "${env:REDIS_URL}" is not a Redis URL (try "redis://host:6379/0" or "rediss://host:6379/0")',
        'worker.shards: the value of "${env:PASSWORD}" is text, not a whole number',
    ]
    settings = load(
        {"REDIS_URL": "redis://u:hunter2@host:1/0"},
        kafka={"security": {**SASL, "password": "hunter2", "key_password": "hunter2"}},
        redis={"password": "hunter2"},
        actor_secret="hunter2",
    )
    assert "hunter2" not in repr(settings)
    assert settings.redis.safe_url == "redis://host:1/0"
    assert settings.redis.url == "redis://u:hunter2@host:1/0"


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "rediss://u:p@h:6380/0",
        "redis://:a@b@h:1/15",
        "redis://[::1]:6379",
        "redis://h/0?timeout=2",
        "unix:///run/r.sock",
    ],
)
def test_every_form_of_a_redis_url_is_taken(load, url):
    assert load({"REDIS_URL": url}).redis.url == url


@pytest.mark.parametrize(
    "url", ["redis://", "redis://h:port", "redis://h:1:2", "h:6379", "redis://h/db", "redis://a b"]
)
def test_a_url_that_no_client_takes_is_a_problem(problems, url):
    (problem,) = problems({"REDIS_URL": url})
    assert problem.startswith("redis.url: the value of")


def test_servers_in_the_environment_win_over_the_file(load):
    env = {"KAFKA_BOOTSTRAP_SERVERS": "k1:1, k2:2", "REDIS_URL": "rediss://r:3/0"}
    settings = load(
        env, kafka={"bootstrap": "${env:NOT_SET}", "group": "g"}, redis={"url": "redis://other", "user": "u"}
    )
    assert (settings.kafka.bootstrap, settings.kafka.group) == ("k1:1,k2:2", "g")
    assert (settings.redis.url, settings.redis.user, settings.redis.uses_tls) == ("rediss://r:3/0", "u", True)


def test_an_empty_variable_does_not_win(load):
    settings = load({"KAFKA_BOOTSTRAP_SERVERS": "", "REDIS_URL": ""})
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert settings.redis.url == "redis://127.0.0.1:6379/0"


def test_every_default_written_down_changes_nothing(load):
    """The defaults that docs and schema show are those that the code applies."""

    def defaults(schema):
        found = {}
        for key, inner in schema["properties"].items():
            if "default" in inner:
                found[key] = inner["default"]
            elif inner.get("properties"):
                found[key] = defaults(inner)
        return found

    written = defaults(TRACKER_SCHEMA)
    del written["actor_secret"]
    # A mechanism is for SASL only, so that alone cannot be written down beside the default protocol.
    assert written["kafka"]["security"].pop("mechanism") == load().kafka.security.mechanism
    one_source = defaults(TRACKER_SCHEMA["properties"]["sources"]["items"])
    plain = {"sources": [{"topics": ["clicks"]}]}
    assert load(**written, sources=[{**one_source, "topics": ["clicks"]}]) == load(**plain)
    assert load(rolling=[{"window": "5m", "slots": 60}]).rolling == load(rolling=["5m"]).rolling


@pytest.mark.parametrize(
    ("changes", "is_needed", "log"),
    [
        pytest.param({}, False, "clicks", id="one-topic-keyed-by-actor-is-read-as-it-is"),
        pytest.param(source(keyed_by_actor=False), True, "funnel-events", id="another-key"),
        pytest.param(source(topics=["a", "b"]), True, "funnel-events", id="several-topics"),
        pytest.param({"sources": [{"pattern": "a.*", "keyed_by_actor": True}]}, True, "funnel-events", id="a-pattern"),
        pytest.param(two_sources(keyed_by_actor=True), True, "funnel-events", id="several-sources"),
        pytest.param({"repartition": {"topic": "own", "enabled": True}}, True, "own", id="asked-for"),
        pytest.param({"repartition": {"enabled": False}}, False, "clicks", id="refused-where-it-is-not-needed"),
    ],
)
def test_when_records_are_repartitioned(load, changes, is_needed, log):
    settings = load(**changes)
    assert (settings.needs_repartition, settings.log_topic) == (is_needed, log)


def test_a_source_is_named_after_what_it_reads(load):
    settings = load(sources=[{"topics": ["a", "b"]}, {"pattern": "c.*"}, {"topics": ["d"], "name": "e"}])
    assert [each.name for each in settings.sources] == ["a", "c.*", "e"]


def test_a_whole_source(load):
    (found,) = load(
        **source(
            fields={"actor": ["a", r"b\.c.d"], "properties": ["", "data"], "time": "t"},
            preset="segment",
            time_unit="us",
            allowed_lateness="0s",
            max_future_skew="1m",
            start_from="latest",
        )
    ).sources
    assert found.fields == FieldPaths(actor=("a", r"b\.c.d"), properties=("", "data"), time=("t",))
    assert (found.preset, found.time_unit, found.start_from, found.format) == ("segment", "us", "latest", "json")
    assert (found.allowed_lateness_ms, found.max_future_skew_ms) == (0, 60_000)


def test_the_log_has_the_limits_that_its_sources_share(load):
    settings = load(sources=[{"topics": ["a"], "allowed_lateness": "60s"}, {"topics": ["b"], "allowed_lateness": "1m"}])
    assert (settings.allowed_lateness_ms, settings.max_future_skew_ms) == (60_000, 300_000)


def test_rolling_windows_have_slots_of_equal_length(load):
    assert [window.slot_ms for window in load().rolling] == [5_000, 60_000, 1_440_000]
    assert load(rolling=[{"window": "1h", "slots": 12}], alerts=NO_ALERTS).rolling == (
        RollingWindow("1h", 3_600_000, 12),
    )
    assert load(rolling=[]).rolling == ()


@pytest.mark.parametrize(
    ("funnel_window_ms", "expected"), [(3_600_000, 780), (3_600_001, 781), (100_000_000 - 300_000, 20_000)]
)
def test_the_matured_form_needs_the_slots_of_both_windows(funnel_window_ms, expected):
    assert RollingWindow("5m", 300_000).matured_slots(funnel_window_ms) == expected


def test_ages_have_a_default_and_an_empty_list_turns_them_off(load):
    assert load().age_matched == (Age("15m", 900_000), Age("1h", 3_600_000))
    assert load(age_matched=["2h", "90s"]).age_matched == (Age("2h", 7_200_000), Age("90s", 90_000))
    assert load(age_matched=[]).age_matched == ()


def test_period_and_paths(load, tmp_path):
    settings = load(period={"unit": "month", "zone": "Asia/Tokyo"}, funnels="other/funnels")
    assert settings.period == Period(PeriodUnit.MONTH, "Asia/Tokyo")
    assert settings.funnels == tmp_path / "other/funnels"
    assert load().funnels == tmp_path / "funnels"


@pytest.mark.parametrize("rule", [{"token": "0123456789abcdef"}, {"trusted_header": "X-User"}])
def test_a_page_elsewhere_than_on_loopback_needs_one_rule(load, rule):
    web = load(web={"host": "0.0.0.0", **rule}).web  # noqa: S104
    assert web.has_rule
    assert "0123456789abcdef" not in repr(web)


def test_a_token_of_the_environment_wins_and_opens_the_address(load):
    env = {"FUNNEL_WEB_TOKEN": "fedcba9876543210"}
    assert load(env=env, web={"host": "::", "token": "0123456789abcdef"}).web.token == env["FUNNEL_WEB_TOKEN"]
