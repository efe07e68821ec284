"""A rule of the engine, and what its code becomes when the rule is turned off."""

from dataclasses import dataclass
from pathlib import Path

ENGINE = Path("stream") / "engine"


class RottenRule(Exception):  # noqa: N818 (it says what it is)
    """A rule whose snippet is not found exactly once in its file, or is not Python any more without it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `words` say which, with the section of SPEC that it is from.

    `on` stands exactly once in `file` (of stream/engine), and `off` in its place turns the rule off.
    """

    words: str
    file: str
    on: str
    off: str

    @property
    def path(self) -> Path:
        """The file, from the root of the checkout."""
        return ENGINE / self.file

    def turned_off(self, source: str) -> str:
        """Return the file's text without the rule; raises `RottenRule`."""
        found = source.count(self.on)
        if found != 1:
            raise RottenRule(f'{self.path} has this {found} times instead of once, for "{self.words}":\n{self.on}')
        changed = source.replace(self.on, self.off)
        try:
            compile(changed, self.file, "exec")
        except SyntaxError as error:
            raise RottenRule(f'{self.path} is no Python without "{self.words}": {error}') from None
        return changed
