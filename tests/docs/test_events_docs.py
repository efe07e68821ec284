"""docs/events.md lists every preset, reason and verdict as the code has them."""

import re
from pathlib import Path

import pytest

from stream.ingest.admission import FUTURE_REASON, LATE_REASON, Limits
from stream.ingest.mapping import PRESETS
from stream.ingest.outcome import Reason
from stream.model.times import TimeUnit, to_ms
from stream.model.verdict import DEAD_LETTER_VERDICTS, Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")


def rows(heading):
    """Cells of the first table below `heading`, without its head."""
    table = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def shown(paths):
    return ", then ".join(f"`{path}`" if path else "the record" for path in paths)


def test_the_presets_are_those_of_the_code():
    assert rows("Fields") == [
        [f"`{name}`", *map(shown, (each.actor, each.time, each.name, each.id, each.properties))]
        for name, each in PRESETS.items()
    ]


def test_every_reason_is_explained():
    assert {row[0].strip("`") for row in rows("Why a record is invalid")} == set(Reason)


def test_verdicts_stand_in_their_order_with_their_dead_letters():
    table = rows("Verdicts")
    assert [row[0].strip("`") for row in table] == [verdict.label for verdict in Verdict]
    assert {row[0].strip("`") for row in table if row[2] != "no"} == {each.label for each in DEAD_LETTER_VERDICTS}
    assert f"`{FUTURE_REASON}`" in table[Verdict.FUTURE][2]
    assert f"`{LATE_REASON}`" in table[Verdict.LATE][2]
    assert Limits() == Limits(allowed_lateness_ms=10 * 60_000, max_future_skew_ms=5 * 60_000)


@pytest.mark.parametrize("row", rows("Time"), ids=lambda row: row[0])
def test_every_example_of_a_time_is_one(row):
    form, examples, _ = row
    unit = re.search(r"time_unit: (\w+)", form)
    texts = re.findall(r"`([^`]+)`", examples)
    first = texts[0]
    for text in texts:
        whole = first[:-6] + text if text.startswith("+") else text
        read_as = TimeUnit(unit[1]) if unit else TimeUnit.ISO
        assert to_ms(whole, read_as) is not None, whole


def test_a_number_means_ms_under_every_preset():
    assert {each.unit for each in PRESETS.values()} == {TimeUnit.MS}
