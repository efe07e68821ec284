"""Every exception of the project: an operator or a programmer must act.

Bad data never raises; it is a verdict (`stream.model.verdict`).
"""

from typing import NamedTuple


class FunnelError(Exception):
    """Base of all; its text says what is wrong, where, and what would be right."""


class StackError(FunnelError):
    """The local stack (Kafka, Redis, Prometheus) could not be started, found or changed."""


class SimulateError(FunnelError):
    """The simulator was asked for traffic it cannot make, or cannot write where it was told to."""


class Problem(NamedTuple):
    """One thing wrong in a settings file; `line` counts from 1, None where unknown.

    `path` is the place inside the file (`steps[2].window`), empty for the whole file.
    """

    file: str
    line: int | None
    path: str
    text: str

    def __str__(self) -> str:
        """`file:line: path: text`, the form that editors jump to."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.path}: {self.text}" if self.path else f"{place}: {self.text}"


class SettingsError(FunnelError):
    """Settings files are wrong: correct every one of `problems`, then try again."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
