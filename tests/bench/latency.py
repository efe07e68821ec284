"""How long from an event to its number on /metrics, or on the live page, at a fixed rate.

In:  a place; a rate, and how long.
Out: a row: percentiles over the markers (`tests.bench.pacer`), and what the worker used meanwhile.

/metrics is asked for ten times a second, so that a figure is up to 100 ms too large; the live page's stream tells by
itself. Events are sent when they are due, whether or not the worker keeps up; every marker after the warm-up counts.
"""

import http.client
import math
import re
import time
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import msgspec

from stream.stack.ports import free_ports
from stream.worker.runs import namespace_of

from . import machine
from .pacer import MARKER
from .place import STANDARD, BenchError, Child, Place, plain
from .standard import PARTITIONS
from .systems import PAGES, RUN, Topic, open_pages, start_run, start_workers, stored_offsets

LOOK_SECONDS = 0.1
START_SECONDS = 60.0
PATIENCE_SECONDS = 30.0
RATE_BESIDE_LIVE = 20_000
"""Records a second of a replay that shares the machine with live, as docs/replay.md has it."""

_ENTERED = re.compile(
    rb'^funnel_entered\{funnel="%b",version="1",counts="attempts",window="24h",form="rolling",'
    rb'breakdown="",segment=""\} (\d+)$' % MARKER.encode(),
    re.MULTILINE,
)
_ACCEPTED = re.compile(rb'^funnel_records_total\{verdict="accepted"\} (\d+)$', re.MULTILINE)


class Latency(msgspec.Struct, tag_field="kind", tag="latency", omit_defaults=True):
    """A run. Latencies in ms; CPU in cores while the load ran, and in µs per event; `sent_per_s` as it came out."""

    events_per_s: int
    sent_per_s: float
    markers: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    cores: float
    redis_cores: float
    us_per_event: float
    events_per_batch: float
    broker_cores: float | None = None
    other_cores: float | None = None
    wrong: list[str] = []
    on_page: bool = False
    beside_rate: int = 0
    """Records a second at most of a replay that goes on meanwhile; 0 for none."""


class Load(NamedTuple):
    """Events a second, seconds that do not count and that do, the partition of the markers."""

    rate: int
    warmup_s: float
    seconds: float
    lane: int


def run(place: Place, load: Load, *, on_page: bool = False, replayed: Topic | None = None) -> Latency:
    """Start a worker on an empty topic, send events to it, and watch its /metrics, or one of many open live pages.

    replayed: a topic over which a run goes meanwhile. Raises `BenchError` if a process ends.
    """
    name = place.new_name()
    topic = f"{name}-paced"
    place.make_topics({topic: PARTITIONS})
    tracker = place.tracker(name, topic, {**STANDARD, MARKER: plain(MARKER, (MARKER, "never"))})
    (port,) = free_ports(1)
    (worker,) = start_workers(place, tracker, name, [port])
    beside = []
    if on_page:
        beside.append(open_pages(port, PAGES - 1, tracker.parent / "received"))
    again = place.new_name()
    try:
        watch = (_PageWatch if on_page else _Watch)(place, worker, port)
        watch.until_ready()
        if replayed is not None:
            replay = place.tracker(again, replayed.name, STANDARD)
            beside.append(start_run(replay, "--max-rate", str(RATE_BESIDE_LIVE), "--to", "follow"))
        row = watch.paced(topic, load, tracker.parent / "sent")
        if replayed is not None:
            row.beside_rate = RATE_BESIDE_LIVE
            row.wrong += _unfinished(place, again, replayed)
        return row
    finally:
        for child in (worker, *beside):
            child.stop()
        place.drop_keys(name)
        place.drop_keys(again)
        place.delete_topics([topic])


def _unfinished(place: Place, name: str, topic: Topic) -> list[str]:
    """Say so if a run had nothing to do any more while it was to be beside live."""
    done = stored_offsets(place, namespace_of(name, RUN))
    return [] if done < topic.events else [f"the replay of {topic.events} events was over before the load"]


