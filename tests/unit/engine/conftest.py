"""Funnels and paths in the tiny notation, for the engine."""

from collections.abc import Callable, Sequence

import pytest

from stream.engine.advance import Change, advance
from stream.engine.attempts import first_times
from stream.engine.match import CompiledFunnel
from stream.engine.state import EMPTY_BASE, FunnelState, seal_entries
from stream.model.funnel import Funnel, Step
from support.notation import funnel as parse_funnel
from support.notation import path as parse_path
from support.roles import steps_of


def compile_text(text: str, period_ms: int = 1000) -> CompiledFunnel:
    """Compile "A>B|D>C/10"; entry periods are `period_ms` long."""
    parsed = parse_funnel(text)
    steps = tuple(Step(f"s{number}", tuple(sorted(names))) for number, names in enumerate(parsed.steps))
    funnel = CompiledFunnel(Funnel("f", 1, steps, parsed.window), 0)
    funnel.period_of = lambda ms: (ms - ms % period_ms, ms - ms % period_ms + period_ms)
    return funnel


class Run:
    """One actor in one funnel; keeps what the changes come to."""

    def __init__(self, funnel: CompiledFunnel, bot_cap: int) -> None:
        self.funnel = funnel
        self.state: FunnelState = FunnelState([EMPTY_BASE])
        self.bot_cap = bot_cap
        self.attempts: list[tuple] = []
        self.periods: list[tuple] = []
        self.corrections = 0
        self.verdicts: list[str] = []

    def take(self, text: str, limit: int = -(10**9)) -> Change | None:
        """Take a path in log order as one batch, with the same limit at each record."""
        verdicts: list = []
        hits = [
            (event.time, event.id, steps_of(self.funnel)[event.name], None, 0)
            for event in parse_path(text)
            if event.name in steps_of(self.funnel)
        ]
        change = advance(self.funnel, self.state, hits, verdicts, self.bot_cap, [limit])
        self.verdicts += [verdict.label for verdict in verdicts]
        if change is not None:
            for attempt in change.taken:
                self.attempts.remove(attempt)
            self.attempts += change.given
            for period in change.taken_periods:
                self.periods.remove(_result(period))
            self.periods += map(_result, change.given_periods)
            self.corrections += change.corrections
        return change

    def seal(self, limit: int) -> None:
        seal_entries(self.funnel, self.state.entries, limit)

    @property
    def record(self) -> dict[int, list]:
        """What the codec reads of an actor's record."""
        return {self.funnel.slot: self.state.entries}

    @property
    def shown(self) -> list[str]:
        """Each attempt as "ENTRY BEST: times of its reported chain"."""
        return [f"{entry} {best}: {_times(chain)}" for entry, best, chain, *_ in sorted(self.attempts, key=_order)]

    @property
    def firsts(self) -> list[tuple[int, ...]]:
        """When each attempt first had each of its levels."""
        return [first_times(attempt) for attempt in sorted(self.attempts, key=_order)]

    @property
    def shown_periods(self) -> list[str]:
        """Each period's result as "START BEST: times of its reported chain"."""
        return [f"{start} {best}: {_times(chain)}" for start, best, chain in sorted(self.periods, key=_order)]


def _result(period: tuple) -> tuple:
    start, _, _, best, chain = period
    return start, best, chain


def _order(result: tuple) -> tuple[int, int]:
    return result[0], result[1]


def _times(chain: Sequence) -> str:
    return " ".join(map(str, chain[::2]))


@pytest.fixture
def compile_funnel() -> Callable[..., CompiledFunnel]:
    return compile_text


@pytest.fixture
def run() -> Callable[..., Run]:
    """Run("A>B/10", "A@0 B@4") in one batch; more can be taken afterwards."""

    def started(funnel: str, path: str = "", period_ms: int = 1000, bot_cap: int = 1 << 62) -> Run:
        result = Run(compile_text(funnel, period_ms), bot_cap)
        result.take(path)
        return result

    return started
