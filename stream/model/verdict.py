"""Why a record counted or did not (SPEC section 2)."""

from enum import IntEnum


class Verdict(IntEnum):
    """One per record, the first that applies; the value is the index into verdict counts."""

    INVALID = 0
    FUTURE = 1
    UNMATCHED = 2
    LATE = 3
    DUPLICATE = 4
    BOT = 5
    ACCEPTED = 6

    @property
    def label(self) -> str:
        """The word used in series, dead letters and docs."""
        return self.name.lower()


DEAD_LETTER_VERDICTS = frozenset({Verdict.INVALID, Verdict.FUTURE, Verdict.LATE})
