"""docs/other-products.md: every answer on it is computed, ours by the product, ClickHouse's by ClickHouse.

A row of the first table is `path | funnel | here | modes | ClickHouse | why`, one of the second
`path | funnel | here | theirs | why here`, with the documentation it names in brackets, e.g. [M1].
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from support.clickhouse import Question, ask_all, window_funnel
from support.longest import counts_text, longest_chains, segments
from support.notation import LATE_MS, path
from support.options.funnels import OptionFunnel
from support.options.notation import funnel
from support.oracle import OEvent, OFunnel

PAGE = Path(__file__).parents[2] / "docs" / "other-products.md"
TEXT = PAGE.read_text(encoding="utf-8")
MANY = re.compile(r"E1\.\.(\d+)")


class Case(NamedTuple):
    """A path and a funnel as they stand on the page, and the cells after them."""

    path: str
    funnel: str
    cells: list[str]

    @property
    def events(self) -> list[OEvent]:
        names = MANY.sub(lambda many: " ".join(f"E{n}@{n}" for n in range(1, int(many[1]) + 1)), self.path)
        return path(" ".join(word for word in names.split() if not re.fullmatch(r"(T|lateness)=\d+", word)))

    @property
    def defined(self) -> OptionFunnel:
        steps = MANY.sub(lambda many: ">".join(f"E{n}" for n in range(1, int(many[1]) + 1)), self.funnel)
        return funnel(steps.partition(" by ")[0])

    def number(self, name: str) -> int:
        found = re.search(rf"\b{name}=(\d+)", self.path)
        return LATE_MS if found is None else int(found[1])


def rows(heading: str) -> list[Case]:
    """Return the rows of all tables below a heading."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in re.findall(r"^\| `.*$", section, re.MULTILINE)
    ]
    return [Case(cells[0].strip("`"), cells[1].strip("`").replace(r"\|", "|"), cells[2:]) for cells in lines]


CLICKHOUSE, OTHERS = rows("ClickHouse"), rows("PostHog, Mixpanel, Amplitude, Google Analytics")


def level_here(case: Case) -> str:
    return str(longest_chains({"u": case.events}, case.defined)["u"])


def counts_here(case: Case) -> str:
    """Return our answer in the page's words."""
    attempts, actor = counts_text(case.events, case.defined, case.number("T"), case.number("lateness"))
    _, _, property_path = case.funnel.partition(" by ")
    if property_path:
        return f"{attempts} · by {property_path}: {', '.join(segments(case.events, case.defined, property_path))}"
    return f"{attempts} · actor: {actor}"


def question(case: Case) -> Question:
    plain = OFunnel(tuple(step.names for step in case.defined.steps), case.defined.window)
    return Question({"u": case.events}, plain, case.cells[1].strip("`").replace("default", ""))


def test_there_are_rows():
    assert len(CLICKHOUSE) > 15
    assert len(OTHERS) > 20


@pytest.mark.parametrize("case", CLICKHOUSE, ids=lambda case: f"{case.path} {case.funnel} {case.cells[1]}")
def test_the_longest_chain_here_is_the_one_of_the_page(case):
    assert case.cells[0] == level_here(case)


def test_clickhouse_says_what_the_page_says():
    asked = [case for case in CLICKHOUSE if case.cells[2] != "refused"]
    found = [str(levels["u"]) for levels in ask_all([question(case) for case in asked])]
    expected = [case.cells[2] for case in asked]
    assert dict(zip(asked_texts(asked), found, strict=True)) == dict(zip(asked_texts(asked), expected, strict=True))


def asked_texts(cases: list[Case]) -> list[str]:
    return [f"{case.path}, {case.funnel}, {case.cells[1]}" for case in cases]


def test_clickhouse_refuses_what_the_page_says():
    (case,) = [case for case in CLICKHOUSE if case.cells[2] == "refused"]
    with pytest.raises(RuntimeError, match="Too many event arguments"):
        window_funnel(*question(case))


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: f"{case.path} {case.funnel}")
def test_what_is_counted_here_is_what_the_page_says(case):
    said, found = case.cells[0], counts_here(case)
    assert said in {found, found.partition(" · ")[0]}


def test_each_claim_about_another_product_names_its_source_and_each_source_is_used():
    listed = set(re.findall(r"^- \[(\w+)\]", TEXT, re.MULTILINE))
    for case in OTHERS:
        assert set(re.findall(r"\[(\w+)\]", case.cells[1])) & listed, case
    used = set(re.findall(r"\[(\w+)\](?!\()", re.sub(r"^- \[.*$", "", TEXT, flags=re.MULTILINE)))
    assert used == listed
