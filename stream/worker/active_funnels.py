"""This worker's funnels as the active set of its namespace, and which breakdown values all workers show.

In:  the funnels, the store's document of the active set, the merged rollup.
Out: the document with this worker's funnels active; the values to show, as numbers.
"""

from collections.abc import Mapping, Sequence

import msgspec

from stream.aggregate.rollup import Shown
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.settings.counting import counting_rules
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.worker.activation import (
    ActiveSet,
    FunnelSetInactive,
    next_active_set,
    rules_of,
    with_counting,
    with_rules,
)
from stream.worker.shown import HOUR_MS, as_numbers, choose, is_over


class ActiveFunnels:
    """Keeps the document up to date; `shown` has the values to show by name@version and breakdown.

    activate: go back to these funnels even if they were replaced, once.
    """

    def __init__(self, settings: TrackerSettings, funnels: Sequence[Funnel], store: Store, *, activate: bool) -> None:
        self._settings, self._funnels, self._store, self._activate = settings, funnels, store, activate
        self._active: ActiveSet | None = None
        self._document: bytes | None = None
        self.shown: Mapping[str, Shown] = as_numbers({}, funnels)

    async def activate(self) -> ActiveSet:
        """Return the active set, which is ours. Raises `FunnelSetInactive`, and `StoreRefused` for other rules."""
        document = await self._store.active_funnel_set()
        if self._active is not None and document == self._document:
            return self._active
        known = None if document is None else msgspec.json.decode(document, type=ActiveSet)
        active = next_active_set(self._funnels, known, force=self._activate)
        active = with_rules(active, rules_of(self._settings.rolling, self._settings.actor_secret))
        # The newest to start says by which rules, as with the funnels; the others do not write theirs over it again.
        if self._active is None or known is None or active.id != known.id:
            active = with_counting(active, counting_rules(self._settings, self._funnels))
        self._activate = False  # once: an order given at the start must not fight a later one
        if active is not known:
            written = msgspec.json.encode(active)
            if not await self._store.set_active_funnel_set(written, document):
                raise FunnelSetInactive("another worker changed the active funnel set at the same time")
            document = written
        self._active, self._document = active, document
        self.shown = as_numbers(active.shown, self._funnels)
        return active

    async def choose_shown(self, merged: Rollup) -> None:
        """Choose the breakdown values that all workers show; only the owner of partition 0 does."""
        active, as_of_ms = self._active, merged.as_of_ms
        if active is None or as_of_ms is None:
            return
        choice = choose(active.shown, active.shown_ms, merged, self._funnels, self._settings.export)
        is_due = active.shown_ms is None or is_over(active.shown_ms, as_of_ms, HOUR_MS)
        # What was chosen anew is noted although it is the same: else it would be chosen anew until it differs.
        if choice == active.shown and not is_due:
            return
        chosen = msgspec.structs.replace(active, shown=choice, shown_ms=as_of_ms if is_due else active.shown_ms)
        # If another worker was first, the next look shows its choice.
        await self._store.set_active_funnel_set(msgspec.json.encode(chosen), self._document)
