"""Each rule turned off in a copy of its own, and whether the tests notice.

In:  rules.
Out: a `Trial` for each, as they end.

The checkout is only read: all happens in copies in a temporary folder, which is gone afterwards, also after an
interrupt. Trials are forks of this process, which has all imported that does not import `stream`, and each
imports the `stream` of its copy: that takes half of the time it takes to begin anew.
"""

import contextlib
import gc
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple, Self

from .rule import ENGINE, Rule

ROOT = Path(__file__).parents[2]
TESTS = ("tests/conftest.py", "tests/property/test_engine.py", "tests/support", "tests/unit/engine", "pyproject.toml")
CPU_LIMIT_S = 60
"""A change that makes the engine run for ever is noticed too; a whole trial takes less than a sixth of it."""
MEMORY_LIMIT_BYTES = 2 << 30

_fork = multiprocessing.get_context("fork")


class TrialError(Exception):
    """No trial could be made: the tests fail as they are, or nothing can be imported after a change."""


class Trial(NamedTuple):
    """What became of a rule that was turned off. `noticed_by`: the first test that failed; "" if none did."""

    rule: Rule
    noticed_by: str
    took_s: float


class Child(NamedTuple):
    """A fork at work."""

    process: Any
    results: Connection
    rule: Rule
    copy: Path
    begun_s: float


class Trials:
    """A temporary folder with the copies; a context manager."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mutants-"))
        self._base = self._folder / "base"
        self._children: list[Child] = []
        self._asked: Sequence[Any] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.process.kill()
            child.process.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def prepare(self) -> None:
        """Copy the tests and ask the oracle; raises `TrialError` if the tests fail with every rule on."""
        for part in ("stream", *TESTS):
            source, target = ROOT / part, self._base / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        os.chdir(self._base)
        sys.path[:] = [str(self._base / "tests"), *[path for path in sys.path if path not in {"", str(ROOT)}]]
        from . import trial  # noqa: PLC0415 (it imports the copy's tests)

        cases = trial.random_cases()
        # Also leaves compiled files behind, for the copies to come.
        self._start(None, lambda: trial.answers(cases))
        self._asked = tuple(zip(cases, self._first_to_end()[1], strict=True))
        self._start(None, lambda: trial.first_failure("", self._asked))
        failed = self._first_to_end()[1]
        if failed:
            raise TrialError(f"this fails with every rule on: {failed}")
        gc.freeze()

    def of(self, rules: Sequence[Rule], at_a_time: int) -> Iterator[Trial]:
        """Yield the trials as they end."""
        from . import trial  # noqa: PLC0415 (see `prepare`)

        for rule in rules:
            if len(self._children) >= at_a_time:
                yield self._ended()
            self._start(rule, lambda rule=rule: trial.first_failure(rule.file, self._asked))
        while self._children:
            yield self._ended()

    def _ended(self) -> Trial:
        child, noticed_by = self._first_to_end()
        return Trial(child.rule, noticed_by, time.monotonic() - child.begun_s)

    def _start(self, rule: Rule | None, work: Callable[[], Any]) -> None:
        copy = self._base if rule is None else self._copy_without(rule)
        results, theirs = _fork.Pipe(duplex=False)
        process = _fork.Process(target=_child, args=(copy, work, theirs))
        process.start()
        theirs.close()
        self._children.append(Child(process, results, rule, copy, time.monotonic()))  # type: ignore[arg-type]

    def _copy_without(self, rule: Rule) -> Path:
        """Make a copy of `stream` in which the rule is off; what is not of the engine are links."""
        copy = Path(tempfile.mkdtemp(dir=self._folder))
        engine = copy / ENGINE
        engine.parent.mkdir()
        for part in (self._base / "stream").iterdir():
            if part.name != ENGINE.name:
                (copy / "stream" / part.name).symlink_to(part)
        shutil.copytree(self._base / ENGINE, engine)
        changed = copy / rule.path
        changed.write_text(rule.turned_off(changed.read_text(encoding="utf-8")), encoding="utf-8")
        # Compiled files go by time and size, and both may be those of the file before.
        for compiled in (engine / "__pycache__").glob(f"{changed.stem}.*"):
            compiled.unlink()
        return copy

    def _first_to_end(self) -> tuple[Child, Any]:
        """Wait for one of the children; returns what it says."""
        (ready, *_) = wait([child.results for child in self._children])
        child = next(child for child in self._children if child.results is ready)
        with contextlib.suppress(EOFError):
            is_done, found = child.results.recv()
            child.process.join()
            self._forget(child)
            if not is_done:
                raise TrialError(f"{child.rule.words if child.rule else 'with every rule on'}: {found}")
            return child, found
        child.process.join()
        self._forget(child)
        if child.process.exitcode == -signal.SIGXCPU:
            return child, f"no end within {CPU_LIMIT_S} s"
        raise TrialError(f"{child.rule.words if child.rule else 'every rule on'}: exit code {child.process.exitcode}")

    def _forget(self, child: Child) -> None:
        self._children.remove(child)
        child.results.close()
        if child.copy != self._base:
            shutil.rmtree(child.copy, ignore_errors=True)


def _child(copy: Path, work: Callable[[], Any], results: Connection) -> None:
    """Work with the `stream` of a copy, in a process of its own; sends whether it could, and what came of it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nothing, number)
    sys.path.insert(0, str(copy))
    sys.dont_write_bytecode = False  # for the copies to come
    try:
        assert not [name for name in sys.modules if name.partition(".")[0] == "stream"], "another `stream` is imported"
        from stream.engine import table  # noqa: PLC0415

        assert Path(str(table.__file__)).is_relative_to(copy), f"{table.__file__} is not the copy's"
    except Exception as error:  # noqa: BLE001
        results.send((False, repr(error)))
        return
    results.send((True, work()))
