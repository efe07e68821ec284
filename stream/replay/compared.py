"""What came of a comparison, for programs and for people.

In:  a `Comparison`.
Out: its document, as `funnel replay compare --json` prints it; the same as text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

from stream.analyze.document import iso
from stream.analyze.show import safe
from stream.replay.compare import Comparison, Difference
from stream.replay.rows import text_of
from stream.replay.unsynced import Unsynced

VERSION = 1
MAX_LINES = 20
"""Differences that are printed; --json has all."""


class NamespaceDoc(msgspec.Struct, kw_only=True):
    """One of the two. digest: of all rows that were compared."""

    label: str
    namespace: str
    digest: str


class OffsetsDoc(msgspec.Struct, kw_only=True):
    """Offsets of a partition: where both were compared, and how far either is stored."""

    compared: int
    live: int
    run: int


class DifferenceDoc(msgspec.Struct, kw_only=True):
    """A number that is not the same. row: its kind, what tells it from others, and breakdown=segment, or "".

    unsynced: how many unsynced attempts can have part in the row, at most.
    """

    funnel: str
    row: list[str]
    number: str
    live: str
    run: str
    unsynced: int = 0


class UnsyncedDoc(msgspec.Struct, kw_only=True):
    """Attempts of a funnel that cannot be known, and of how many actors they are."""

    funnel: str
    attempts: int
    actors: int


class ComparisonDoc(msgspec.Struct, kw_only=True):
    """What `funnel replay compare --json` prints.

    covered_since: from when on both have everything, by funnel; absent where they do from the beginning.
    unsynced: where the numbers of `unsynced_differences` come from. stored_digest: of the run as it is stored, whatever
    live is: equal for two runs over the same records.
    """

    format: Literal["funnel-replay-comparison"] = "funnel-replay-comparison"
    version: int = VERSION
    live: NamespaceDoc
    run: NamespaceDoc
    as_of: str | None
    offsets: dict[str, OffsetsDoc]
    equal: bool
    rows: int
    covered_since: dict[str, str]
    not_covered: list[str]
    differences: list[DifferenceDoc]
    unsynced: list[UnsyncedDoc]
    unsynced_differences: list[DifferenceDoc]
    stored_digest: str


def comparison_document(found: Comparison) -> ComparisonDoc:
    """Return the document of a comparison."""
    live, run = (
        NamespaceDoc(label=each.label, namespace=each.name, digest=digest)
        for each, digest in zip((found.live, found.run), found.digests, strict=True)
    )
    return ComparisonDoc(
        live=live,
        run=run,
        as_of=None if found.as_of_ms is None else iso(found.as_of_ms),
        offsets={
            str(number): OffsetsDoc(compared=place.at, live=place.live, run=place.run)
            for number, place in sorted(found.places.items())
        },
        equal=found.is_equal,
        rows=found.rows,
        covered_since={key: iso(since_ms) for key, since_ms in sorted(found.since_ms.items())},
        not_covered=found.not_covered,
        differences=_differences(found.differences),
        unsynced=unsynced_documents(found.unsynced_actors),
        unsynced_differences=_differences(found.unsynced),
        stored_digest=found.stored_digest,
    )


def _differences(found: Iterable[Difference]) -> list[DifferenceDoc]:
    return [
        DifferenceDoc(
            funnel=each.funnel,
            row=list(each.row),
            number=each.name,
            live=text_of(each.live),
            run=text_of(each.run),
            unsynced=each.unsynced,
        )
        for each in found
    ]


def show_comparison(document: ComparisonDoc, out: Console) -> None:
    """Print a comparison."""
    live, run = document.live, document.run
    out.print(f"{run.label} ({run.namespace}) and {live.label} ({live.namespace})", soft_wrap=True)
    out.print(f"as of {document.as_of or 'never: no valid record was counted'}")
    table = Table(box=None, pad_edge=False)
    for title in ("partition", "compared at", f"{live.label} is at", f"{run.label} is at"):
        table.add_column(title, justify="left" if title == "partition" else "right", no_wrap=True)
    for number, offsets in document.offsets.items():
        table.add_row(number, str(offsets.compared), str(offsets.live), str(offsets.run))
    out.print(table)
    for key, since in document.covered_since.items():
        out.print(f"{key}: both have everything from {since} on", soft_wrap=True)
    _show_lines("not covered", document.not_covered, out)
    for each in document.unsynced:
        out.print(f"unsynced: {unsynced_text(each)}", soft_wrap=True)
    _show_lines("differs as far as unsynced attempts can", map(_line, document.unsynced_differences), out)
    _show_lines("differs", map(_line, document.differences), out)
    out.print(f"{document.rows} rows compared: {'equal' if document.equal else 'NOT equal'}")
    out.print(f"digest of {live.label}: {live.digest}", soft_wrap=True)
    out.print(f"digest of {run.label}: {run.digest}", soft_wrap=True)
    out.print(f"{run.label} as it is stored: {document.stored_digest}", soft_wrap=True)


def unsynced_documents(found: Mapping[str, Unsynced]) -> list[UnsyncedDoc]:
    """Return what is unsynced by funnel, as documents."""
    return [UnsyncedDoc(funnel=key, attempts=each.attempts, actors=each.actors) for key, each in sorted(found.items())]


def unsynced_text(each: UnsyncedDoc) -> str:
    """Say how many attempts are unsynced: `shop@1: 1 234 attempts of 800 actors`."""
    return f"{each.funnel}: {_of(each.attempts, 'attempt')} of {_of(each.actors, 'actor')}"


def _of(count: int, noun: str) -> str:
    return f"{count:,}".replace(",", " ") + f" {noun}{'' if count == 1 else 's'}"


def _line(each: DifferenceDoc) -> str:
    unsynced = f" (at most {each.unsynced} unsynced)" if each.unsynced else ""
    place = " ".join(filter(None, each.row))
    return f"{each.funnel} {place}: {each.number}: live {each.live}, run {each.run}{unsynced}"


def _show_lines(title: str, lines: Iterable[str], out: Console) -> None:
    found: Sequence[str] = list(lines)
    if not found:
        return
    out.print(f"{title}:")
    for line in found[:MAX_LINES]:
        out.print(f"  {safe(line)}", soft_wrap=True)
    if len(found) > MAX_LINES:
        out.print(f"  and {len(found) - MAX_LINES} more; --json has all")
