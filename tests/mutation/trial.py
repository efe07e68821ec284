"""Whether the tests notice a change of the engine: what knows most about it first, up to the first failure.

In:  a process into which no `stream` is imported yet, and that finds the changed one; random cases.
Out: what failed first.

Everything is seeded, so that a rule is noticed always or never.
"""

import contextlib
import importlib.util
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from support.options.cases import OPTIONS, Case, random_case
from support.options.segments import Split, with_splits

# a case, and what its numbers are split by
Asked: TypeAlias = tuple[Case, Sequence[Split]]
# attempts, periods and where the actor counts, as plain tuples: their names are of a module that imports `stream`
Answer: TypeAlias = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[int]]

CASES_OF_EACH_OPTION, CASES_OF_EACH_PAIR, CASES_AT_RANDOM = 60, 20, 1_500
FIRST_CASES = 1_000
"""How many of them are tried before all other tests: most rules are noticed by then."""
SPLIT_EVERY = 3
"""Of so many cases one has breakdowns."""
LOGS, ACTORS_OF_A_LOG = 40, 12

OPTIONS_FIRST, PLAIN_FIRST, FAST_PATH_FIRST, UNIT_TESTS_FIRST = range(4)
FIRST = {
    **dict.fromkeys(
        ("ordered.py", "ties.py", "attempts.py", "state.py", "advance.py", "fold.py", "batch.py"), PLAIN_FIRST
    ),
    "in_order.py": FAST_PATH_FIRST,
    **dict.fromkeys(("match.py", "optioned.py", "predicates.py", "periods.py", "touches.py"), UNIT_TESTS_FIRST),
}
"""Which tests come first where a file was changed; those of options for all others."""


def random_cases() -> list[Asked]:
    """Return random funnels with options, paths to go with them, and breakdowns of some."""
    chosen: list[Any] = [None] * CASES_AT_RANDOM + [(option,) for option in OPTIONS] * CASES_OF_EACH_OPTION
    chosen += list(combinations(OPTIONS, 2)) * CASES_OF_EACH_PAIR
    random.Random("order").shuffle(chosen)
    cases: list[Asked] = []
    for number, options in enumerate(chosen):
        with contextlib.suppress(ValueError):  # some pairs are refused
            case = random_case(random.Random(f"case {number}"), options)
            is_split = number % SPLIT_EVERY == 0
            cases.append(with_splits(random.Random(f"splits {number}"), case) if is_split else (case, ()))
    return cases


def answers(cases: Sequence[Asked]) -> list[Answer]:
    """Return what the oracle says of the cases."""
    from support.option_engine import by_oracle  # noqa: PLC0415 (this imports `stream`)

    found = [by_oracle(case, splits) for case, splits in cases]
    return [
        ([tuple(each) for each in one.attempts], [tuple(each) for each in one.periods], one.entered) for one in found
    ]


def first_failure(changed: str, asked: Sequence[tuple[Asked, Answer]]) -> str:
    """Return what notices the change of a file first; "" if nothing does."""
    options = of_options(asked)
    tests = [islice(options, FIRST_CASES), of_plain_funnels(), of_the_fast_path(), of_unit_tests()]
    first = tests[FIRST.get(changed, OPTIONS_FIRST)]
    return next((found for each in (first, *reversed(tests), options) for found in each if found), "")


def of_options(asked: Sequence[tuple[Asked, Answer]]) -> Iterator[str]:
    """Compare engine and oracle in the random cases; yields "" for each that is equal."""
    from support.option_engine import by_engine  # noqa: PLC0415 (this imports the changed engine)

    for number, ((case, splits), expected) in enumerate(asked):
        rng = random.Random(f"run {number}")
        lateness_ms = rng.choice([None, 0, 3, 8])
        with _failing(f"random case {number}") as failed:
            if by_engine(case, rng, lateness_ms, splits) != expected:
                failed.append(f"random case {number}")
        yield failed[0] if failed else ""


def of_plain_funnels() -> Iterator[str]:
    """Run random logs of plain funnels through what tests/property/test_engine.py does with them."""
    tests = _engine_tests()
    for number in range(LOGS):
        rng = random.Random(f"log {number}")
        with _failing(f"random log {number}") as failed:
            tests.check(tests.random_case(rng, ACTORS_OF_A_LOG))
        yield from failed


def of_the_fast_path() -> Iterator[str]:
    """Compare the fast path with the clear fold."""
    with _failing("the fast path beside the clear fold") as failed, pytest.MonkeyPatch.context() as patch:
        _engine_tests().test_the_hot_path_says_what_the_clear_fold_says(patch)
    yield from failed


def of_unit_tests() -> Iterator[str]:
    """Run the unit tests of the engine."""
    first = _FirstFailure()
    plain = ("-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "--hypothesis-seed=0")
    status = pytest.main([*plain, "tests/unit/engine"], plugins=[first])
    if status:
        yield first.name or f"pytest ends with {status!r}"


class _FirstFailure:
    """A plugin that keeps the name of the first test that fails."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.name:
            self.name = report.nodeid.removeprefix("tests/unit/engine/")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.name:
            self.name = f"{report.nodeid} cannot be imported"


@contextlib.contextmanager
def _failing(name: str) -> Iterator[list[str]]:
    """Take any exception for a failure of `name`."""
    failed: list[str] = []
    try:
        yield failed
    except Exception as error:  # noqa: BLE001 (whatever the change has led to)
        failed.append(f"{name}: {type(error).__name__}")


def _engine_tests() -> ModuleType:
    path = Path("tests/property/test_engine.py")
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[path.stem]
