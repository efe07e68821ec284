"""Pictures for docs/options: an example's events on a line for each actor.

`PYTHONPATH=tests python -m support.timeline docs/options` draws them all.

In:  NAME.jsonl and NAME.yaml of each example in a folder.
Out: NAME.svg: what each event is to the funnel by form and colour, and what an option adds: sessions that a gap ends as
     bands, held values and session ids as tags, what a granularity makes one instant and entry periods as columns.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from stream.engine.match import CompiledFunnel, FunnelSet
from stream.engine.predicates import same_text
from stream.engine.roles import BREAKS
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping as FieldMapping
from stream.model.funnel import PeriodUnit
from stream.settings.load import load_funnels

LEFT, RIGHT, TOP, LANE, WIDTH, RADIUS, LEGEND = 70, 90, 34, 64, 760, 9, 30
HOUR_MS = 3_600_000
TAGS = ("#7b3fb5", "#0b7a75", "#a15c00", "#5b6470")


class Mark(NamedTuple):
    """How an event is drawn: its colours, what is written in it, and what the legend says of it."""

    fill: str
    ink: str
    stroke: str
    text: str
    meaning: str


FOREIGN = Mark("#fff", "#1f6feb", "#1f6feb", "", "serves no step")
BREAKING = Mark("#fff", "#a15c00", "#a15c00", "/", "breaks a chain")
EXCLUDED = Mark("#c62828", "#fff", "#c62828", "×", "an exclusion")  # noqa: RUF001 (it is a cross)


class Point(NamedTuple):
    """An event of the example: its actor, its time (ms), the time it counts at, its name, its mark and what it says."""

    actor: str
    time_ms: int
    floored_ms: int
    name: str
    mark: Mark
    tag: str
    shown: Sequence[tuple[str, str]]
    clock: str


class Scale(NamedTuple):
    """Where times are on the picture."""

    first_ms: int
    span_ms: int

    def x(self, time_ms: int) -> int:
        """Return the place of a time."""
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (time_ms - self.first_ms) / self.span_ms)


def picture(example: Path) -> str:
    """Return the drawing of the example whose files are `example` with .yaml and .jsonl."""
    funnels = FunnelSet(load_funnels(example.with_suffix(".yaml")))
    (funnel,) = funnels.funnels
    points = list(_points(funnels, example.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()))
    actors = list(dict.fromkeys(point.actor for point in points))
    first = min(point.time_ms for point in points)
    scale = Scale(first, max(point.time_ms for point in points) - first or 1)
    is_tagged = any(point.tag for point in points)
    lane_height = LANE + (20 if is_tagged else 0)
    bottom = TOP + lane_height * len(actors) - 10
    height = bottom + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#fff"/>',
        *_columns(funnel, scale, bottom),
    ]
    for lane, actor in enumerate(actors):
        parts += _lane(
            funnel, actor, [point for point in points if point.actor == actor], TOP + lane_height * lane, scale
        )
    parts += _legend(funnel, points, bottom + 14)
    return "\n".join([*parts, "</svg>", ""])


def _points(funnels: FunnelSet, lines: Sequence[str]) -> Iterator[Point]:
    (funnel,) = funnels.funnels
    definition = funnel.definition
    decoder = EventDecoder(FieldMapping(), funnels.property_paths)
    tagged = [*definition.hold]
    if definition.session is not None and definition.session.property:
        tagged.append(definition.session.property)
    hidden = {"user_id", "id", "time", "event", *tagged}
    for line in lines:
        event, record = decoder.decode(line.encode()), json.loads(line)
        values = dict(zip(funnels.property_paths, event.properties, strict=True))
        yield Point(
            actor=event.actor,
            time_ms=event.time_ms,
            floored_ms=event.time_ms - event.time_ms % definition.granularity_ms,
            name=event.name,
            mark=_mark(funnels, event.name, event.properties),
            tag=", ".join(text for path in tagged if (text := same_text(values[path])) is not None),
            shown=[(key, json.dumps(value)) for key, value in _flat(record) if key not in hidden],
            clock=str(record["time"])[11:19],
        )


def _mark(funnels: FunnelSet, name: str, properties: Sequence[Any]) -> Mark:
    roles = [role for _, roles in funnels.served(name, properties) for role in roles]
    steps = [str(role + 1) for role in roles if role >= 0]
    is_excluded = any(role < BREAKS for role in roles)
    if steps:
        return Mark("#1f6feb", "#fff", "#c62828" if is_excluded else "#1f6feb", "/".join(steps), "")
    if is_excluded:
        return EXCLUDED
    return BREAKING if BREAKS in roles else FOREIGN


def _lane(funnel: CompiledFunnel, actor: str, own: Sequence[Point], y: int, scale: Scale) -> Iterator[str]:
    yield from _bands(funnel, own, y, scale)
    yield f'<text x="8" y="{y + 4}" font-weight="bold">{escape(actor)}</text>'
    yield f'<line x1="{LEFT - 20}" y1="{y}" x2="{WIDTH - 10}" y2="{y}" stroke="#999"/>'
    colours = {tag: TAGS[place % len(TAGS)] for place, tag in enumerate(dict.fromkeys(p.tag for p in own if p.tag))}
    for time_ms in dict.fromkeys(point.time_ms for point in own):
        tied = [point for point in own if point.time_ms == time_ms]
        x = scale.x(time_ms)
        for place, point in enumerate(tied):
            yield from _dot(x + 2 * RADIUS * place, y, point.mark)
            yield from _tag(x + 2 * RADIUS * place, y + 32, point.tag, colours)
        middle = x + RADIUS * (len(tied) - 1)
        yield _label(middle, y - 14, " + ".join(point.name for point in tied))
        yield _label(middle, y + 24, _shown(tied), ' fill="#555" font-size="10"')


def _bands(funnel: CompiledFunnel, own: Sequence[Point], y: int, scale: Scale) -> Iterator[str]:
    """Draw each session of an actor behind its events."""
    session = funnel.definition.session
    if session is None or session.gap_ms is None:
        return
    times = sorted((point.floored_ms, point.time_ms) for point in own)
    begin = 0
    for place in range(1, len(times) + 1):
        if place == len(times) or times[place][0] - times[place - 1][0] > session.gap_ms:
            x, end = scale.x(times[begin][1]) - 16, scale.x(times[place - 1][1]) + 16
            yield f'<rect x="{x}" y="{y - 13}" width="{end - x}" height="26" rx="13" fill="#cfe2ff"/>'
            begin = place


def _columns(funnel: CompiledFunnel, scale: Scale, bottom: int) -> Iterator[str]:
    """Draw the columns of the picture, every other one shaded, each with the time at which it begins."""
    length_ms, _ = _column(funnel)
    if not length_ms:
        return
    end_ms = scale.first_ms + scale.span_ms
    for time_ms in range(scale.first_ms - scale.first_ms % length_ms, end_ms + 1, length_ms):
        x, end = max(scale.x(time_ms), LEFT - 20), min(scale.x(time_ms + length_ms), WIDTH - 10)
        if time_ms // length_ms % 2 == 0:
            yield f'<rect x="{x}" y="0" width="{end - x}" height="{bottom}" fill="#e8f0fe"/>'
        clock = datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%H:%M")
        yield _label((x + end) // 2, bottom - 6, clock, ' fill="#555" font-size="10" font-weight="bold"')


def _column(funnel: CompiledFunnel) -> tuple[int, str]:
    """Return how long a column of the picture is, ms (0: it has none), and what it is."""
    if funnel.definition.granularity_ms != 1:
        return funnel.definition.granularity_ms, "a column is one instant"
    if funnel.definition.entry_first and funnel.definition.period.unit is PeriodUnit.HOUR:
        return HOUR_MS, "a column is one period"
    return 0, ""


def _dot(x: int, y: int, mark: Mark) -> Iterator[str]:
    yield f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="{mark.fill}" stroke="{mark.stroke}"/>'
    if mark.text:
        yield _label(x, y + 4, mark.text, f' fill="{mark.ink}"')


def _tag(x: int, y: int, tag: str, colours: Mapping[str, str]) -> Iterator[str]:
    if tag:
        width = 6 * len(tag) + 12
        yield f'<rect x="{x - width // 2}" y="{y}" width="{width}" height="15" rx="4" fill="{colours[tag]}"/>'
        yield _label(x, y + 11, tag, ' fill="#fff" font-size="10"')


def _label(x: int, y: int, text: str, look: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle"{look}>{escape(text)}</text>'


def _shown(tied: Sequence[Point]) -> str:
    """Write the time of events of one instant, and their properties."""
    properties = [f"{key}: {value}" for point in tied for key, value in point.shown]
    return ", ".join([tied[0].clock.removesuffix(":00"), *properties])


def _flat(tree: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _legend(funnel: CompiledFunnel, points: Sequence[Point], y: int) -> Iterator[str]:
    """Say what the signs of this picture mean, each with the sign before it."""
    marks = {point.mark.meaning: point.mark for point in points}
    definition, x = funnel.definition, LEFT - 11
    length_ms, column = _column(funnel)
    step = Mark("#1f6feb", "#fff", "#1f6feb", "n", "serves step n")
    for mark in (step, *(mark for mark in (FOREIGN, BREAKING, EXCLUDED) if mark.meaning in marks)):
        yield from _dot(x, y, mark)
        yield _note(x + 15, y, mark.meaning)
        x += 110
    for words, fill in (
        ("one session", "#cfe2ff" if definition.session is not None and definition.session.gap_ms is not None else ""),
        (_tag_words(funnel), TAGS[0] if any(point.tag for point in points) else ""),
        (column, "#e8f0fe" if length_ms else ""),
    ):
        if fill:
            yield f'<rect x="{x - 9}" y="{y - 8}" width="28" height="16" rx="4" fill="{fill}"/>'
            yield _note(x + 25, y, words)
            x += 190


def _tag_words(funnel: CompiledFunnel) -> str:
    definition = funnel.definition
    if definition.session is not None and definition.session.property:
        return f"session, by {definition.session.property}"
    return f"{', '.join(definition.hold)}, held constant"


def _note(x: int, y: int, text: str) -> str:
    return f'<text x="{x}" y="{y + 4}" fill="#555" font-size="11">{escape(text)}</text>'


def main(folder: Path) -> None:
    """Draw every example of a folder."""
    for example in sorted(folder.glob("*.jsonl")):
        example.with_suffix(".svg").write_text(picture(example), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
