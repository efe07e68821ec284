"""What a tracker file may say.

Out: `TRACKER_SCHEMA`, a JSON Schema (draft 2020-12).
"""

from typing import Any

from stream.settings.schema_words import (
    DIALECT,
    Schema,
    duration,
    list_of,
    mapping,
    name,
    path_text,
    period,
    setting,
    share,
    text,
    topic,
)

_SERVER = r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:,/\s]+):[0-9]{1,5}"

_KAFKA = mapping(
    "the Kafka cluster",
    {
        "bootstrap": text(
            "servers to start from, `host:port`, comma separated; KAFKA_BOOTSTRAP_SERVERS in the environment wins",
            pattern=rf"^\s*{_SERVER}(\s*,\s*{_SERVER})*\s*$",
            default="127.0.0.1:9092",
            **{"x-kind": "servers"},
        ),
        "group": name("consumer group", default="funnel"),
        "security": mapping(
            "TLS and SASL, passed to the Kafka client",
            {
                "protocol": text(
                    "how to connect", enum=["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], default="plaintext"
                ),
                "mechanism": text(
                    "SASL mechanism", enum=["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], default="SCRAM-SHA-512"
                ),
                "user": text("SASL user"),
                "password": text("SASL password", **{"x-secret": True}),
                "ca_file": text("PEM file of the authorities to trust; the system's if absent"),
                "cert_file": text("PEM file of the client certificate"),
                "key_file": text("PEM file of the client's key"),
                "key_password": text("password of the key file", **{"x-secret": True}),
            },
        ),
    },
)

_REDIS = mapping(
    "the Redis that holds states, counts and offsets",
    {
        "url": text(
            "`redis://host:port/0`, with TLS `rediss://`; REDIS_URL in the environment wins",
            pattern=r"^(rediss?://([^/\s]*@)?(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@?\s]+)(:[0-9]{1,5})?(/[0-9]*)?(\?\S*)?|unix:///\S+)$",
            default="redis://127.0.0.1:6379/0",
            **{"x-kind": "redis", "x-secret": True},
        ),
        "user": text("ACL user; the default user if absent"),
        "password": text("password", **{"x-secret": True}),
        "namespace": name("first part of every key; trackers that share a Redis need different ones", default="live"),
        "cluster": setting("boolean", "whether the server is a Redis Cluster", default=False),
        "ca_file": text("PEM file of the authorities to trust; the system's if absent"),
        "cert_file": text("PEM file of the client certificate"),
        "key_file": text("PEM file of the client's key"),
    },
)


def _paths(meaning: str, **more: Any) -> Schema:
    some = list_of("paths, the first that holds a value counts", path_text("path", **more), uniqueItems=True)
    return {"description": meaning, "anyOf": [path_text("path", **more), some]}


_FIELDS = mapping(
    "where a record holds what: a path (`context.page.name`), or a list of which the first that holds a value counts; "
    "what is absent comes from the preset",
    {
        "actor": _paths("the actor's id"),
        "time": _paths("the event time"),
        "name": _paths("the event name"),
        "id": _paths("the event id"),
        "properties": _paths(
            'where properties are looked up, one after the other; `""` is the record itself', minLength=0
        ),
    },
)

_SOURCE = mapping(
    "records of one kind",
    {
        "name": name("name in logs and series; the first topic if absent"),
        "topics": list_of("topics to read", topic("topic"), uniqueItems=True),
        "pattern": text("regular expression for topics to read, matched against the whole name", **{"x-kind": "regex"}),
        "format": text("how a record is written", enum=["json"], default="json", later=("avro", "protobuf")),
        "preset": text(
            "where a record holds what",
            enum=["flat", "segment", "snowplow", "cloudevents", "posthog"],
            default="flat",
        ),
        "fields": _FIELDS,
        "time_unit": text(
            "form of the event time: ISO 8601 text or a number since 1970; the preset's if absent",
            enum=["iso", "s", "ms", "us", "ns"],
        ),
        "keyed_by_actor": setting(
            "boolean", "whether a record's key is its actor; if not, records are repartitioned first", default=False
        ),
        "allowed_lateness": duration("how far behind the watermark an event still counts", "0s", "400d", default="10m"),
        "max_future_skew": duration("how far ahead of its record an event may be", "0s", "400d", default="5m"),
        "start_from": text(
            "where to start when nothing is stored yet", enum=["earliest", "latest"], default="earliest"
        ),
    },
)

_ROLLING: Schema = {
    "description": "a window, or a window and the number of its slots",
    "anyOf": [
        duration("window", "1s", "400d"),
        mapping(
            "a window and its slots",
            {
                "window": duration("window", "1s", "400d"),
                "slots": setting("integer", "number of entry slots", minimum=1, maximum=1440, default=60),
            },
            ("window",),
        ),
    ],
}

_WORKER = mapping(
    "limits of one worker process",
    {
        "max_batch_records": setting(
            "integer", "most records of a partition in one commit", minimum=1, maximum=1_000_000, default=200_000
        ),
        "max_batch_bytes": setting(
            "integer", "most bytes of a partition in one commit", minimum=65_536, default=33_554_432
        ),
        "gather_ms": setting(
            "integer",
            "wait before each fetch, ms: less is sooner, more costs less",
            minimum=0,
            maximum=10_000,
            default=10,
        ),
        "cache_actors": setting("integer", "most actor states kept in memory", minimum=0, default=500_000),
        "bot_cap": setting(
            "integer",
            "while an actor holds more events than this between watermark - lateness and now, further ones are `bot`",
            minimum=1,
            default=1_000,
        ),
        "shards": setting(
            "integer",
            "Redis hashes per partition for actor states; about actors of a partition / 100; "
            "fixed once the namespace has states",
            minimum=1,
            maximum=1_048_576,
            default=4_096,
        ),
    },
)

_METRICS = mapping(
    "the /metrics page",
    {
        "host": text("address to listen on", default="127.0.0.1"),
        "port": setting("integer", "port to listen on; 0 takes a free one", minimum=0, maximum=65_535, default=9108),
        "max_series": setting(
            "integer",
            "most funnel series on the page; `funnel check` refuses settings that can come to more",
            minimum=100,
            maximum=1_000_000,
            default=5_000,
        ),
    },
)

_WEB = mapping(
    "the live page and its API (docs/api.md); workers serve them too, where /metrics listens",
    {
        "host": text("address that `funnel serve` listens on", default="127.0.0.1"),
        "port": setting("integer", "its port; 0 takes a free one", minimum=0, maximum=65_535, default=9109),
        "token": text(
            "requests need it as `Authorization: Bearer ...`; FUNNEL_WEB_TOKEN in the environment wins",
            pattern=r"^[!-~]{16,}$",
            **{"x-kind": "token", "x-secret": True},
        ),
        "trusted_header": text(
            "requests with this header are let in: a proxy sets it for users it knows, and only it can reach the port",
            pattern=r"^[A-Za-z0-9-]+$",
            **{"x-kind": "header"},
        ),
    },
)

_EXPORT = mapping(
    "which breakdown values become series of their own; the others are `__other__`",
    {
        "top_segments": setting(
            "integer",
            "how many values of each breakdown are exported, the largest first; a breakdown's own `export` wins",
            minimum=0,
            maximum=1_000,
            default=20,
        ),
        "allow": {
            "type": "object",
            "description": "per breakdown name: values always exported, whatever their size",
            "additionalProperties": list_of("values", text("value"), uniqueItems=True),
            "default": {},
        },
    },
)

_ALERTS = mapping(
    "when the rules that `funnel rules` writes fire (docs/alerts.md)",
    {
        "windows": list_of(
            "windows over which drop-off alerts count; each is the newest slots of a rolling window",
            duration("window", "1s", "400d"),
            least=0,
            default=["1m", "5m", "30m"],
        ),
        "segment_windows": list_of(
            "those of them that are also counted by segment, at the shortest age; each costs two series a step and "
            "segment",
            duration("window", "1s", "400d"),
            least=0,
            default=["5m", "30m"],
        ),
        "false_alarms_per_week": setting(
            "number",
            "how many drop-off alerts all funnels together may raise in a week in which nothing changes",
            minimum=0.001,
            maximum=100,
            default=0.1,
        ),
        "min_reached": setting(
            "integer", "fewest attempts in the window that are judged", minimum=1, maximum=1_000_000_000, default=30
        ),
        "min_lost": setting(
            "integer",
            "fewest conversions lost in the window that are worth an alert",
            minimum=1,
            maximum=1_000_000_000,
            default=10,
        ),
        "min_drop": share("smallest drop that is worth an alert, as a share of the expected conversion", default="20%"),
        "segment_targets": setting(
            "boolean",
            "whether a step's `target_within` is expected of each segment too, until past weeks say more; for segments "
            "that do not differ much",
            default=False,
        ),
        "max_gap": duration(
            "how long no record may come, unless that is usual, before drop-off is judged no more: whoever was about "
            "to go on could not be seen",
            "1s",
            "1d",
            default="1m",
        ),
        "job": name("job under which Prometheus scrapes the workers", default="funnel"),
        "runbooks": text("where alerts say their runbooks are: a URL or a path", default="docs/runbooks"),
    },
)

TRACKER_SCHEMA: Schema = {
    "$schema": DIALECT,
    "title": "Tracker",
    **mapping(
        "the tracker: config/tracker.yaml",
        {
            "kafka": _KAFKA,
            "redis": _REDIS,
            "sources": list_of("what to read", _SOURCE),
            "funnels": text("folder (or file) of funnels, from the tracker file's folder", default="funnels"),
            "rolling": list_of(
                "rolling windows by entry time; each moves on by one slot, 1/60 of it unless `slots` says otherwise; "
                "fixed once the namespace has counts",
                _ROLLING,
                least=0,
                default=["5m", "1h", "24h"],
            ),
            "age_matched": list_of(
                "ages of age-matched conversion: how much time attempts have had to go on to the next step; "
                "none turns it off; after a change these counts begin anew",
                duration("age", "1s", "400d"),
                least=0,
                default=["15m", "1h"],
            ),
            "period": period("entry period for unique actors, for funnels that name none"),
            "worker": _WORKER,
            "metrics": _METRICS,
            "web": _WEB,
            "export": _EXPORT,
            "alerts": _ALERTS,
            "dead_letter": mapping(
                "where invalid, future and late records go",
                {"topic": topic("topic", default="funnel-dead-letters")},
            ),
            "repartition": mapping(
                "the topic of ours, keyed by actor, through which records go that are not",
                {
                    "topic": topic("topic", default="funnel-events"),
                    "enabled": setting(
                        "boolean",
                        "whether to use it; if absent: if a source is not keyed by actor or there are several topics",
                    ),
                },
            ),
            "actor_secret": text(
                "key for the pseudonyms under which actors are stored; without it an id can be guessed from its "
                "pseudonym; at most 64 bytes; fixed once the namespace has states",
                default="",
                minLength=0,
                **{"x-secret": True},
            ),
        },
        ("sources",),
    ),
}
