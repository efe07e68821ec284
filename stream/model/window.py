"""A rolling window by entry time, an age for it, and how many slots its shifted forms need."""

from dataclasses import dataclass

# Slots kept for one rolling window: beyond this a shifted form costs megabytes at each takeover of a partition.
KEPT_SLOTS_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Age:
    """How much time attempts have had to go on to the next step; `name` is the text in series (`15m`)."""

    name: str
    age_ms: int


@dataclass(frozen=True, slots=True)
class AlertWindow:
    """A length of time over which alert rules count; `name` is the text in series (`1m`).

    segment_age: name of the age for which segments are counted too; "" for none.
    """

    name: str
    window_ms: int
    segment_age: str = ""


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """The last `window_ms` by entry time, in `slots` slots; `name` is the text in series (`5m`).

    alerts: the alert windows that are summed from its slots.
    """

    name: str
    window_ms: int
    slots: int = 60
    alerts: tuple[AlertWindow, ...] = ()

    @property
    def slot_ms(self) -> int:
        """Length of one slot."""
        return self.window_ms // self.slots

    def matured_slots(self, funnel_window_ms: int) -> int:
        """Slots that the matured form needs: those of the window, shifted back by the funnel's."""
        return -(-(funnel_window_ms + self.window_ms) // self.slot_ms)

    def has_matured(self, funnel_window_ms: int) -> bool:
        """Whether the matured form is kept for a funnel with that window."""
        return self.matured_slots(funnel_window_ms) <= KEPT_SLOTS_LIMIT

    def serves(self, alert_ms: int) -> bool:
        """Whether an alert window of that length is a number of its slots, and not longer than itself."""
        return alert_ms <= self.window_ms and alert_ms % self.slot_ms == 0

    def age_slots(self, age: Age) -> int:
        """Slots that age-matched conversion needs: those of the window, shifted back by the age."""
        return -(-(age.age_ms + self.window_ms) // self.slot_ms)

    def has_age(self, age: Age) -> bool:
        """Whether age-matched conversion is kept for that age."""
        return self.age_slots(age) <= KEPT_SLOTS_LIMIT
