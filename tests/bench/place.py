"""Where a run happens: servers, a folder, and names that no other run has.

In:  a stack; funnels to count.
Out: a tracker file with nothing but defaults; child processes; whatever they made is gone afterwards.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis import Redis

from stream.stack import Stack
from stream.stack.processes import dying_with_parent

from .standard import STEPS

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 30.0
LOG_TAIL_BYTES = 3_000

TRACKER = """\
kafka: {{bootstrap: "{kafka}", group: {name}}}
redis: {{url: "{redis}", namespace: {name}}}
sources:
  - topics: [{topic}]
    fields: {{actor: user_id, time: ts, id: event_id}}
    time_unit: ms
    keyed_by_actor: true
funnels: funnels
dead_letter: {{topic: {letters}}}
"""
OPTIONS = """\
funnel: options
window: 1h
strict_time: true
time_granularity: 1s
entry: first
session: {gap: 30m}
hold_constant: [device]
steps:
  - event: view_page
  - {event: view_product, optional: true, where: [{property: device, equals: mobile}]}
  - {event: add_to_cart, within: 10m}
  - {event: begin_checkout, not_before: 1s}
  - event: purchase
exclusions:
  - {event: view_product, from: add_to_cart, where: [{property: country, equals: JP}], effect: remove_actor}
"""


def plain(name: str, steps: Sequence[str]) -> str:
    """Return the file of a funnel without options; each step has the event it is named after."""
    return f"funnel: {name}\nwindow: 1h\nsteps: [{', '.join(f'{{event: {step}}}' for step in steps)}]\n"


STANDARD = {
    name: plain(name, steps)
    for name, steps in {"standard": STEPS, "other": ("open_app", "sign_up"), "another": ("search", "subscribe")}.items()
}
"""The files of the funnel that is measured, and of two that no event matches."""
TWENTY = {name: plain(name, STEPS[: 2 + at % 4]) for at in range(20) for name in (f"standard-{at}",)}
"""Twenty funnels of two to five steps, to all of which the events matter."""
MANY_OPTIONS = {"options": OPTIONS}
"""A funnel with as many options as go together."""
_numbers = count(1)


class BenchError(Exception):
    """A run could not be made; the text says what ended, and the end of its log."""


class Place:
    """The servers of a whole bench, and a folder for its files."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        self.kafka, self.redis_url = stack.kafka, stack.redis_url
        self.redis = Redis.from_url(stack.redis_url)
        self.base = f"bench-{int(time.time())}-{os.getpid()}"
        self.letters = f"{self.base}-letters"
        self.broker = stack.pid("kafka") if stack.owns("kafka") else None
        self.servers = [stack.pid(name) for name in ("kafka", "redis") if stack.owns(name)]

    def new_name(self) -> str:
        """Return a name for the group, the namespace and the files of a run."""
        return f"{self.base}-{next(_numbers)}"

    def tracker(self, name: str, topic: str, funnels: Mapping[str, str]) -> Path:
        """Write a tracker file and the files of funnels by name; return the tracker file's path."""
        home = self.folder / name
        (home / "funnels").mkdir(parents=True)
        for funnel, text in funnels.items():
            (home / "funnels" / f"{funnel}.yaml").write_text(text, encoding="utf-8")
        path = home / "tracker.yaml"
        text = TRACKER.format(kafka=self.kafka, redis=self.redis_url, name=name, topic=topic, letters=self.letters)
        path.write_text(text, encoding="utf-8")
        return path

    def make_topics(self, topics: Mapping[str, int]) -> None:
        """Make topics with these numbers of partitions."""
        asyncio.run(self._admin(topics, ()))

    def delete_topics(self, topics: Collection[str]) -> None:
        """Delete topics."""
        asyncio.run(self._admin({}, topics))

    async def _admin(self, made: Mapping[str, int], deleted: Collection[str]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka)
        await admin.start()
        try:
            if made:
                await admin.create_topics([NewTopic(name, partitions, 1) for name, partitions in made.items()])
            if deleted:
                await admin.delete_topics(list(deleted))
        finally:
            await admin.close()

    def drop_keys(self, name: str) -> None:
        """Delete every key under a name, those of replays beside it included."""
        for pattern in (f"{{{name}[}}:./]*", f"{name}:*"):
            keys = list(self.redis.scan_iter(match=pattern, count=5_000))
            for first in range(0, len(keys), 1_000):
                self.redis.delete(*keys[first : first + 1_000])

    def measure(self, pattern: str) -> tuple[list[dict[bytes, bytes]], int]:
        """Return what the hashes of this pattern hold, and how many bytes they take, keys included."""
        keys = list(self.redis.scan_iter(match=pattern, count=5_000))
        with self.redis.pipeline(transaction=False) as questions:
            for key in keys:
                questions.hgetall(key)
                questions.memory_usage(key, samples=0)
            answers = questions.execute()
        return answers[::2], sum(answers[1::2])


@contextmanager
def place(stack: Stack) -> Iterator[Place]:
    """Make a place on a stack; its topics and files go at the end."""
    with tempfile.TemporaryDirectory(prefix="funnel-bench-") as folder:
        made = Place(stack, Path(folder))
        made.make_topics({made.letters: 1})
        try:
            yield made
        finally:
            made.delete_topics([made.letters])
            made.redis.close()


class Child:
    """A process of a run, with a log; it ends with the bench at the latest."""

    def __init__(self, argv: Sequence[str], log: Path, environ: Mapping[str, str]) -> None:
        self._log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                dying_with_parent([sys.executable, *argv]),
                cwd=ROOT,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise `BenchError` if it has ended by itself."""
        if self._process.poll() is not None:
            end = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
            raise BenchError(f"a process ended with status {self._process.returncode}; the end of its log:\n{end}")

    def wait(self, seconds: float) -> None:
        """Wait until it has ended by itself. Raises `BenchError` if it failed or takes longer."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchError(f"a process did not end within {seconds:g} s; its log: {self._log}") from None
        if status:
            self.check()

    def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def page(port: int) -> str | None:
    """Return the /metrics page of a worker on this loopback port, None while there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return None


def sample(text: str | None, series: str) -> float | None:
    """Return the sum of a series' samples on a page, whatever their labels; None if there is none."""
    found = re.findall(rf"^{re.escape(series)}(?:{{[^}}]*}})? (\S+)$", text or "", re.MULTILINE)
    return sum(map(float, found)) if found else None
