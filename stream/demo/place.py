"""Where a demo happens: a folder with its tracker file, and names of its own in Kafka and Redis.

In:  the servers' addresses.
Out: a tracker file on disk, topics in Kafka. Nothing of the user's is touched: topics, group and
     namespace carry a name that no other run has.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.errors import DemoError
from stream.settings.clients import kafka_arguments
from stream.settings.load import load_tracker
from stream.settings.tracker import TrackerSettings

PARTITIONS = 8
FUNNELS = Path("config/funnels")

TRACKER = """\
kafka: {{bootstrap: "{kafka}", group: {name}}}
redis: {{url: "{redis}", namespace: {name}}}
sources:
  - topics: [{name}-clicks]
    fields: {{actor: anonymous_id}}
    keyed_by_actor: true
funnels: "{funnels}"
dead_letter: {{topic: {name}-dead-letters}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A demo's folder, tracker file, settings and topic."""

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
    text = TRACKER.format(kafka=kafka, redis=redis, name=name, funnels=FUNNELS.resolve())
    tracker.write_text(text, encoding="utf-8")
    return Place(folder, tracker, load_tracker(tracker, {}))


async def make_topics(place: Place) -> None:
    """Create the topic of the shop's events and the one of dead letters."""
    admin = AIOKafkaAdminClient(**kafka_arguments(place.settings.kafka))
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(place.topic, PARTITIONS, 1), NewTopic(place.settings.dead_letter_topic, 1, 1)]
        )
    finally:
        await admin.close()
