"""Every exception of the project: an operator or a programmer must act.

Bad data never raises; it is a verdict (`stream.model.verdict`).
"""

from collections.abc import Sequence
from typing import NamedTuple


class FunnelError(Exception):
    """Base of all; its text says what is wrong, where, and what would be right."""


class MappingError(FunnelError):
    """A source's mapping names a field, path, unit or format that cannot be."""


class StackError(FunnelError):
    """The local stack (Kafka, Redis, Prometheus) could not be started, found or changed."""


class SimulateError(FunnelError):
    """The simulator was asked for traffic it cannot make, or cannot write where it was told to."""


class ProbeError(FunnelError):
    """There is no such topic or file to take a sample of, or it cannot be read."""


class AnalyzeError(FunnelError):
    """What is to be analyzed cannot be read, or the options make no sense together."""


class ReportError(FunnelError):
    """The store has no numbers for these funnels or this instant."""


class ExplainError(FunnelError):
    """Nothing is known of the actor, or the options make no sense together."""


class HistoryError(FunnelError):
    """There is no past to export or push, or it cannot be written where the command was told to."""


class TopError(FunnelError):
    """The live view cannot be shown: what is asked for is not there, or the server does not let this client in."""


class ServerSilent(TopError):  # noqa: N818 (what the server did, as the caller reads it)
    """Nobody answers at the server's address, now: the live view waits for it once it has begun."""


class ResumeError(FunnelError):
    """A partition cannot be set to go on: nothing is wrong with it, or going on would not help."""


class ReplayError(FunnelError):
    """A run cannot be made, changed or switched to as asked; nothing was changed."""


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


class StoreUnavailable(FunnelError):  # noqa: N818 (what the store did, as the caller reads it)
    """The store gave no clear answer; what was being written may be stored or not.

    The caller waits, reads the head, and goes on from what it finds. `operation`
    is the method, `partitions` those it was for, `reason` what was seen.
    """

    def __init__(self, operation: str, partitions: tuple[int, ...], reason: str) -> None:
        where = f" of partitions {', '.join(map(str, partitions))}" if partitions else ""
        super().__init__(f"store: {operation}{where} got no clear answer: {reason}")
        self.operation = operation
        self.partitions = partitions
        self.reason = reason


class StoreRefused(FunnelError):  # noqa: N818
    """The store must not or may not be used as it is: an operator acts first.

    `reason` says what was found and where, `remedy` what would be right.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"store: {reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


class KafkaUnavailable(FunnelError):  # noqa: N818 (what Kafka did, as the caller reads it)
    """Kafka cannot be reached or gave no answer in time: the caller waits and tries again."""


class KafkaRefused(FunnelError):  # noqa: N818
    """Kafka answered, and waiting will not help: rights, settings or the log itself must be put right."""


class Stalled(FunnelError):  # noqa: N818
    """Records wait, nothing is known to be wrong, and nothing moves: the process must be started anew."""


class DashboardError(FunnelError):
    """The dashboard files cannot be written or compared where the command was told to."""


class RulesError(FunnelError):
    """The rule file cannot be written."""


class UnreadableState(FunnelError):  # noqa: N818 (what the bytes are, as the caller reads it)
    """Stored bytes are no actor state of a version that this release reads.

    `found` is what stands in place of the version, `readable` the version this release reads.
    """

    def __init__(self, found: object, readable: int) -> None:
        super().__init__(
            f"actor state in the store has codec version {found!r:.40}; this release reads {readable} "
            "(run the release that wrote it, or rebuild the state from the log)"
        )
        self.found = found
        self.readable = readable


class DemoError(FunnelError):
    """The demo cannot run here, or one of its processes ended."""


class ServeError(FunnelError):
    """The page cannot be served where the command was told to."""


class RequestRefused(FunnelError):  # noqa: N818 (what was done with it)
    """A request to the API asks for what there is not: HTTP `status`, and what would be right."""

    def __init__(self, status: int, text: str, allowed: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.allowed = tuple(allowed)
