"""Cost of decoding and admitting a record, in us; run it with the project's Python on a quiet machine.

The records are those of the standard topic: 200 bytes, flat, four properties, time in ms.
"""

import gc
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter

from stream.ingest.admission import Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping

RECORDS = 20_000
BATCH = 500
ROUNDS = 30
START_MS = 1_764_000_000_000
NAMES = ("view_page", "view_product", "add_to_cart", "begin_checkout", "purchase")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def records() -> list[dict[str, object]]:
    """Draw the events of the standard topic, seeded."""
    draw = random.Random(1)
    return [
        {
            "event_id": f"{at:016x}",
            "user_id": f"u{draw.randrange(200_000)}",
            "event": draw.choices(NAMES, (50, 25, 13, 8, 4))[0],
            "ts": START_MS + at * 3 + draw.randrange(-500, 500),
            "properties": {
                "device": draw.choice(("mobile", "desktop", "tablet")),
                "country": draw.choice(("FR", "DE", "US", "JP")),
                "utm_source": "google",
                "url": f"https://shop.example/p/{draw.randrange(1000)}",
            },
        }
        for at in range(RECORDS)
    ]


def encoded(events: list[dict[str, object]], time_form: Callable[[int], object] = lambda ms: ms) -> list[bytes]:
    """Return compact JSON with the times in `time_form`."""
    forms = ({**event, "ts": time_form(int(str(event["ts"])))} for event in events)
    return [json.dumps(event, separators=(",", ":")).encode() for event in forms]


def best_us(run: Callable[[], object]) -> float:
    """Return the best of many rounds, per record: what disturbs only ever adds."""
    rounds = []
    for _ in range(ROUNDS):
        start = perf_counter()
        run()
        rounds.append(perf_counter() - start)
    return min(rounds) / RECORDS * 1e6


def decoder(unit: str = "ms", properties: tuple[str, ...] = ()) -> EventDecoder:
    """Return the decoder of the standard topic."""
    return EventDecoder(Mapping.preset("flat", time="ts", id="event_id", unit=unit), properties)


def admitting(values: list[bytes], properties: tuple[str, ...], served: frozenset[str]) -> Callable[[], None]:
    """Return a run over all `values` in batches, each recorded a little after it happened."""
    record_times = [START_MS + at * 3 + 600 for at in range(RECORDS)]
    offsets = list(range(RECORDS))
    reader, limits = decoder(properties=properties), Limits()

    def run() -> None:
        mark = None
        for at in range(0, RECORDS, BATCH):
            part = slice(at, at + BATCH)
            columns = values[part], record_times[part], offsets[part]
            mark = admit_batch(*columns, reader, served, limits, mark, "shop/3/").watermark_ms

    return run


def iso(ms: int) -> str:
    """Return the time as most producers write it."""
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main() -> None:
    """Print one line for each form."""
    events = records()
    values = encoded(events)
    every, three = frozenset(NAMES), ("device", "country", "utm_source")
    print(f"{len(values[0])} bytes a record, batches of {BATCH}")
    cases: dict[str, Callable[[], object]] = {
        "core fields, time in ms": lambda: list(map(decoder().core, values)),
        "decode to Event, no properties": lambda: list(map(decoder().decode, values)),
        "decode to Event, 3 properties": lambda: list(map(decoder(properties=three).decode, values)),
    }
    for name, unit, form in (
        ("ISO text", "iso", iso),
        ("ISO text with +00:00", "iso", lambda ms: iso(ms).replace("Z", "+00:00")),
        ("whole seconds", "s", lambda ms: ms // 1000),
        ("seconds with a fraction", "s", lambda ms: ms / 1000),
    ):
        texts, core = encoded(events, form), decoder(unit).core
        cases[f"core fields, time as {name}"] = lambda texts=texts, core=core: list(map(core, texts))
    cases["decode + admit, 3 properties"] = admitting(values, three, every)
    cases["decode + admit, no properties"] = admitting(values, (), every)
    cases["decode + admit, unmatched"] = admitting(values, three, frozenset())
    gc.freeze()
    for name, run in cases.items():
        print(f"{name:45}{best_us(run):6.2f} us")


if __name__ == "__main__":
    main()
