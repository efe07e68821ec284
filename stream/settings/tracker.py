"""What a tracker is told: servers, sources, windows, limits. Frozen, valid once loaded.

Out: `TrackerSettings` and its parts; durations in ms. Secrets and URLs are left out of
every `repr`, so that a log line cannot give them away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from stream.model.funnel import Breakdown, Period
from stream.model.window import Age, RollingWindow


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """TLS and SASL as the Kafka client takes them; the files are PEM."""

    protocol: str = "plaintext"
    mechanism: str = "SCRAM-SHA-512"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.protocol.endswith("ssl")

    @property
    def uses_sasl(self) -> bool:
        """Whether the client logs in with user and password."""
        return self.protocol.startswith("sasl_")


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """The cluster, as `host:port,host:port`, and the consumer group."""

    bootstrap: str = "127.0.0.1:9092"
    group: str = "funnel"
    security: KafkaSecurity = KafkaSecurity()


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """The server of states, counts and offsets; TLS where the URL starts with `rediss://`."""

    url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    namespace: str = "live"
    is_cluster: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("rediss://")

    @property
    def safe_url(self) -> str:
        """The URL without user and password, for logs and pages."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@dataclass(frozen=True, slots=True)
class FieldPaths:
    """Paths that replace the preset's, first that holds a value counts; an empty tuple keeps the preset's."""

    actor: tuple[str, ...] = ()
    time: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    id: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Records of one kind: the topics, where they hold what, and when they are too late."""

    name: str
    topics: tuple[str, ...] = ()
    pattern: str | None = None
    format: str = "json"
    preset: str = "flat"
    fields: FieldPaths = FieldPaths()
    time_unit: str | None = None
    is_keyed_by_actor: bool = False
    allowed_lateness_ms: int = 600_000
    max_future_skew_ms: int = 300_000
    start_from: str = "earliest"

    @property
    def is_one_log(self) -> bool:
        """Whether the source is a single topic that is keyed by actor, so that it can be read as it is."""
        return self.is_keyed_by_actor and self.pattern is None and len(self.topics) == 1


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Limits of one worker process (docs/configuration.md says what each costs)."""

    max_batch_records: int = 200_000
    max_batch_bytes: int = 33_554_432
    gather_ms: int = 10
    cache_actors: int = 500_000
    bot_cap: int = 1_000
    shards: int = 4_096


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where /metrics listens (port 0 takes a free one), and how many series it shows at most."""

    host: str = "127.0.0.1"
    port: int = 9108
    max_series: int = 5_000


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The live page: where `funnel serve` listens, and what lets requests in besides being on loopback."""

    host: str = "127.0.0.1"
    port: int = 9109
    token: str = field(default="", repr=False)
    trusted_header: str = ""

    @property
    def has_rule(self) -> bool:
        """Whether a request needs more than to reach the address."""
        return bool(self.token or self.trusted_header)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own and nobody else's."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Which breakdown values become series: those in `allow` (by breakdown name), then the largest."""

    top_segments: int = 20
    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def always(self, breakdown: Breakdown) -> frozenset[str]:
        """Return the values of a breakdown that are exported whatever their size."""
        return frozenset([*self.allow.get(breakdown.name, ()), *breakdown.allow])

    def limit(self, breakdown: Breakdown) -> int:
        """Return how many values of a breakdown are exported, unless those exported always are more."""
        return self.top_segments if breakdown.top_segments is None else breakdown.top_segments

    def most(self, breakdown: Breakdown) -> int:
        """Return how many values of a breakdown are exported at most."""
        return max(self.limit(breakdown), len(self.always(breakdown)))


_DAYS = Period()

DEFAULT_ROLLING = (
    RollingWindow("5m", 300_000),
    RollingWindow("1h", 3_600_000),
    RollingWindow("24h", 86_400_000),
)

DEFAULT_AGES = (Age("15m", 900_000), Age("1h", 3_600_000))


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """When alerts fire (docs/alerts.md); over which windows they count, the rolling windows say.

    false_alarms_per_week: how many all rules together may raise while nothing changes. min_drop: share of the expected
    conversion. job: of the workers' targets in Prometheus. runbooks: URL or path of the folder of runbooks.
    """

    false_alarms_per_week: float = 0.1
    min_reached: int = 30
    min_lost: int = 10
    min_drop: float = 0.2
    max_gap_ms: int = 60_000
    job: str = "funnel"
    runbooks: str = "docs/runbooks"
    segment_targets: bool = False


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Everything a worker is told besides the funnels."""

    sources: tuple[SourceSettings, ...]
    funnels: Path
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    rolling: tuple[RollingWindow, ...] = DEFAULT_ROLLING
    age_matched: tuple[Age, ...] = DEFAULT_AGES
    period: Period = _DAYS
    worker: WorkerSettings = WorkerSettings()
    metrics: MetricsSettings = MetricsSettings()
    web: WebSettings = WebSettings()
    export: ExportSettings = ExportSettings()
    alerts: AlertSettings = AlertSettings()
    dead_letter_topic: str = "funnel-dead-letters"
    repartition_topic: str = "funnel-events"
    repartition_forced: bool = False
    actor_secret: str = field(default="", repr=False)

    @property
    def needs_repartition(self) -> bool:
        """Whether records go through the repartition topic: several topics, not keyed by actor, or asked for."""
        return self.repartition_forced or len(self.sources) > 1 or not self.sources[0].is_one_log

    @property
    def log_topic(self) -> str:
        """The one topic whose order, offsets and watermark the numbers come from."""
        return self.repartition_topic if self.needs_repartition else self.sources[0].topics[0]

    @property
    def allowed_lateness_ms(self) -> int:
        """Allowed lateness of the log (all sources have the same)."""
        return self.sources[0].allowed_lateness_ms

    @property
    def max_future_skew_ms(self) -> int:
        """Future skew of the log (all sources have the same)."""
        return self.sources[0].max_future_skew_ms
