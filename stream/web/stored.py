"""What is read from the store only when somebody asks: entry cohorts, and what became of one actor.

In:  the store, the tracker's settings and funnels; the last reading of the rollups, for its instant.
Out: documents.

Only reads. Cohorts take all cells of a partition, so an answer holds for some seconds and is worked out in a thread.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from stream.aggregate.cohorts import entry_cohorts
from stream.analyze.document import iso
from stream.analyze.explained_forms import VERSION, ExplainedSourceDoc, ExplanationDoc
from stream.analyze.explanation import explain_stored
from stream.analyze.live_actor import read_actor_by_key
from stream.engine.match import FunnelSet
from stream.errors import ExplainError, RequestRefused
from stream.ingest.identify import ACTOR_KEY_BYTES
from stream.model.funnel import Funnel
from stream.settings.tracker import TrackerSettings
from stream.store.contract import Store
from stream.web.choices import Catalog
from stream.web.forms import CohortsDoc
from stream.web.views import cohorts_document
from stream.worker.activation import ActiveSet, funnel_set_id
from stream.worker.partition import SINCE_KEY
from stream.worker.refreshed import Refreshed

KEPT_S = 5.0


@dataclass
class _Kept:
    """An answer, or the reading of one that is under way."""

    until_s: float
    task: "asyncio.Task[CohortsDoc]"


class Stored:
    """Reads the store of one tracker for whoever looks at a page."""

    def __init__(self, store: Store, settings: TrackerSettings, funnels: Sequence[Funnel], catalog: Catalog) -> None:
        self._store, self._settings, self._funnels, self._catalog = store, settings, tuple(funnels), catalog
        self._kept: dict[tuple[str, int], _Kept] = {}
        self._turn = asyncio.Lock()

    async def cohorts(self, funnel: Funnel, index: int, refreshed: Refreshed | None) -> CohortsDoc:
        """Return the entry cohorts of rolling window number `index`, at most some seconds old."""
        now_s = time.monotonic()
        kept = self._kept.get((funnel.key, index))
        if kept is None or kept.until_s < now_s:
            task = asyncio.create_task(self._cohorts(funnel, index, refreshed))
            kept = self._kept[funnel.key, index] = _Kept(now_s + KEPT_S, task)
        try:
            return await asyncio.shield(kept.task)
        except Exception:
            self._kept.pop((funnel.key, index), None)
            raise

    async def _cohorts(self, funnel: Funnel, index: int, refreshed: Refreshed | None) -> CohortsDoc:
        merged = None if refreshed is None else refreshed.merged
        document = await self._store.active_funnel_set()
        if refreshed is None or merged is None or merged.as_of_ms is None or document is None:
            return cohorts_document(self._catalog, funnel, index, None, {})
        numbers = self._active(document).numbers
        (compiled,) = FunnelSet([funnel], numbers).funnels
        async with self._turn:  # one reading at a time: they are large
            cells = [await self._store.load_cells(number) for number in refreshed.partitions]
        for each in cells:
            each.pop(SINCE_KEY, None)
        found = await asyncio.to_thread(entry_cohorts, compiled, self._catalog.windows, index, cells, merged.as_of_ms)
        return cohorts_document(self._catalog, funnel, index, merged.as_of_ms, found)

    def _active(self, document: bytes) -> ActiveSet:
        active = msgspec.json.decode(document, type=ActiveSet)
        if active.id != funnel_set_id(self._funnels):
            raise RequestRefused(
                409,
                f"live counts funnel set {active.id}, this process has {funnel_set_id(self._funnels)}: "
                "start it with the files that the workers run with",
                sorted(active.numbers),
            )
        return active

    async def actor(self, pseudonym: str) -> ExplanationDoc:
        """Explain the actor that is stored under a pseudonym, in hexadecimal. Raises `RequestRefused`."""
        try:
            key = bytes.fromhex(pseudonym)
        except ValueError:
            key = b""
        if len(key) != ACTOR_KEY_BYTES:
            raise RequestRefused(
                400,
                f"a pseudonym has {2 * ACTOR_KEY_BYTES} hexadecimal digits, as `funnel explain --actor ID` and dead "
                "letters show it; ids themselves are not taken",
            )
        try:
            found = await read_actor_by_key(self._store, self._funnels, self._settings, key)
        except ExplainError as error:
            raise RequestRefused(404, str(error)) from error
        return ExplanationDoc(
            format="funnel-explanation",
            version=VERSION,
            source=ExplainedSourceDoc(kind="live", name=f"namespace {self._settings.redis.namespace}"),
            actor=key.hex(),
            as_of=iso(found.as_of_ms),
            funnels=[
                explain_stored(funnel, found.states[funnel.number], found.as_of_ms, found.partition)
                for funnel in found.funnels.funnels
                if funnel.number in found.states
            ],
        )
