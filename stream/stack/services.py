"""Write each service's configuration and command line.

In:  a stack's folder, ports, the programs found.
Out: a `ServicePlan` each, whose process listens on the loopback address only.
"""

import base64
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import yaml

from stream.errors import StackError
from stream.stack.ports import LOOPBACK
from stream.stack.probes import http_is_ready, kafka_is_ready, redis_is_ready
from stream.stack.processes import dying_with_parent
from stream.stack.programs import Programs
from stream.stack.state import ServicePlan

PORTS_NEEDED = {"kafka": 2, "redis": 1, "prometheus": 1, "alertmanager": 1}
RECEIVES = "--web.enable-remote-write-receiver"
TAKES_HISTORY = "30d"
"""How old samples of `funnel history push` may be, beside newer ones."""
DEFAULT_SERVICES = ("kafka", "redis", "prometheus")
PROBES: Mapping[str, Callable[[str], bool]] = {
    "kafka": kafka_is_ready,
    "redis": redis_is_ready,
    "prometheus": http_is_ready,
    "alertmanager": http_is_ready,
}
# From the environment: a server that runs already, which is used and never started or stopped.
ENVIRONMENT = {
    "kafka": "KAFKA_BOOTSTRAP_SERVERS",
    "redis": "REDIS_URL",
    "prometheus": "PROMETHEUS_URL",
    "alertmanager": "ALERTMANAGER_URL",
}
# The quick compiler alone: a stack lives for minutes, and this halves the broker's CPU time. Measured on
# 2 cores: start 4.7 -> 2.6 s, taking 1 M records of 200 B 2.8 -> 1.3 s, handing them out thrice 0.43 -> 0.20 s.
KAFKA_OPTIONS = (
    "-Xms256m",
    "-Xmx768m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-Djava.awt.headless=true",
)
LARGEST_RECORD_BYTES = 16 * 1024 * 1024  # the tests send records of 10 MB
SCRAPE_SECONDS = 1
NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}

