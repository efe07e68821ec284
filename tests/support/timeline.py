"""Pictures for docs/options: an example's events on a line for each actor.

`PYTHONPATH=tests python -m support.timeline docs/options` draws them all.

In:  NAME.jsonl and NAME.yaml of each example in a folder.
Out: NAME.svg: the events that serve a step are filled and numbered by it, the others are hollow.
"""

import json
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from stream.engine.match import FunnelSet
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.settings.load import load_funnels

LEFT, RIGHT, TOP, LANE, WIDTH, RADIUS = 70, 90, 34, 64, 760, 9


def picture(example: Path) -> str:
    """Return the drawing of the example whose files are `example` with .yaml and .jsonl."""
    funnels = FunnelSet(load_funnels(example.with_suffix(".yaml")))
    decoder = EventDecoder(Mapping(), funnels.property_paths)
    lines = example.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    events = [(decoder.decode(line.encode()), json.loads(line)) for line in lines]
    actors = list(dict.fromkeys(event.actor for event, _ in events))
    first = min(event.time_ms for event, _ in events)
    span = max(event.time_ms for event, _ in events) - first or 1
    height = TOP + LANE * len(actors)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for lane, actor in enumerate(actors):
        y = TOP + LANE * lane
        parts.append(f'<text x="8" y="{y + 4}" font-weight="bold">{escape(actor)}</text>')
        parts.append(f'<line x1="{LEFT - 20}" y1="{y}" x2="{WIDTH - 10}" y2="{y}" stroke="#999"/>')
        own = [(event, record) for event, record in events if event.actor == actor]
        for time_ms in dict.fromkeys(event.time_ms for event, _ in own):
            tied = [(event, record) for event, record in own if event.time_ms == time_ms]
            x = round(LEFT + (WIDTH - LEFT - RIGHT) * (time_ms - first) / span)
            for place, (event, _) in enumerate(tied):
                parts += _dot(x + 2 * RADIUS * place, y, _steps(funnels, event))
            middle = x + RADIUS * (len(tied) - 1)
            parts.append(_label(middle, y - 14, " + ".join(event.name for event, _ in tied)))
            parts.append(_label(middle, y + 24, _shown([record for _, record in tied]), ' fill="#555" font-size="10"'))
    return "\n".join([*parts, "</svg>", ""])


def _steps(funnels: FunnelSet, event) -> str:
    served = funnels.served(event.name, event.properties)
    return "/".join(str(step + 1) for _, steps in served for step in steps)


def _dot(x: int, y: int, steps: str) -> Iterator[str]:
    fill, ink = ("#1f6feb", "#fff") if steps else ("#fff", "#1f6feb")
    yield f'<circle cx="{x}" cy="{y}" r="{RADIUS}" fill="{fill}" stroke="#1f6feb"/>'
    yield _label(x, y + 4, steps, f' fill="{ink}"')


def _label(x: int, y: int, text: str, look: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle"{look}>{escape(text)}</text>'


def _shown(records: list[dict]) -> str:
    """Write the time of events of one instant, and their properties."""
    properties = [
        f"{key}: {json.dumps(value)}"
        for record in records
        for key, value in _flat(record)
        if key not in {"user_id", "id", "time", "event"}
    ]
    return ", ".join([str(records[0]["time"])[11:19].removesuffix(":00"), *properties])


def _flat(tree: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def main(folder: Path) -> None:
    """Draw every example of a folder."""
    for example in sorted(folder.glob("*.jsonl")):
        example.with_suffix(".svg").write_text(picture(example), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
