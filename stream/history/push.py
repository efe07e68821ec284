"""Send the past to a Prometheus, or whatever else takes its remote write 1.0.

In:  the samples of one instant after another, ascending; the receiver's URL and how to log in.
Out: requests, one after the other, so that each series' samples arrive in order of time.

A series that ends is marked stale at the instant at which it is gone, and the last ones just before the next instant
would come: nothing of the past is seen five minutes longer than it was. What a receiver refuses for good stops the
push; what it cannot take now is sent again.
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout

from stream.errors import HistoryError
from stream.history.remote_write import HEADERS, STALE, request_body
from stream.metrics.history import PastSeries, Sample

MAX_SAMPLES = 10_000
"""In a request: 10 000 samples of 500 series are 150 kB."""
PATIENCE_S = 300.0
"""How long a receiver may be away: a restart of Prometheus reads its log for minutes."""
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0
TOO_MANY = 429
REFUSED_FOR_GOOD = "too old sample"
"""Prometheus 2.42 says 500 to it, as if it could take it later."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where to send to; a token wins over user and password."""

    url: str
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    patience_s: float = PATIENCE_S

    def __post_init__(self) -> None:
        """Refuse what is no URL, or tells a password to whoever reads the command line."""
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise HistoryError("--url is no http:// or https:// URL (try http://127.0.0.1:9090/api/v1/write)")
        if parts.username is not None:
            raise HistoryError("--url holds a user: give FUNNEL_PUSH_USER and FUNNEL_PUSH_PASSWORD in the environment")

    @property
    def login(self) -> dict[str, str]:
        """The header that lets us in, if one is wanted."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        if not self.user:
            return {}
        return {"Authorization": f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"}


class Pushed(NamedTuple):
    """What the receiver has taken, markers of ended series included."""

    samples: int
    requests: int


class _Batch:
    """Samples of consecutive instants by series."""

    def __init__(self, first_ms: int) -> None:
        self.first_ms = first_ms
        self.size = 0
        self.by_series: dict[PastSeries, list[tuple[int, float]]] = {}

    def add(self, series: PastSeries, time_ms: int, value: float) -> None:
        self.by_series.setdefault(series, []).append((time_ms, value))
        self.size += 1


async def push(instants: Iterable[tuple[int, Iterable[Sample]]], step_ms: int, receiver: Receiver) -> Pushed:
    """Send all samples, each instant with its time in ms. Raises `HistoryError` if the receiver does not take them."""
    samples = requests = 0
    timeout = ClientTimeout(total=60)
    async with ClientSession(headers={**HEADERS, **receiver.login}, timeout=timeout) as session:
        for batch in _batches(instants, step_ms):
            await _send(session, receiver, batch)
            samples += batch.size
            requests += 1
    return Pushed(samples, requests)


def _batches(instants: Iterable[tuple[int, Iterable[Sample]]], step_ms: int) -> Iterator[_Batch]:
    """Cut into requests at instants, with a marker where a series ends."""
    batch: _Batch | None = None
    there: Mapping[PastSeries, None] = {}
    last_ms = 0
    for time_ms, samples in instants:
        if batch is not None and batch.size >= MAX_SAMPLES:
            yield batch
            batch = None
        if batch is None:
            batch = _Batch(time_ms)
        now: dict[PastSeries, None] = {}
        for series, value in samples:
            now[series] = None
            batch.add(series, time_ms, float(value))
        for series in there:
            if series not in now:
                batch.add(series, time_ms, STALE)
        there, last_ms = now, time_ms
    if batch is not None:
        for series in there:
            # Not at the next instant itself: a later push may go on there.
            batch.add(series, last_ms + step_ms - 1, STALE)
        yield batch


async def _send(session: ClientSession, receiver: Receiver, batch: _Batch) -> None:
    body = request_body(batch.by_series)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + receiver.patience_s
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            async with session.post(receiver.url, data=body, allow_redirects=False) as answer:
                status, text = answer.status, (await answer.text(errors="replace")).strip()[:500]
                wait_s = _asked_pause(answer.headers.get("Retry-After", ""))
        except (ClientError, TimeoutError) as error:
            status, text, wait_s = 0, str(error) or type(error).__name__, 0.0
        if 200 <= status < 300:
            return
        if REFUSED_FOR_GOOD in text:
            status = 400
        if 0 < status < 500 and status != TOO_MANY:
            raise HistoryError(f"{_place(receiver, batch)}: {status} {text}{_remedy(status)}")
        pause_s = max(pause_s, wait_s)
        if loop.time() + pause_s > deadline:
            what = f"{status} {text}" if status else text
            raise HistoryError(
                f"{_place(receiver, batch)}: {what}, for {receiver.patience_s:.0f} s; what came before is there: "
                "push again with this --from once it answers"
            )
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _asked_pause(retry_after: str) -> float:
    return min(float(retry_after), LONGEST_PAUSE_S) if retry_after.isdecimal() else 0.0


def _place(receiver: Receiver, batch: _Batch) -> str:
    at = datetime.fromtimestamp(batch.first_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return f"{receiver.url} did not take the samples from {at} on"


def _remedy(status: int) -> str:
    remedies = {
        400: " (older than it takes: set storage.tsdb.out_of_order_time_window in prometheus.yml to more than the age "
        "of the oldest sample, or load what `funnel history export` writes; where it says duplicate, the sample is "
        "there with another value: use another --label instance)",
        401: " (give FUNNEL_PUSH_TOKEN, or FUNNEL_PUSH_USER and FUNNEL_PUSH_PASSWORD)",
        403: " (who logs in may not write)",
        404: " (start Prometheus with --web.enable-remote-write-receiver; the path is /api/v1/write)",
    }
    return remedies.get(status, "")
