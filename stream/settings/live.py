"""What live cannot count, but `funnel analyze` can: entry periods so fine that too many are open at once.

In:  a funnel file's document, the period of funnels that name none.
Out: one more problem, or none.

A period is open for an actor from an entry in it until the window of that entry is over. Live keeps what it knows of
each of them with the actor (SPEC section 5), so their number is limited.
"""

from stream.model.funnel import Period, PeriodUnit
from stream.settings import texts
from stream.settings.funnels import period_of
from stream.settings.parts import duration_ms
from stream.settings.yaml_file import Document, KeyPath

OPEN_PERIODS_LIMIT = 32

_HOUR_MS = 3_600_000
_LENGTHS_MS = {
    PeriodUnit.HOUR: _HOUR_MS,
    PeriodUnit.DAY: 24 * _HOUR_MS,
    PeriodUnit.WEEK: 7 * 24 * _HOUR_MS,
    PeriodUnit.MONTH: 28 * 24 * _HOUR_MS,  # the shortest
}
_CLOCK_CHANGE_MS = 2 * _HOUR_MS  # by which a zone puts its clocks forward, once in as many days as may be open


def open_periods(period: Period, window_ms: int) -> int:
    """Return how many periods can be open for one actor at one instant."""
    has_changes = period.zone != "UTC" and period.unit is not PeriodUnit.HOUR
    longest_ms = window_ms + (_CLOCK_CHANGE_MS if has_changes else 0)
    return -(-longest_ms // _LENGTHS_MS[period.unit]) + 1


def check_live(document: Document, default: Period) -> None:
    """Report a period that is too fine for the funnel's window; looks only at a file that is right so far."""
    if document.problems:
        return
    tree = document.tree
    window, window_ms = tree["window"], duration_ms(tree["window"])
    period = period_of(tree, default)
    if window_ms is None or open_periods(period, window_ms) <= OPEN_PERIODS_LIMIT:
        return
    fitting = next(
        unit for unit in PeriodUnit if open_periods(Period(unit, period.zone), window_ms) <= OPEN_PERIODS_LIMIT
    )
    path: KeyPath = ("window",)
    about = f"{texts.shown(window)} is too long for the tracker's period, {period.unit}: live keeps"
    if "period" in tree:
        path = ("period", "unit") if "unit" in tree["period"] else ("period",)
        about = f'"{period.unit}" is too fine for the window, {window}: live keeps'
    text = f"{about} {OPEN_PERIODS_LIMIT} open periods per actor, and {open_periods(period, window_ms)} can be open"
    zone = "" if period.zone == "UTC" else f", zone: {period.zone}"
    document.report(path, f"{text} (try period: {{unit: {fitting}{zone}}})")
