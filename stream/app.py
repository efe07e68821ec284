"""Put a worker together: the only module that knows all its parts.

In:  a tracker file, the environment.
Out: `app`, for `faust -A stream.app worker`; `build`, for `funnel worker`; `build_run`, for `funnel replay`.

`app` is built when it is first asked for, so that importing this module reads no file.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stream.analyze.live import log_mapping_of, open_store
from stream.metrics.process import ProcessStats
from stream.metrics.runs import run_page
from stream.metrics.samples import Floor
from stream.replay.catalog import group_of, settings_of
from stream.replay.progress import Progress
from stream.replay.run import Pace, RunSink
from stream.settings.clients import kafka_arguments
from stream.settings.load import load_funnels, load_tracker
from stream.settings.tracker import TrackerSettings
from stream.web.pages import Pages
from stream.worker.contract import Limits
from stream.worker.outbox import Outbox
from stream.worker.pointed import Pointed
from stream.worker.pointer import Live
from stream.worker.repartition import Repartitioner, RepartitionService
from stream.worker.runs import Run
from stream.worker.tracker import Tracker
from stream.worker.tracker_app import TrackerApp, WorkerOptions

INSTANCE_VARIABLE = "FUNNEL_INSTANCE_ID"
SERVERS = "bootstrap_servers"
IN_FLIGHT_BATCHES = 4  # of the largest: some counted, some read, and room for the other partitions


def build(
    config: Path | str | None,
    env: Mapping[str, str],
    *,
    metrics_port: int | None = None,
    activate: bool = False,
    with_payload: bool = False,
) -> TrackerApp:
    """Return the worker of a tracker file (None: as `load_tracker` finds it).

    `metrics_port` wins over the file; `activate` makes its funnels the active set although they were replaced;
    `with_payload` lets dead letters carry payloads. Raises `SettingsError`, also on unusable PEM files.
    """
    settings = load_tracker(config, env)
    funnels = load_funnels(settings.funnels, settings.period, is_live=True)
    connection = kafka_arguments(settings.kafka)
    instance_id = env.get(INSTANCE_VARIABLE, "")
    repartitioner = None
    if settings.needs_repartition:
        repartitioner = Repartitioner(settings, connection, instance_id=instance_id)
    base = open_store(settings)
    pages = Pages(settings, funnels, base, settings.metrics.host, lambda: app.is_ready())  # noqa: PLW0108 (made below)

    def make(live: Live, stats: ProcessStats, floor: Floor) -> Tracker:
        store = open_store(live.settings)
        pages.follow(live.settings, live.funnels, store)
        return Tracker(
            live.settings,
            live.funnels,
            log_mapping_of(live.settings),
            store,
            Outbox(connection, settings.log_topic, settings.dead_letter_topic, with_payload=with_payload),
            activate=live.insists,
            starts=None if live.run is None else live.run.starts,
            stats=stats,
            floor=floor,
            run=live.run_name,
            source_lag=None if repartitioner is None else repartitioner.group_lag,
            on_refresh=pages.publish,
        )

    sink = Pointed(settings, funnels, base, make, insists=activate)
    app = TrackerApp(
        _options(settings, connection, metrics_port, instance_id),
        sink,
        metrics=lambda: _page(sink, repartitioner),
        verdicts=lambda: sink.stats.verdicts,
        prepare_log=None if repartitioner is None else repartitioner.prepare,
        add_routes=pages.add_routes,
    )
    if repartitioner is not None:
        app.add_service(RepartitionService(repartitioner), repartitioner.is_ready)
    return app


def build_run(
    configured: TrackerSettings,
    run: Run,
    *,
    metrics_port: int = 0,
    max_rate: int | None = None,
    told: Callable[[Progress], None] = lambda _: None,
) -> tuple[TrackerApp, RunSink]:
    """Return a process of a run, and its sink, which says how it ended. `max_rate`: records a second at most.

    It ends by itself, as if told to by SIGTERM.
    """
    settings = settings_of(configured, run)
    connection = kafka_arguments(settings.kafka)
    store = open_store(settings)
    tracker = Tracker(settings, run.rules.funnels, log_mapping_of(settings), store, None, starts=run.starts)

    async def run_metrics() -> bytes:
        progress = sink.progress
        remaining, done = (None, None) if progress is None else (progress.left, progress.share)
        return run_page(run.name, sum(tracker.stats.verdicts), remaining, done)

    sink = RunSink(
        tracker,
        run,
        open_store(configured),
        store,
        pace=None if max_rate is None else Pace(max_rate),
        told=told,
        end=lambda: signal.raise_signal(signal.SIGTERM),
    )
    options = replace(
        _options(settings, connection, metrics_port, ""),
        group=group_of(configured.kafka.group, run.name),
        until={} if run.until is None else run.until,
    )
    if max_rate is not None:
        # While a group of batches waits for its turn nothing else is done: it is less than a second's records.
        records = min(options.limits.max_records, max(2, max_rate // 2))
        options = replace(options, limits=replace(options.limits, max_records=records, max_in_flight=records))
    app = TrackerApp(options, sink, metrics=run_metrics, verdicts=lambda: tracker.stats.verdicts)
    return app, sink


def _options(
    settings: TrackerSettings, connection: Mapping[str, Any], metrics_port: int | None, instance_id: str
) -> WorkerOptions:
    worker = settings.worker
    return WorkerOptions(
        group=settings.kafka.group,
        servers=tuple(connection[SERVERS]),
        topic=settings.log_topic,
        metrics_host=settings.metrics.host,
        metrics_port=settings.metrics.port if metrics_port is None else metrics_port,
        security={name: value for name, value in connection.items() if name != SERVERS},
        instance_id=instance_id,
        limits=Limits(
            max_records=worker.max_batch_records,
            max_bytes=worker.max_batch_bytes,
            max_in_flight=IN_FLIGHT_BATCHES * worker.max_batch_records,
            max_in_flight_bytes=IN_FLIGHT_BATCHES * worker.max_batch_bytes,
            gather_ms=worker.gather_ms,
        ),
    )


async def _page(sink: Pointed, repartitioner: Repartitioner | None) -> bytes:
    """Return /metrics; the part that may be long is made in a thread, so that batches go on meanwhile."""
    if repartitioner is not None:
        sink.stats.repartition = repartitioner.figures()
    now_ms = int(time.time() * 1000)
    collector = sink.collector
    process = collector.process_text(now_ms)
    return await asyncio.to_thread(collector.funnel_text, now_ms) + process


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    app = build(None, os.environ)
    globals()["app"] = app  # Faust asks for it several times
    return app
