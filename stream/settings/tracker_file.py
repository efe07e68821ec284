"""Rules of a tracker file that a schema cannot say, and its way into `TrackerSettings`.

In:  a document whose form `stream.settings.validate` has looked at.
Out: more problems, or the settings.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream.model.funnel import Period
from stream.model.window import Age, RollingWindow
from stream.settings import durations, texts
from stream.settings.alerts import check_alerts, with_alert_windows
from stream.settings.funnels import check_zone, period_of
from stream.settings.parts import duration_ms, mappings
from stream.settings.targets import share_of
from stream.settings.tracker import (
    DEFAULT_AGES,
    DEFAULT_ROLLING,
    AlertSettings,
    ExportSettings,
    FieldPaths,
    KafkaSecurity,
    KafkaSettings,
    MetricsSettings,
    RedisSettings,
    SourceSettings,
    TrackerSettings,
    WebSettings,
    WorkerSettings,
    is_loopback,
)
from stream.settings.yaml_file import Document, KeyPath

_FILES = ("ca_file", "cert_file", "key_file")
_ACTOR_SECRET_BYTES = 64  # the most that the keyed hash of actors takes
_ALERT_WINDOWS = ("windows", "segment_windows")
_OWN_TOPICS = {"dead_letter": "funnel-dead-letters", "repartition": "funnel-events"}


def check_tracker(document: Document) -> None:
    """Report what is wrong besides the form; looks only at parts whose form is right."""
    if not isinstance(document.tree, dict):
        return
    _check_security(document)
    _check_redis(document)
    _check_sources(document)
    _check_topics(document)
    _check_one_log(document)
    _check_rolling(document)
    _check_ages(document)
    _check_alerts(document)
    _check_web(document)
    check_zone(document)
    secret = document.tree.get("actor_secret")
    size = len(secret.encode(errors="surrogatepass")) if isinstance(secret, str) else 0
    if size > _ACTOR_SECRET_BYTES:
        document.report(("actor_secret",), f"has {size} bytes, at most {_ACTOR_SECRET_BYTES} (give a shorter one)")


def tracker_of(document: Document) -> TrackerSettings:
    """Build the settings of a file that has no problems."""
    tree, folder = document.tree, document.path.parent
    ages = tuple(_age(each) for each in tree["age_matched"]) if "age_matched" in tree else DEFAULT_AGES
    return TrackerSettings(
        sources=tuple(_source(source) for source in tree["sources"]),
        funnels=folder / tree.get("funnels", "funnels"),
        kafka=_kafka(tree.get("kafka", {}), folder),
        redis=_redis(tree.get("redis", {}), folder),
        rolling=with_alert_windows(_rolling_of(tree), ages, tree.get("alerts", {})),
        age_matched=ages,
        period=period_of(tree, Period()),
        worker=WorkerSettings(**tree.get("worker", {})),
        metrics=MetricsSettings(**tree.get("metrics", {})),
        web=WebSettings(**tree.get("web", {})),
        export=_export(tree.get("export", {})),
        alerts=_alerts(tree.get("alerts", {})),
        dead_letter_topic=_own_topic(tree, "dead_letter"),
        repartition_topic=_own_topic(tree, "repartition"),
        repartition_forced=tree.get("repartition", {}).get("enabled", False),
        actor_secret=tree.get("actor_secret", ""),
    )


def _check_security(document: Document) -> None:
    path: KeyPath = ("kafka", "security")
    security = _part(document.tree, *path)
    protocol = security.get("protocol", "plaintext")
    tls_keys = [key for key in (*_FILES, "key_password") if key in security]
    if tls_keys and protocol in {"plaintext", "sasl_plaintext"}:
        safe = "sasl_ssl" if protocol.startswith("sasl") else "ssl"
        document.report((*path, tls_keys[0]), f"is for TLS, but protocol is {protocol} (try protocol: {safe})")
    login_keys = [key for key in ("mechanism", "user", "password") if key in security]
    if login_keys and protocol in {"plaintext", "ssl"}:
        text = f"is for SASL, but protocol is {protocol} (try protocol: sasl_ssl)"
        document.report((*path, login_keys[0]), text)
    if protocol in {"sasl_plaintext", "sasl_ssl"}:
        for key in ("user", "password"):
            if key not in security:
                hint = "${env:KAFKA_PASSWORD}" if key == "password" else "..."
                document.report(path, f'"{key}" is missing, protocol {protocol} needs it (add {key}: {hint})')
    _check_files(document, path)


def _check_redis(document: Document) -> None:
    redis = _part(document.tree, "redis")
    url = redis.get("url", "redis://127.0.0.1:6379/0")
    files = [key for key in _FILES if key in redis]
    if files and isinstance(url, str) and not url.startswith("rediss://"):
        document.report(("redis", files[0]), "is for TLS, but the URL is without (start it with rediss://)")
    if redis.get("cluster") is True and isinstance(url, str) and re.search(r"/[1-9][0-9]*$", url):
        document.report(("redis", "url"), "names a database, but a Redis Cluster has only 0 (end it with /0)")
    _check_files(document, ("redis",))


def _check_web(document: Document) -> None:
    web = _part(document.tree, "web")
    host = web.get("host", "127.0.0.1")
    if isinstance(host, str) and not is_loopback(host) and not (web.get("token") or web.get("trusted_header")):
        text = "is no loopback address, so requests need a token (add token: ${env:...}) or a proxy's trusted_header"
        document.report(("web", "host"), f"{texts.shown(host)} {text}")


def _check_files(document: Document, path: KeyPath) -> None:
    section = _part(document.tree, *path)
    for key in _FILES:
        name = section.get(key)
        if isinstance(name, str) and name and not (document.path.parent / name).is_file():
            written = document.written.get((*path, key), name)
            document.report((*path, key), f"there is no file {texts.shown(written)} (give the path of a PEM file)")
    if "cert_file" in section and "key_file" not in section:
        document.report((*path, "cert_file"), "needs the certificate's key (add key_file: ...)")
    if "key_file" in section and "cert_file" not in section:
        document.report((*path, "key_file"), "needs the key's certificate (add cert_file: ...)")


def _check_sources(document: Document) -> None:
    names: dict[str, int] = {}
    for index, source in mappings(document.tree.get("sources")):
        if "topics" not in source and "pattern" not in source:
            document.report(("sources", index), "names nothing to read (add topics: [...] or pattern: ...)")
        pattern = source.get("pattern")
        if isinstance(pattern, str):
            try:
                re.compile(pattern)
            except re.error as error:
                text = f'{texts.shown(pattern)} is not a regular expression: {error} (try "shop-.*")'
                document.report(("sources", index, "pattern"), text)
        name = _source_name(source)
        if isinstance(name, str) and name in names:
            text = f"{texts.shown(name)} is already the name of sources[{names[name]}] (add a name of its own)"
            document.report(("sources", index), text)
        elif isinstance(name, str):
            names[name] = index


def _check_topics(document: Document) -> None:
    """Report a topic that is read twice, and one that the tracker writes but reads as a source."""
    own = {key: _own_topic(document.tree, key) for key in _OWN_TOPICS}
    if own["dead_letter"] == own["repartition"]:
        document.report(("dead_letter", "topic"), f"{texts.shown(own['dead_letter'])} is the repartition topic too")
    read_by: dict[str, int] = {}
    for index, source in mappings(document.tree.get("sources")):
        topics = source.get("topics")
        for place, topic in enumerate(topics if isinstance(topics, list) else []):
            path: KeyPath = ("sources", index, "topics", place)
            if topic in own.values():
                document.report(path, f"{texts.shown(topic)} is a topic that the tracker itself writes")
            elif isinstance(topic, str) and read_by.setdefault(topic, index) != index:
                document.report(path, f"{texts.shown(topic)} is read by sources[{read_by[topic]}] too (keep one)")
        _check_pattern_spares(document, index, source.get("pattern"), own)


def _check_pattern_spares(document: Document, index: int, pattern: Any, own: Mapping[str, Any]) -> None:
    for topic in own.values():
        try:
            is_read = isinstance(pattern, str) and re.fullmatch(pattern, topic) is not None
        except (re.error, TypeError):
            return  # reported as what it is
        if is_read:
            text = f"matches {topic}, a topic that the tracker itself writes (narrow the pattern)"
            document.report(("sources", index, "pattern"), text)


def _check_one_log(document: Document) -> None:
    """Report sources that cannot share one log, and a log that cannot do without repartitioning."""
    sources = [source for _, source in mappings(document.tree.get("sources"))]
    for key, default in (("allowed_lateness", "10m"), ("max_future_skew", "5m")):
        for index, source in enumerate(sources[1:], start=1):
            first, other = sources[0].get(key, default), source.get(key, default)
            first_ms, other_ms = duration_ms(first), duration_ms(other)
            if first_ms is not None and other_ms is not None and first_ms != other_ms:
                text = f"is {other}, but {first} for sources[0]; they share one log (give both the same)"
                document.report(("sources", index, key), text)
    if _part(document.tree, "repartition").get("enabled") is False and sources:
        reason = _repartition_reason(sources)
        if reason:
            document.report(("repartition", "enabled"), f"is false, but {reason} (remove it, or set it to true)")


def _repartition_reason(sources: list[dict[str, Any]]) -> str:
    if len(sources) > 1:
        return "there are several sources"
    topics = sources[0].get("topics")
    if "pattern" in sources[0] or (isinstance(topics, list) and len(topics) > 1):
        return "the source has several topics"
    return "" if sources[0].get("keyed_by_actor") is True else "the source is not keyed_by_actor"


def _check_rolling(document: Document) -> None:
    rolling = document.tree.get("rolling")
    seen: set[int] = set()
    for index, each in enumerate(rolling if isinstance(rolling, list) else []):
        written = each.get("window") if isinstance(each, dict) else each
        slots = each.get("slots", 60) if isinstance(each, dict) else 60
        window_ms = duration_ms(written)
        if window_ms is None or not isinstance(slots, int):
            continue
        if window_ms in seen:
            document.report(("rolling", index), f"{written} is there already (keep one)")
        seen.add(window_ms)
        if slots > 0 and window_ms % slots:
            fitting = next(count for count in range(slots, 0, -1) if window_ms % count == 0)
            text = f"{written} cannot be cut into {slots} slots of whole milliseconds (try slots: {fitting})"
            document.report(("rolling", index), text)


def _check_ages(document: Document) -> None:
    ages = document.tree.get("age_matched")
    seen: set[int] = set()
    for index, written in enumerate(ages if isinstance(ages, list) else []):
        age_ms = duration_ms(written)
        if age_ms is not None and age_ms in seen:
            document.report(("age_matched", index), f"{written} is there already (keep one)")
        elif age_ms is not None:
            seen.add(age_ms)


def _check_alerts(document: Document) -> None:
    """Look at alert windows where the rolling windows are right."""
    if not any(problem.path.startswith("rolling") for problem in document.problems):
        check_alerts(document, _part(document.tree, "alerts"), _rolling_of(document.tree))


def _part(tree: Any, *path: str | int) -> dict[str, Any]:
    """Return the mapping at `path`; an empty one where there is none (the schema has said so)."""
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _own_topic(tree: dict[str, Any], key: str) -> Any:
    return _part(tree, key).get("topic", _OWN_TOPICS[key])


def _source_name(source: dict[str, Any]) -> Any:
    topics = source.get("topics")
    return source.get("name") or (topics[0] if isinstance(topics, list) and topics else source.get("pattern"))


def _files(section: dict[str, Any], folder: Path) -> dict[str, Path]:
    return {key: folder / section[key] for key in _FILES if key in section}


def _kafka(kafka: dict[str, Any], folder: Path) -> KafkaSettings:
    rest = {key: value for key, value in kafka.items() if key not in {"security", "bootstrap"}}
    if "bootstrap" in kafka:
        rest["bootstrap"] = ",".join(server.strip() for server in kafka["bootstrap"].split(","))
    security = kafka.get("security", {})
    return KafkaSettings(**rest, security=KafkaSecurity(**{**security, **_files(security, folder)}))


def _redis(redis: dict[str, Any], folder: Path) -> RedisSettings:
    rest = {key: value for key, value in redis.items() if key != "cluster"}
    return RedisSettings(**{**rest, **_files(redis, folder)}, is_cluster=redis.get("cluster", False))


def _source(source: dict[str, Any]) -> SourceSettings:
    renamed = {"keyed_by_actor", "allowed_lateness", "max_future_skew", "fields", "topics", "name"}
    return SourceSettings(
        **{key: value for key, value in source.items() if key not in renamed},
        name=_source_name(source),
        topics=tuple(source.get("topics", ())),
        fields=_fields(source.get("fields", {})),
        is_keyed_by_actor=source.get("keyed_by_actor", False),
        allowed_lateness_ms=durations.to_ms(source.get("allowed_lateness", "10m")),
        max_future_skew_ms=durations.to_ms(source.get("max_future_skew", "5m")),
    )


def _fields(fields: dict[str, Any]) -> FieldPaths:
    return FieldPaths(**{key: (paths,) if isinstance(paths, str) else tuple(paths) for key, paths in fields.items()})


def _rolling_of(tree: dict[str, Any]) -> tuple[RollingWindow, ...]:
    return tuple(_rolling(each) for each in tree["rolling"]) if "rolling" in tree else DEFAULT_ROLLING


def _rolling(written: Any) -> RollingWindow:
    if isinstance(written, str):
        return RollingWindow(written, durations.to_ms(written))
    return RollingWindow(written["window"], durations.to_ms(written["window"]), written.get("slots", 60))


def _age(written: str) -> Age:
    return Age(written, durations.to_ms(written))


def _export(export: dict[str, Any]) -> ExportSettings:
    allow = {name: tuple(values) for name, values in export.get("allow", {}).items()}
    return ExportSettings(export.get("top_segments", 20), allow)


def _alerts(alerts: dict[str, Any]) -> AlertSettings:
    rest = {key: value for key, value in alerts.items() if key not in {*_ALERT_WINDOWS, "min_drop", "max_gap"}}
    if "min_drop" in alerts:
        rest["min_drop"] = share_of(alerts["min_drop"])
    if "max_gap" in alerts:
        rest["max_gap_ms"] = durations.to_ms(alerts["max_gap"])
    return AlertSettings(**rest)
