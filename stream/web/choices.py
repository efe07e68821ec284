"""Which numbers a request asks for.

In:  the funnels, the rolling windows; a funnel's name and version, query parameters.
Out: a `Choice`; or `RequestRefused` with what can be chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream.engine.periods import PeriodOf, period_of
from stream.errors import RequestRefused
from stream.model.funnel import Funnel
from stream.model.window import RollingWindow
from stream.web.forms import Form, Unit

PARAMETERS = ("counts", "window", "form", "breakdown", "segment")
USUAL_WINDOW = "1h"
_FORMS = {Unit.ATTEMPTS: (Form.ROLLING, Form.MATURED), Unit.PEOPLE: (Form.CURRENT, Form.PREVIOUS)}


@dataclass(frozen=True, slots=True)
class Choice:
    """One funnel's numbers of one window (of people: its period's unit), whole or by segment."""

    key: str
    counts: Unit
    window: str
    form: Form
    breakdown: str = ""
    segment: str | None = None


class Catalog:
    """The funnels and what can be chosen of each; `windows` in the order of the settings."""

    def __init__(self, funnels: Sequence[Funnel], windows: Sequence[RollingWindow]) -> None:
        self.funnels = {funnel.key: funnel for funnel in funnels}
        self.windows = tuple(windows)
        self._periods = {funnel.key: period_of(funnel.period) for funnel in funnels}

    def period(self, key: str) -> PeriodOf:
        """Return the entry periods of a funnel."""
        return self._periods[key]

    def forms(self, funnel: Funnel) -> dict[str, list[Form]]:
        """Return the forms of each window of attempts; matured only where it is kept."""
        return {
            window.name: [Form.ROLLING, *([Form.MATURED] if window.has_matured(funnel.window_ms) else [])]
            for window in self.windows
        }

    def funnel(self, name: str, version: str) -> Funnel:
        """Return a funnel. Raises `RequestRefused`."""
        found = self.funnels.get(f"{name}@{version}")
        if found is None:
            raise RequestRefused(404, f"there is no funnel {name} with version {version}", list(self.funnels))
        return found

    def choice(self, funnel: Funnel, query: Mapping[str, str]) -> Choice:
        """Return what the parameters ask for. Raises `RequestRefused`."""
        unknown = sorted(query.keys() - set(PARAMETERS))
        if unknown:
            raise RequestRefused(400, f"there is no parameter {', '.join(unknown)}", PARAMETERS)
        counts = Unit(_one_of("counts", query.get("counts", Unit.ATTEMPTS), list(Unit)))
        window, forms = self._window(funnel, counts, query.get("window"))
        form = Form(_one_of("form", query.get("form") or forms[0], forms))
        breakdown, segment = query.get("breakdown", ""), query.get("segment")
        _one_of("breakdown", breakdown, ["", *[each.name for each in funnel.breakdowns]])
        if segment is not None and not breakdown:
            raise RequestRefused(400, "segment is without a breakdown, whose value it is", [
                each.name for each in funnel.breakdowns
            ])  # fmt: skip
        return Choice(funnel.key, counts, window, form, breakdown, segment)

    def window_index(self, text: str | None) -> int:
        """Return the number of a rolling window. Raises `RequestRefused`."""
        names = [window.name for window in self.windows]
        return names.index(_one_of("window", text or _usual(names), names))

    def _window(self, funnel: Funnel, counts: Unit, text: str | None) -> tuple[str, Sequence[Form]]:
        if counts is Unit.PEOPLE:
            unit = funnel.period.unit.value
            return _one_of("window", text or unit, [unit]), _FORMS[counts]
        forms = self.forms(funnel)
        window = _one_of("window", text or _usual(list(forms)), list(forms))
        return window, forms[window]


def _usual(names: Sequence[str]) -> str:
    """Return the window that is meant where none is named; "" if there is none at all."""
    return USUAL_WINDOW if USUAL_WINDOW in names else next(iter(names), "")


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise RequestRefused(400, f'{name}="{value}" is not one of those there are', allowed)
    return value
