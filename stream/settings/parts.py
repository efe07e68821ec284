"""Look into a file's values whose form may be wrong: what is, the schema has reported.

In:  plain values of a document.
Out: the mappings of a list, the milliseconds of a duration; nothing where the form is wrong.
"""

from collections.abc import Iterator
from typing import Any

from stream.settings import durations


def mappings(values: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the mappings of a list with their places."""
    if isinstance(values, list):
        yield from ((index, value) for index, value in enumerate(values) if isinstance(value, dict))


def duration_ms(written: Any) -> int | None:
    """Return the milliseconds of a duration, None if `written` is none."""
    try:
        return durations.to_ms(written) if isinstance(written, str) else None
    except ValueError:
        return None
