"""A rolling window by entry time, and what its matured form costs."""

from dataclasses import dataclass

# Slots kept for one rolling window: beyond this the matured form costs megabytes at each takeover of a partition.
MATURED_SLOTS_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class RollingWindow:
    """The last `window_ms` by entry time, in `slots` slots; `name` is the text in series (`5m`)."""

    name: str
    window_ms: int
    slots: int = 60

    @property
    def slot_ms(self) -> int:
        """Length of one slot."""
        return self.window_ms // self.slots

    def matured_slots(self, funnel_window_ms: int) -> int:
        """Slots that the matured form needs: those of the window, shifted back by the funnel's."""
        return -(-(funnel_window_ms + self.window_ms) // self.slot_ms)

    def has_matured(self, funnel_window_ms: int) -> bool:
        """Whether the matured form is kept for a funnel with that window."""
        return self.matured_slots(funnel_window_ms) <= MATURED_SLOTS_LIMIT
