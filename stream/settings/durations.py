"""Durations as people write them: `90s`, `15m`, `1h`, `7d`, `400d`.

In:  text of a settings file.
Out: whole milliseconds, and back to the shortest such text.
"""

import re

PATTERN = "^(0|[1-9][0-9]*)(ms|s|m|h|d|w)$"

_UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DURATION = re.compile(PATTERN)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)")
# What people write instead of our units: the first entry that the word starts with decides.
_WORDS_MS = (
    ("ms", 1),
    ("mil", 1),
    ("mo", 30 * 86_400_000),
    ("m", 60_000),
    ("s", 1_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("t", 86_400_000),
    ("w", 604_800_000),
    ("y", 365 * 86_400_000),
)


def to_ms(text: str) -> int:
    """Milliseconds of a duration; raises `ValueError` if `text` does not match `PATTERN`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not a duration (try "{suggest(text)}")')
    return int(found[1]) * _UNITS_MS[found[2]]


def to_text(duration_ms: int) -> str:
    """Write the duration in the largest unit that needs no fraction; days rather than weeks."""
    if duration_ms == 0:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        if duration_ms % _UNITS_MS[unit] == 0:
            return f"{duration_ms // _UNITS_MS[unit]}{unit}"
    return f"{duration_ms}ms"


def suggest(value: object) -> str:
    """Guess the duration that a person probably meant by `value` (a number means seconds)."""
    parts = _PART.findall(str(value).lower())
    total_ms = sum(float(number) * _word_ms(word) for number, word in parts)
    whole_ms = round(total_ms) if total_ms < 1e15 else 0  # beyond 30 000 years nobody meant it
    return to_text(whole_ms) if whole_ms > 0 else "15m"


def _word_ms(word: str) -> int:
    return next((unit_ms for start, unit_ms in _WORDS_MS if word.startswith(start)), 1_000)
