"""Which numbers the live view shows, and what a key makes of that.

In:  what the command line asks for, the funnels that a server lists, keys.
Out: `Picks`; the API's parameters for one funnel.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stream.errors import TopError
from stream.web.forms import ChoiceDoc, FunnelInfoDoc, Unit

KEYS = {"f": "funnel", "c": "attempts/people", "w": "window", "m": "form", "b": "breakdown", "q": "quit"}


@dataclass(frozen=True, slots=True)
class Picks:
    """funnel: a name, or name@version; empty: all. window, form: empty: the server's usual. breakdown: empty: none."""

    funnel: str = ""
    counts: Unit = Unit.ATTEMPTS
    window: str = ""
    form: str = ""
    breakdown: str = ""

    def query(self, info: FunnelInfoDoc) -> dict[str, str]:
        """Return the API's parameters for a funnel; what it has not is left to the server."""
        forms = _forms(self.counts, info)
        query = {"counts": self.counts.value}
        if self.window in forms:
            query["window"] = self.window
        if any(self.form in of_window for window, of_window in forms.items() if self.window in ("", window)):
            query["form"] = self.form
        if self.breakdown in info.breakdowns:
            query["breakdown"] = self.breakdown
        return query


def key_of(info: FunnelInfoDoc) -> str:
    """Return name@version."""
    return f"{info.funnel}@{info.version}"


def pick(picks: Picks, funnels: Sequence[FunnelInfoDoc]) -> list[FunnelInfoDoc]:
    """Return the funnels to show, never none. Raises `TopError` for a pick that none of them has."""
    shown = [info for info in funnels if picks.funnel in ("", info.funnel, key_of(info))]
    if not shown:
        raise TopError(f"there is no funnel {picks.funnel}, only {_listed(map(key_of, funnels))}")
    forms = [_forms(picks.counts, info) for info in shown]
    _check("window", picks.window, [window for each in forms for window in each])
    _check("form", picks.form, [form for each in forms for of_window in each.values() for form in of_window])
    _check("breakdown", picks.breakdown, [name for info in shown for name in info.breakdowns])
    return shown


def _check(option: str, picked: str, allowed: Sequence[str]) -> None:
    if picked and picked not in allowed:
        raise TopError(f"--{option} {picked} is not one of those there are: {_listed(allowed)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "none"


def press(picks: Picks, key: str, funnels: Sequence[FunnelInfoDoc], seen: ChoiceDoc) -> Picks:
    """Return the picks after a key; `seen` says what the first funnel shows now."""
    info = pick(picks, funnels)[0]
    forms = _forms(picks.counts, info)
    if key == "f":
        return replace(picks, funnel=_after(picks.funnel, ["", *map(key_of, funnels)]))
    if key == "c":
        other = Unit.ATTEMPTS if picks.counts is Unit.PEOPLE else Unit.PEOPLE
        return replace(picks, counts=other, window="", form="")
    if key == "w":
        return replace(picks, window=_after(seen.window, list(forms)))
    if key == "m":
        return replace(picks, form=_after(seen.form.value, forms.get(seen.window, ())))
    if key == "b":
        return replace(picks, breakdown=_after(picks.breakdown, ["", *info.breakdowns]))
    return picks


def _forms(counts: Unit, info: FunnelInfoDoc) -> dict[str, Sequence[str]]:
    """Return the forms of each window; that of people is the period's unit."""
    if counts is Unit.PEOPLE:
        return {info.people.unit: [form.value for form in info.people.forms]}
    return {choice.window: [form.value for form in choice.forms] for choice in info.attempts}


def _after(current: str, options: Sequence[str]) -> str:
    """Return the option behind the current one, in a circle."""
    if current not in options:
        return next(iter(options), "")
    return options[(options.index(current) + 1) % len(options)]
