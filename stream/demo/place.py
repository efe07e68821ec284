"""Where a demo happens: a folder with its tracker file, and names of its own in Kafka and Redis.

In:  the servers' addresses.
Out: alert rules and a tracker file on disk, topics in Kafka; on servers of the user's, nothing left of it afterwards.

Topics, consumer group and namespace carry a name that no other run has, so nothing of the user's is touched.
"""

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code

from stream.alerts.rules import text
from stream.analyze.live import open_store
from stream.errors import DemoError
from stream.settings.clients import kafka_arguments
from stream.settings.load import load_funnels, load_tracker
from stream.settings.tracker import TrackerSettings

PARTITIONS = 8
AGES = ("15s", "15m")
"""Visitors think for two seconds: 15 s tell soon who does not go on."""
SEGMENT_WINDOWS = ("1m", "5m")
"""A minute holds some 150 check-outs on phones, enough for an alert."""
FUNNELS = Path("config/funnels")
BROKER_DEFAULT = -1
"""Replication factor: as the broker is configured."""


@dataclass(frozen=True, slots=True)
class Place:
    """A demo's folder, tracker file and settings."""

    folder: Path
    tracker: Path
    settings: TrackerSettings

    @property
    def topic(self) -> str:
        """The topic that the shop writes and the workers count."""
        return self.settings.log_topic


def make_place(folder: Path, kafka: str, redis: str) -> Place:
    """Write the tracker file. Raises `DemoError` away from the project's folder, `SettingsError` for wrong funnels."""
    if not FUNNELS.is_dir():
        raise DemoError(f"no folder {FUNNELS} here ({Path.cwd()}): run the demo in the project's folder")
    name = f"demo-{int(time.time())}-{os.getpid()}"
    tracker = folder / "tracker.yaml"
    written = yaml.safe_dump(_tracker(name, kafka, redis), sort_keys=False)
    tracker.touch(mode=0o600)  # the URL of Redis may hold a password
    tracker.write_text(written, encoding="utf-8")
    return Place(folder, tracker, load_tracker(tracker, {}))


def _tracker(name: str, kafka: str, redis: str) -> dict[str, Any]:
    source = {"topics": [f"{name}-clicks"], "fields": {"actor": "anonymous_id"}, "keyed_by_actor": True}
    return {
        "kafka": {"bootstrap": kafka, "group": name},
        "redis": {"url": redis, "namespace": name},
        "sources": [source],
        "funnels": str(FUNNELS.resolve()),
        "dead_letter": {"topic": f"{name}-dead-letters"},
        "age_matched": list(AGES),
        "alerts": {"segment_windows": list(SEGMENT_WINDOWS), "segment_targets": True},
        "export": {"top_segments": 5},
        "metrics": {"max_series": 10_000},
    }


def make_rules(folder: Path) -> Path:
    """Write the alert rules of the demo's funnels, before there are any servers: no rule holds an address."""
    with TemporaryDirectory() as scratch:
        settings = make_place(Path(scratch), "127.0.0.1:9092", "redis://127.0.0.1:6379/0").settings
    path = folder / "funnel.yml"
    path.write_text(text(load_funnels(settings.funnels, settings.period), settings), encoding="utf-8")
    return path


async def make_topics(place: Place) -> None:
    """Create the topic of the shop's events and the one of dead letters. Raises `DemoError` if Kafka does not."""
    wanted = [
        # An empty assignment, not a missing one: only then aiokafka lets the broker choose the replication factor.
        NewTopic(topic, partitions, BROKER_DEFAULT, replica_assignments={})
        for topic, partitions in ((place.topic, PARTITIONS), (place.settings.dead_letter_topic, 1))
    ]
    async with _admin(place, "creating topics") as admin:
        _check((await admin.create_topics(wanted)).topic_errors)


async def remove_topics(place: Place) -> None:
    """Delete both topics. Raises `DemoError` if Kafka does not."""
    async with _admin(place, "deleting topics") as admin:
        _check((await admin.delete_topics([place.topic, place.settings.dead_letter_topic])).topic_error_codes)


async def remove_state(place: Place) -> None:
    """Delete what the workers stored in Redis. Raises `StoreUnavailable` or `StoreRefused` if that cannot be."""
    store = open_store(place.settings)
    try:
        await store.drop_namespace()
    finally:
        await store.close()


@asynccontextmanager
async def _admin(place: Place, doing: str) -> AsyncIterator[Any]:
    kafka = place.settings.kafka
    admin = AIOKafkaAdminClient(**kafka_arguments(kafka))
    try:
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()
    except (KafkaError, OSError) as error:
        raise DemoError(f"{doing} {place.topic} and {place.settings.dead_letter_topic} at {kafka.bootstrap}: {error}; "
                        "is Kafka running there, and may this client do so?") from error  # fmt: skip


def _check(answers: Sequence[tuple[Any, ...]]) -> None:
    for topic, code, *_ in answers:
        if code:
            raise for_code(code)(topic)