KAFKA_LOGGING = """status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def address(service: str, ports: Sequence[int]) -> str:
    """Return what clients use to reach `service`: host:port for Kafka, a URL for the others."""
    scheme = {"kafka": "", "redis": "redis://"}.get(service, "http://")
    return f"{scheme}{LOOPBACK}:{ports[0]}"


def kafka_plan(folder: Path, ports: Sequence[int], programs: Programs, jars: Path) -> ServicePlan:
    """Configure a single KRaft node (broker and controller in one process) and format its storage once."""
    home = _subfolder(folder, "kafka")
    (home / "log4j2.properties").write_text(KAFKA_LOGGING, encoding="utf-8")
    properties = home / "server.properties"
    properties.write_text(kafka_properties(home / "data", ports), encoding="utf-8")
    java = [programs.java or "java", "-cp", f"{jars}/*", f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}"]
    if not (home / "data" / "meta.properties").exists():
        _format_storage(java, properties)
    argv = [*java, *KAFKA_OPTIONS, "kafka.Kafka", str(properties)]
    return ServicePlan("kafka", argv, address("kafka", ports), list(ports), str(folder / "kafka.log"), 20.0)


def kafka_properties(data: Path, ports: Sequence[int]) -> str:
    """Return the text of server.properties; `ports` are the broker's and the controller's."""
    broker, controller = ports
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{broker}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # After kill -9 the controller keeps the old broker registered for this long (by default 9 s).
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # Simulated records carry past times; by default Kafka would delete those older than a week.
        "log.retention.ms": -1,
        "message.max.bytes": LARGEST_RECORD_BYTES,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def redis_plan(folder: Path, ports: Sequence[int], programs: Programs) -> ServicePlan:
    """Configure a Redis that keeps its data in an append-only file and never evicts."""
    home = _subfolder(folder, "redis")
    settings = [
        f"bind {LOOPBACK}",
        f"port {ports[0]}",
        f'dir "{home}"',
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "maxmemory-policy noeviction",
        # The older names of hash-max-listpack-*: Redis 7 takes both, Redis 6 only these.
        "hash-max-ziplist-entries 512",
        "hash-max-ziplist-value 512",
        "daemonize no",
        "loglevel notice",
    ]
    config = home / "redis.conf"
    config.write_text("\n".join(settings) + "\n", encoding="utf-8")
    argv = [programs.redis_server or "redis-server", str(config)]
    return ServicePlan("redis", argv, address("redis", ports), list(ports), str(folder / "redis.log"))


def prometheus_plan(folder: Path, ports: Sequence[int], programs: Programs) -> ServicePlan:
    """Start a Prometheus on the configuration that `write_prometheus` has written."""
    home = folder / "prometheus"
    argv = [
        programs.prometheus or "prometheus",
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={home / 'data'}",
        f"--web.listen-address={LOOPBACK}:{ports[0]}",
        RECEIVES,
        "--log.level=warn",
    ]
    return ServicePlan("prometheus", argv, address("prometheus", ports), list(ports), str(folder / "prometheus.log"))


def write_prometheus(
    folder: Path, alertmanager: str | None, rule_files: Sequence[Path], scrape_seconds: int = SCRAPE_SECONDS
) -> None:
    """Write prometheus.yml below `folder`; it reads its targets from targets.json beside it.

    It scrapes, and evaluates rules, every `scrape_seconds`. The rule files are copied there too, so that a container
    sees them. Raises `StackError` for one that is not there.
    """
    home = _subfolder(folder, "prometheus")
    seconds = f"{scrape_seconds}s"
    config: dict[str, object] = {
        "global": {"scrape_interval": seconds, "scrape_timeout": seconds, "evaluation_interval": seconds},
        "scrape_configs": [
            {
                "job_name": "funnel",
                "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}],
            }
        ],
        "storage": {"tsdb": {"out_of_order_time_window": TAKES_HISTORY}},
    }
    if rule_files:
        config["rule_files"] = [_copied(path, _subfolder(home, "rules")) for path in rule_files]
    if alertmanager is not None:
        target = alertmanager.removeprefix("http://")
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [target]}]}]}
    (home / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def write_targets(folder: Path, targets: Sequence[str]) -> None:
    """Replace the list of scraped `host:port` in one step; a running Prometheus takes it up by itself."""
    home = _subfolder(folder, "prometheus")
    groups = [{"targets": list(targets)}] if targets else []
    new = home / "targets.json.new"
    new.write_bytes(msgspec.json.encode(groups))
    new.replace(home / "targets.json")


def alertmanager_plan(
    folder: Path, ports: Sequence[int], programs: Programs, config: Path | None = None
) -> ServicePlan:
    """Start an Alertmanager on a copy of `config`; without one it keeps alerts and notifies nobody.

    Raises `StackError` if the configuration cannot be read.
    """
    home = _subfolder(folder, "alertmanager")
    if config is None:
        (home / "alertmanager.yml").write_text(yaml.safe_dump(NOBODY, sort_keys=False), encoding="utf-8")
    else:
        _copy(config, home / "alertmanager.yml")
    argv = [
        programs.alertmanager or "alertmanager",
        f"--config.file={home / 'alertmanager.yml'}",
        f"--storage.path={home / 'data'}",
        f"--web.listen-address={LOOPBACK}:{ports[0]}",
        "--cluster.listen-address=",  # it would listen on every interface for peers otherwise
        "--log.level=warn",
    ]
    log = str(folder / "alertmanager.log")
    return ServicePlan("alertmanager", argv, address("alertmanager", ports), list(ports), log)


def cluster_id() -> str:
    """Return a new id of the form Kafka wants: 16 bytes in URL-safe base64, not starting with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode("ascii")
        if not text.startswith("-"):
            return text


def _format_storage(java: list[str], properties: Path) -> None:
    # A short run: the quick compiler and collector save a third of it.
    argv = [java[0], "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *java[1:], "kafka.tools.StorageTool", "format"]
    done = subprocess.run(  # noqa: S603
        dying_with_parent([*argv, "-t", cluster_id(), "-c", str(properties)]),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise StackError(f"Kafka's storage could not be formatted ({properties}):\n{done.stdout[-2000:]}")


def _copied(rules: Path, folder: Path) -> str:
    _copy(rules, folder / rules.name)
    return f"{folder.name}/{rules.name}"


def _copy(file: Path, to: Path) -> None:
    try:
        shutil.copyfile(file, to)
    except OSError as error:
        raise StackError(f"the file {file} cannot be read: {error.strerror}") from None


def _subfolder(folder: Path, name: str) -> Path:
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    return home
