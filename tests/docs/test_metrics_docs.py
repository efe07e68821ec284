"""docs/metrics.md lists the series that exist, and says of each what the code says."""

from pathlib import Path

from stream.metrics import names
from stream.metrics.collector import PageLimits
from stream.model.verdict import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def rows(first_heading: str) -> list[list[str]]:
    """Cells of the page's table whose first column has this heading."""
    lines = PAGE.split(f"\n| {first_heading} |", 1)[1].splitlines()[2:]
    table = []
    for line in lines:
        if not line.startswith("|"):
            break
        table.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return table


def test_the_page_and_the_table_of_names_are_equal():
    described = [
        [series.name, str(series.kind), series.meaning.replace("`", ""), series.unit, ", ".join(series.labels)]
        for series in names.ALL
    ]
    assert rows("series") == described


def test_every_verdict_is_a_value_of_its_label():
    verdicts = dict(rows("label"))["verdict"]
    assert verdicts.split(", ") == [verdict.label for verdict in Verdict]


def test_labels_the_page_explains_exist():
    known = {label for series in names.ALL for label in series.labels}
    assert {label for label, _ in rows("label")} <= known


def test_the_limits_on_the_page_are_the_defaults():
    limits = PageLimits()
    assert f"at most {limits.max_series:,} funnel series".replace(",", " ") in PAGE
    assert f"rollups for {limits.stale_after_ms // 1000} s" in PAGE


def test_names_say_kind_and_unit():
    for series in names.ALL:
        assert series.name.startswith(("funnel_", "process_")), series.name
        assert (series.kind is names.Kind.COUNTER) == series.name.endswith("_total"), series.name
        bare = series.name.removesuffix("_total")
        assert (series.unit == "seconds") == bare.endswith("_seconds"), series.name
        assert (series.unit == "bytes") == bare.endswith("_bytes"), series.name
    assert len({series.name for series in names.ALL}) == len(names.ALL)
