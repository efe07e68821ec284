"""An outside opinion: what ClickHouse's `windowFunnel` says about the same paths.

In:  actors with their events in log order, and a funnel of at most 32 steps.
Out: the deepest step of each actor, all from one query.

What is known of it, each point held by a test:
* the window is inclusive, and the time may be any unsigned integer (UInt64 ms, but no Int64 and no
  DateTime64), so every actor's times are shifted to start at 0;
* events of equal time are taken in step order whatever their order in the log, so for funnels whose
  steps share no event name it equals the longest chain, ties included;
* where a name serves several steps it lets one event serve them all (A@0 alone converts A>A), so
  there it may say more than the longest chain, never less;
* with the mode `strict_once` it does not, and equals the longest chain of every funnel, and together with
  `strict_increase` that of every funnel of `strict_time`; `strict_increase` alone forgets older starts.

chdb runs in a process of its own: importing it starts threads, catches signals and blocks SIGPIPE,
which every process started later would inherit.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from support.oracle import OEvent, OFunnel

_CHILD = "import sys, chdb; sys.stdout.write(str(chdb.query(sys.stdin.read(), 'JSONCompactEachRow')))"
_DEADLINE_SECONDS = 120


class Question(NamedTuple):
    """What to ask: actors with their events, a funnel, and modes with a space between them, empty for none."""

    actors: Mapping[str, Sequence[OEvent]]
    funnel: OFunnel
    modes: str = ""


def window_funnel(actors: Mapping[str, Sequence[OEvent]], funnel: OFunnel, modes: str = "") -> dict[str, int]:
    """Return the deepest step `windowFunnel` finds for each actor, 0 for one without events; see `ask_all`."""
    (levels,) = ask_all([Question(actors, funnel, modes)])
    return levels


def ask_all(questions: Sequence[Question]) -> list[dict[str, int]]:
    """Return for each question the deepest step of each actor, all from one query.

    Raises `RuntimeError` with ClickHouse's words if it refuses the query.
    """
    with tempfile.TemporaryDirectory() as folder:
        queries = []
        for place, question in enumerate(questions):
            rows = Path(folder) / f"events-{place}.jsonl"
            with rows.open("w", encoding="utf-8") as out:
                out.writelines(json.dumps(row) + "\n" for row in _rows(question.actors))
            queries.append(_query(rows, place, question))
        answer = _ask(" UNION ALL ".join(queries))
    found = {(place, actor): int(level) for place, actor, level in map(json.loads, answer.splitlines())}
    return [
        {actor: found.get((place, actor), 0) for actor in question.actors} for place, question in enumerate(questions)
    ]


def _rows(actors: Mapping[str, Sequence[OEvent]]) -> list[dict[str, str | int]]:
    rows: list[dict[str, str | int]] = []
    for actor, events in actors.items():
        first_ms = min((event.time for event in events), default=0)
        rows += [{"actor": actor, "t": event.time - first_ms, "name": event.name} for event in events]
    return rows


def _span_ms(actors: Mapping[str, Sequence[OEvent]]) -> int:
    return max(
        (max(e.time for e in events) - min(e.time for e in events) for events in actors.values() if events), default=0
    )


def _query(rows: Path, place: int, question: Question) -> str:
    # Start + window is computed in UInt64 and wraps around: no window need be longer than the longest path.
    window = min(question.funnel.window, _span_ms(question.actors))
    parameters = ", ".join([str(window), *map(_quoted, question.modes.split())])
    conditions = ", ".join(f"name IN ({', '.join(map(_quoted, sorted(names)))})" for names in question.funnel.steps)
    source = f"file({_quoted(str(rows))}, JSONEachRow, 'actor String, t UInt64, name String')"
    return (
        f"SELECT toUInt32({place}), actor, windowFunnel({parameters})(t, {conditions}) "  # noqa: S608 - quoted
        f"FROM {source} GROUP BY actor"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _ask(query: str) -> str:
    """Run one query in a fresh process and return its answer as text."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=query,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"ClickHouse did not answer {query!r}: {done.stderr.strip()}")
    return done.stdout