class _Watch:
    """Looks at /metrics again and again; `seen` has (moment, markers on it) whenever that changed."""

    on_page = False

    def __init__(self, place: Place, worker: Child, port: int) -> None:
        self._place, self._worker = place, worker
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self.seen: list[tuple[float, int]] = []
        self.accepted = 0

    def until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._get("/readyz")[0] != http.HTTPStatus.OK:
            if time.monotonic() > deadline:
                raise BenchError(f"the worker was not ready within {START_SECONDS:g} s")
            time.sleep(LOOK_SECONDS)

    def paced(self, topic: str, load: Load, file: Path) -> Latency:
        place, rate, total_s = self._place, load.rate, load.warmup_s + load.seconds
        arguments = [place.kafka, topic, str(rate), str(total_s), str(load.lane), str(file)]
        pacer = Child(["-m", "tests.bench.pacer", *arguments], file.with_suffix(".log"), {})
        try:
            self._look_until(lambda: bool(self.seen), START_SECONDS)
            began_s, before, accepted = self.seen[0][0], self._mark(), self.accepted
            self._look_until(lambda: time.monotonic() - began_s > total_s, total_s + PATIENCE_SECONDS)
            after, ran_s, counted = self._mark(), time.monotonic() - began_s, self.accepted - accepted
            pacer.wait(PATIENCE_SECONDS)
            sent = [float(line) for line in file.read_text(encoding="ascii").split()]
            events = int(rate * total_s) + len(sent)
            self._look_until(lambda: self.accepted >= events, PATIENCE_SECONDS)
        finally:
            pacer.stop()
        delays = sorted(self._delays(sent)[int(load.warmup_s * len(sent) / total_s) :])
        used = before.until(after)
        page = self._get("/metrics")[1]
        return Latency(
            events_per_s=rate,
            sent_per_s=round((len(sent) - 1) / (sent[-1] - sent[0]) * rate * total_s / len(sent)),
            markers=len(delays),
            p50_ms=_percentile(delays, 0.5),
            p90_ms=_percentile(delays, 0.9),
            p99_ms=_percentile(delays, 0.99),
            max_ms=_percentile(delays, 1),
            cores=round(used.system / ran_s, 3),
            redis_cores=round(used.redis / ran_s, 3),
            broker_cores=None if used.broker is None else round(used.broker / ran_s, 3),
            other_cores=None if used.others is None else round(used.others / ran_s, 2),
            us_per_event=round(used.system / counted * 1e6, 1),
            events_per_batch=round(_mean(page, b"funnel_worker_batch_records"), 1),
            wrong=[] if self.accepted == events else [f"{self.accepted} events counted of {events}"],
            on_page=self.on_page,
        )

    def _mark(self) -> machine.Mark:
        place = self._place
        return machine.mark([self._worker.pid], place.servers, place.broker, place.redis)

    def _look_until(self, holds, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise BenchError(
                    f"{self.accepted} events and {len(self.seen)} markers were on /metrics in time, no more"
                )
            self._worker.check()
            status, text = self._get("/metrics")
            now_s = time.monotonic()
            if status == http.HTTPStatus.OK:
                self._note(now_s, text)
            time.sleep(LOOK_SECONDS)

    def _note(self, now_s: float, text: bytes) -> None:
        accepted = _ACCEPTED.search(text)
        self.accepted = int(accepted[1]) if accepted else 0
        entered = _ENTERED.search(text)
        if not self.on_page and entered:
            self._see(now_s, int(entered[1]))

    def _see(self, now_s: float, markers: int) -> None:
        if markers > (self.seen[-1][1] if self.seen else 0):
            self.seen.append((now_s, markers))

    def _delays(self, sent: list[float]) -> list[float]:
        """Return the delay of every marker in s, in order; one that never came up is an error."""
        delays = []
        shown = iter(self.seen)
        moment, markers = 0.0, 0
        for number, sent_s in enumerate(sent, start=1):
            while markers < number:
                moment, markers = next(shown, (0.0, 0))
                if not markers:
                    raise BenchError(f"marker {number} of {len(sent)} never came up on /metrics")
            delays.append(moment - sent_s)
        return delays

    def _get(self, path: str) -> tuple[int, bytes]:
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._worker.check()
            return 0, b""


class _PageWatch(_Watch):
    """Notes when markers come over the stream of the live page; /metrics only says how much is counted."""

    on_page = True

    def until_ready(self) -> None:
        super().until_ready()
        Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._connection.port, timeout=PATIENCE_SECONDS)
        connection.request("GET", f"/api/v1/stream?funnel={MARKER}&version=1&window=24h")
        stream = connection.getresponse()
        while line := stream.readline():  # ends with the worker
            now_s = time.monotonic()
            if line.startswith(b"data: "):
                outcome = msgspec.json.decode(line[len(b"data: ") :])["outcome"]
                self._see(now_s, 0 if outcome is None else outcome["entered"])


def _mean(page: bytes, series: bytes) -> float:
    total, count = (
        float(found[1]) if (found := re.search(rb"^%b_%b (\S+)$" % (series, part), page, re.MULTILINE)) else 0.0
        for part in (b"sum", b"count")
    )
    return total / count if count else 0.0


def _percentile(delays: list[float], share: float) -> float:
    return round(delays[max(0, math.ceil(len(delays) * share) - 1)] * 1000, 1)
