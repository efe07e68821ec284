"""One partition of the log in this worker: head, actors and totals, advanced a batch at a time.

In:  a partition batch that continues exactly where the head stands.
Out: the commit that stores it; and the rollup of the partition at an instant.

Nothing here talks to a server. A partition that was refused a commit is thrown away and
loaded anew, because its memory is then ahead of what is stored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from zlib import crc32

import msgspec

from stream.aggregate.rollup import Shown, roll_up
from stream.aggregate.totals import PartitionTotals
from stream.engine.match import FunnelSet
from stream.engine.state import BEFORE_ALL_TIME
from stream.engine.table import ActorTable, ByActor, by_actor
from stream.ingest.admission import Admitted, Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.identify import actor_keys
from stream.ingest.mapping import Mapping as FieldMapping
from stream.model.funnel import Funnel
from stream.model.result import Rollup
from stream.model.verdict import Verdict
from stream.model.window import Age, RollingWindow
from stream.settings.tracker import TrackerSettings
from stream.store.contract import NO_FUNNEL_SET, Commit, PartitionHead
from stream.worker.activation import ActiveSet
from stream.worker.contract import PartitionBatch
from stream.worker.envelope import provenance
from stream.worker.outbox import DeadLetter

SINCE_KEY = b"since"
"""Cell that says from which record time on each funnel counts here: {name@version: ms}."""

encode_rollup = msgspec.msgpack.Encoder().encode
decode_rollup = msgspec.msgpack.Decoder(Rollup).decode


class Counting(NamedTuple):
    """What is the same for every partition: how records are read, judged, matched and shown."""

    funnels: FunnelSet
    funnel_set_id: str
    decoder: EventDecoder
    limits: Limits
    rolling: tuple[RollingWindow, ...]
    topic: str
    key_of: Callable[[str], bytes]
    bot_cap: int
    cache_actors: int
    must_be_keyed_by_actor: bool
    ages: tuple[Age, ...] = ()


def counting_of(
    settings: TrackerSettings, funnels: Sequence[Funnel], mapping: FieldMapping, active: ActiveSet
) -> Counting:
    """Return how a process with these settings counts the funnels of the active set."""
    compiled = FunnelSet(funnels, active.numbers)
    return Counting(
        funnels=compiled,
        funnel_set_id=active.id,
        decoder=EventDecoder(mapping, compiled.property_paths),
        limits=Limits(settings.allowed_lateness_ms, settings.max_future_skew_ms),
        rolling=settings.rolling,
        topic=settings.log_topic,
        key_of=actor_keys(settings.actor_secret.encode()),
        bot_cap=settings.worker.bot_cap,
        cache_actors=settings.worker.cache_actors,
        must_be_keyed_by_actor=not settings.needs_repartition,
        ages=settings.age_matched,
    )


class Judged(NamedTuple):
    """What of a batch was admitted, and the same events by actor."""

    admitted: Admitted
    by_actor: ByActor


class Swept(NamedTuple):
    """What a look at stored states found: keys of those to be deleted, and those to be written anew.

    is_folding: whether all that the journal holds is now to be put into the shards.
    """

    deleted: Sequence[bytes] = ()
    states: Sequence[tuple[bytes, bytes]] = ()
    is_folding: bool = False


NOTHING_SWEPT = Swept()


class Prepared(NamedTuple):
    """A counted batch that is not stored yet, and the dead letters to send before it is."""

    commit: Commit
    letters: list[DeadLetter]
    verdicts: list[int]


class Partition:
    """State of one assigned partition. `head` is where its last commit leads, stored or not; `counting` the rules.

    is_new: the head was just made, so that nothing else can be stored. since_ms: what entered before is not counted.
    """

    def __init__(
        self, number: int, head: PartitionHead, counting: Counting, *, is_new: bool = False, since_ms: int | None = None
    ) -> None:
        self.number = number
        self.head = head
        self._counting = counting
        self.table = ActorTable(
            counting.funnels,
            counting.key_of,
            bot_cap=counting.bot_cap,
            capacity=counting.cache_actors,
            is_complete=is_new,
        )
        self.totals = PartitionTotals(counting.funnels.funnels, counting.rolling, counting.ages, since_ms)
        self._since_ms = since_ms
        self._has_breakdowns = any(funnel.definition.breakdowns for funnel in counting.funnels.funnels)
        self._since: dict[str, int] = {}
        self._orphans: list[bytes] = []
        # Of another set: what a funnel that is gone left in a journal must come to where sweeps look.
        self._is_folding = head.funnel_set not in {NO_FUNNEL_SET, counting.funnel_set_id}
        self._folds_after_round = self._is_folding
        self._since_changed = False
        self.rollup_offset = -1
        self.rollup_written_s = 0.0
        self.swept_s = 0.0
        self.sweep_shard = 0

    def restore(self, cells: Mapping[bytes, bytes]) -> None:
        """Take in the stored counts; those of funnels that are gone are deleted by the next commit."""
        fields = dict(cells)
        since = fields.pop(SINCE_KEY, None)
        keys = {funnel.definition.key for funnel in self._counting.funnels.funnels}
        if since is not None:
            known = msgspec.msgpack.decode(since, type=dict[str, int])
            self._since = {key: value for key, value in known.items() if key in keys}
            self._since_changed = self._since != known
        limits = self._counting.limits
        self._orphans = self.totals.restore(fields.items(), latest_counted_ms(self.head, limits.max_future_skew_ms))
        if self.head.watermark_ms is not None:
            limit_ms = self.head.watermark_ms - limits.allowed_lateness_ms
            self.totals.move_on(self.head.watermark_ms, limit_ms)

    def admit(self, batch: PartitionBatch) -> Judged:
        """Judge the batch's records from the log prefix."""
        counting = self._counting
        admitted = admit_batch(
            batch.values,
            batch.record_times,
            batch.offsets,
            counting.decoder,
            counting.funnels.serving,
            counting.limits,
            self.head.watermark_ms,
            f"{counting.topic}/{self.number}/",
            batch.keys if counting.must_be_keyed_by_actor else None,
            counting.funnels.kinds,
        )
        return Judged(admitted, by_actor(admitted.events))

    def count(self, batch: PartitionBatch, judged: Judged) -> Prepared:
        """Count what was admitted; every actor in it must be in the table. Memory is now ahead of the store."""
        counting, head, admitted = self._counting, self.head, judged.admitted
        watermark_ms = admitted.watermark_ms
        limit_ms = None if watermark_ms is None else watermark_ms - counting.limits.allowed_lateness_ms
        if self._has_breakdowns:
            self.totals.note(admitted.events, counting.funnels.serving)
        applied = self.table.apply(judged.by_actor, limit_ms)
        corrections = self.totals.take(applied.changes)
        if watermark_ms is not None and limit_ms is not None:
            self.totals.move_on(watermark_ms, limit_ms)
        verdicts = list(admitted.counts)
        for verdict, count in zip((Verdict.DUPLICATE, Verdict.BOT, Verdict.ACCEPTED), applied.verdicts, strict=True):
            verdicts[verdict] += count
        self._note_since(batch)
        new_head = replace(
            head,
            next_offset=batch.next_offset,
            watermark_ms=watermark_ms,
            verdicts=tuple(a + b for a, b in zip(head.verdicts, verdicts, strict=True)),
            corrections=head.corrections + corrections,
            funnel_set=counting.funnel_set_id,
            checksum=checksum_of(batch.offsets[-1], batch.values[-1]) if batch.values else head.checksum,
        )
        return Prepared(
            self._commit(new_head, applied.states, applied.additions),
            letters_of(self.number, batch, admitted.rejects, is_enveloped=not counting.must_be_keyed_by_actor),
            verdicts,
        )

    def touch(self, swept: Swept = NOTHING_SWEPT) -> Commit:
        """Return a commit that moves nothing: for a rollup, swept states, or a changed funnel set."""
        head = replace(self.head, funnel_set=self._counting.funnel_set_id)
        is_folding, self._is_folding = self._is_folding or swept.is_folding, False
        return replace(self._commit(head, swept.states, deleted=swept.deleted), is_folding=is_folding)

    def _note_since(self, batch: PartitionBatch) -> None:
        if len(self._since) < len(self._counting.funnels.funnels) and batch.record_times:
            began_ms = batch.record_times[0] if self._since_ms is None else self._since_ms
            for funnel in self._counting.funnels.funnels:
                if self._since.setdefault(funnel.definition.key, began_ms) == began_ms:
                    self._since_changed = True

    def _commit(
        self,
        head: PartitionHead,
        states: Sequence[tuple[bytes, bytes]] = (),
        additions: Sequence[tuple[bytes, bytes]] = (),
        deleted: Sequence[bytes] = (),
    ) -> Commit:
        cells, deleted_cells = self.totals.fields()
        if self._since_changed:
            cells[SINCE_KEY] = msgspec.msgpack.encode(self._since)
            self._since_changed = False
        orphans, self._orphans = self._orphans, []
        return Commit(
            partition=self.number,
            expected=self.head.position,
            head=head,
            states=states,
            additions=additions,
            deleted=deleted,
            cells=cells,
            deleted_cells=[*deleted_cells, *orphans],
        )

    def roll_up(self, head: PartitionHead, as_of_ms: int, shown: Mapping[str, Shown], now_ms: int, lag: int) -> Rollup:
        """Return this partition's summary at `as_of_ms`; `head` is the one it will be stored with."""
        return Rollup(
            as_of_ms=as_of_ms,
            watermark_ms=head.watermark_ms,
            next_offset=head.next_offset,
            verdicts=list(head.verdicts),
            corrections=head.corrections,
            written_ms=now_ms,
            funnels=[
                roll_up(totals, as_of_ms, shown.get(key, {}), self._since.get(key))
                for totals in self.totals.by_number.values()
                for key in (totals.funnel.definition.key,)
            ],
            gaps=head.gaps,
            lag_records=lag,
        )

    def sweep(self, states: Mapping[bytes, bytes], *, ends_round: bool = False) -> Swept:
        """Return which of these stored states say nothing any more, and which hold something of a funnel that is gone.

        ends_round: with them all shards were looked through. What was written anew during it, and by batches, lies in a
        journal, and what it replaces beside it until that is folded. All that was counted must be stored.
        """
        limit_ms = BEFORE_ALL_TIME
        if self.head.watermark_ms is not None:
            limit_ms = self.head.watermark_ms - self._counting.limits.allowed_lateness_ms
        kept = [(key, blob, self.table.without_others(key, blob, limit_ms)) for key, blob in states.items()]
        deleted = [key for key, _, new in kept if new is None]
        anew = [(key, new) for key, blob, new in kept if new is not None and new is not blob]
        folds = self._folds_after_round or bool(anew)
        self._folds_after_round = folds and not ends_round
        return Swept(deleted, anew, folds and ends_round)


def latest_counted_ms(head: PartitionHead, max_future_skew_ms: int) -> int | None:
    """Return an instant after which no counted event can be: none is further than the skew ahead of its record."""
    return None if head.watermark_ms is None else head.watermark_ms + max_future_skew_ms


def letters_of(
    partition: int, batch: PartitionBatch, rejects: Iterable[tuple[int, Verdict, str]], *, is_enveloped: bool
) -> list[DeadLetter]:
    """Return the dead letters of a batch's rejected records.

    is_enveloped: the log is the repartition topic; then the letter says where the record comes from.
    """
    letters = []
    for index, verdict, reason in rejects:
        value = batch.values[index]
        origin = provenance(value) if is_enveloped else None
        text = reason if origin is None else f"{origin.reason or reason} (record {origin.source})"
        letters.append(DeadLetter(partition, batch.offsets[index], batch.record_times[index], verdict, text, value))
    return letters


def checksum_of(offset: int, value: bytes | None) -> int:
    """CRC-32 of a record's offset and value, never 0 (which stands for no record)."""
    return crc32(value or b"", crc32(b"%d:%d" % (offset, -1 if value is None else len(value)))) or 1
