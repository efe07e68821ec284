"""Rows of runs as tables, and as the generated part of docs/benchmarks.md.

In:  rows of `Throughput` and `Latency`, in any order; what machine they were made on.
Out: Markdown that also reads well in a terminal.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

from stream.settings.tracker import AlertSettings

from .alerting import OPTIMUM_S, Alerted
from .bench_alerts import optimum_s
from .latency import Latency
from .throughput import Throughput

BEGIN, END = "<!-- figures: begin (python -m tests.bench.run --write-docs) -->", "<!-- figures: end -->"
SUSPECT_CORES = 0.1
SENT_SHARE = 0.98
"""Of the wanted rate; below it the events came later than they were due."""

Row = Throughput | Latency | Alerted
T = TypeVar("T")
K = TypeVar("K")


def tables(machine: Mapping[str, str], rows: Sequence[Row]) -> str:
    """Return everything there is to say about these rows."""
    fast = [row for row in rows if isinstance(row, Throughput)]
    paced = [row for row in rows if isinstance(row, Latency)]
    parts = [", ".join(f"{name} {value}" for name, value in machine.items()) + "."]
    if fast:
        parts += [_throughput(fast), _ratios(fast)]
    for (on_page, beside), its in sorted(_grouped(paced, lambda row: (row.on_page, row.beside_rate)).items()):
        where = "one of 50 open live pages" if on_page else "/metrics"
        parts.append(_latency(its, f"{where}, beside a replay of {beside:,} events/s" if beside else where))
    alerted = [row for row in rows if isinstance(row, Alerted)]
    if alerted:
        parts.append(_alerted(alerted))
    parts += _warnings([row for row in rows if not isinstance(row, Alerted)])
    return "\n\n".join(part for part in parts if part) + "\n"


def _throughput(rows: Sequence[Throughput]) -> str:
    heads = (
        "system", "events", "events/s: median (least to most)", "CPU s per million", "of Redis", "of the broker",
        "most memory, MiB", "Redis bytes per actor", "records per batch", "other programs, cores", "counts",
    )  # fmt: skip
    return _table(
        heads, [_throughput_line(label, its) for label, its in _grouped(rows, lambda row: row.system).items()]
    )


def _throughput_line(label: str, rows: Sequence[Throughput]) -> list[str]:
    speeds = [row.events_per_s for row in rows]
    return [
        label,
        f"{max(row.events for row in rows):,}",
        f"{median(speeds):,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f})",
        _middle([row.cpu_s_per_million for row in rows]),
        _middle([row.redis_s_per_million for row in rows]),
        _middle([row.broker_s_per_million for row in rows]),
        f"{max(row.memory_mib for row in rows):,.0f}",
        _middle([row.redis_bytes_per_actor for row in rows]),
        _middle([row.notes.get("records_per_batch") for row in rows]),
        _most([row.other_cores for row in rows]),
        _verdict([row.wrong for row in rows], counts=rows[0].actors > 0),
    ]


def _latency(rows: Sequence[Latency], place: str) -> str:
    heads = (
        "events/s", "sent/s", "p50 ms", "p90", "p99", "most", "markers", "worker, cores", "µs CPU per event",
        "events per batch", "Redis, cores", "broker, cores", "other programs, cores", "counts",
    )  # fmt: skip
    lines = [
        [
            f"{its[0].events_per_s:,}",
            f"{min(row.sent_per_s for row in its):,.0f}",
            *[_middle([getattr(row, name) for row in its]) for name in ("p50_ms", "p90_ms", "p99_ms")],
            f"{max(row.max_ms for row in its):g}",
            str(sum(row.markers for row in its)),
            *[_middle([getattr(row, name) for row in its]) for name in ("cores", "us_per_event", "events_per_batch")],
            _middle([row.redis_cores for row in its]),
            _middle([row.broker_cores for row in its]),
            _most([row.other_cores for row in its]),
            _verdict([row.wrong for row in its], counts=True),
        ]
        for _, its in sorted(_grouped(rows, lambda row: row.events_per_s).items())
    ]
    return f"From an event to its number on {place}, one worker:\n\n" + _table(heads, lines)


def _alerted(rows: Sequence[Alerted]) -> str:
    heads = (
        "falls", "s until the alert fired", "s until it was notified: median", "least to most", "optimum, s",
        "at the rules' budget", "windows", "false alarms",
    )  # fmt: skip
    told = [row.notified_s for row in rows]
    line = [
        str(len(rows)),
        f"{median(row.fired_s for row in rows):.0f}",
        f"{median(told):.0f}",
        f"{min(told):.0f} to {max(told):.0f}",
        str(OPTIMUM_S),
        f"{optimum_s(1 / AlertSettings().false_alarms_per_week):.0f}",
        ", ".join(sorted({row.window for row in rows})),
        str(sum(row.false_alarms for row in rows)),
    ]
    return "From a fall in conversion, 40 to 25 % at 100 entrants/min, to the alert:\n\n" + _table(heads, [line])


def _ratios(rows: Sequence[Throughput]) -> str:
    """Return how many times as fast the first system is as each other one, and its CPU time per event to theirs."""
    medians = {
        label: (median(row.events_per_s for row in its), median(row.cpu_s_per_million for row in its))
        for label, its in _grouped(rows, lambda row: row.system).items()
    }
    (ours, (speed, cpu)), *others = medians.items()
    lines = [
        [f"{ours} / {other}", f"{speed / its_speed:.3g}", f"{cpu / its_cpu:.3g}" if its_cpu else ""]
        for other, (its_speed, its_cpu) in others
    ]
    return _table(("ratio of the medians", "events/s", "CPU per event"), lines) if lines else ""


def _warnings(rows: Iterable[Throughput | Latency]) -> list[str]:
    lines = []
    for row in rows:
        label = row.system if isinstance(row, Throughput) else f"{row.events_per_s:,} events/s"
        lines += [f"WRONG: {label}: {line}" for line in row.wrong[:5]]
    lines += [
        f"SUSPECT: {row.events_per_s:,} events/s were wanted, {row.sent_per_s:,.0f} sent: the sender was held up."
        for row in rows
        if isinstance(row, Latency) and row.sent_per_s < SENT_SHARE * row.events_per_s
    ]
    loudest = max((row.other_cores or 0.0 for row in rows), default=0.0)
    if loudest > SUSPECT_CORES:
        lines.append(f"SUSPECT: other programs used up to {loudest:.2f} of the cores meanwhile: times are too slow.")
    return lines


def write_docs(path: Path, text: str) -> None:
    """Replace the generated part of a page. Raises `ValueError` if its marks are missing."""
    page = path.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: the lines {BEGIN} and {END} are missing")
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def _grouped(rows: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _middle(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):,.4g}" if known else ""


def _most(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{max(known):.2f}" if known else ""


def _verdict(wrong: Iterable[Sequence[str]], *, counts: bool) -> str:
    if any(wrong):
        return "WRONG"
    return "right" if counts else ""
