"""Which set of funnels may write in a namespace, and under which numbers their state is stored.

In:  the funnels this worker has, and the document in the store.
Out: the document that makes them the active set, or the reason why they may not be.

A set is known by a digest of its definitions. The newest set to start becomes active
and workers with an older one stop committing (SPEC section 7: a changed definition is a
new version). A set that was replaced does not come back by itself, so that a restart of
an old worker in the middle of a rolling deploy undoes nothing.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from stream.errors import StoreUnavailable
from stream.model.funnel import Funnel

REMEMBERED_SETS = 50

_encoder = msgspec.json.Encoder(order="deterministic")


class ActiveSet(msgspec.Struct):
    """The document in the store. `numbers`: name@version -> number in stored state, never used twice.

    digests: name@version -> digest of its definition. replaced: ids of earlier sets, newest last.
    shown: breakdown values that all workers show by name (`worker.shown`), chosen at `shown_ms`;
    the first choice ever was made at `first_shown_ms` (wall clock, ms).
    """

    id: str
    numbers: dict[str, int]
    digests: dict[str, str]
    replaced: list[str] = []
    shown: dict[str, dict[str, list[str]]] = {}
    shown_ms: int = 0
    first_shown_ms: int = 0


class FunnelSetInactive(StoreUnavailable):
    """Another set of funnels is active: this worker waits until its own is, or until it is replaced."""

    def __init__(self, reason: str) -> None:
        super().__init__("activating the funnels", (), reason)


def funnel_set_id(funnels: Sequence[Funnel]) -> str:
    """Return the digest of a set of definitions, whatever their order."""
    return _digest(sorted(f"{funnel.key} {_digest(msgspec.to_builtins(funnel))}" for funnel in funnels))


def _digest(value: object) -> str:
    return blake2b(_encoder.encode(value), digest_size=8).hexdigest()


def next_active_set(funnels: Sequence[Funnel], stored: ActiveSet | None, *, force: bool = False) -> ActiveSet:
    """Return the document under which `funnels` are active: `stored` itself if they are already.

    Raises FunnelSetInactive if this set was replaced by a newer one (unless `force`), or if a
    definition was changed without a new version.
    """
    own = funnel_set_id(funnels)
    digests = {funnel.key: _digest(msgspec.to_builtins(funnel)) for funnel in funnels}
    if stored is None:
        return ActiveSet(own, {key: number for number, key in enumerate(sorted(digests))}, digests)
    if stored.id == own:
        return stored
    if own in stored.replaced and not force:
        raise FunnelSetInactive(
            f"funnel set {own} was replaced by {stored.id}; restart this worker with the newer definitions, "
            "or start one worker with --activate to go back to these"
        )
    for key, digest in digests.items():
        known = stored.digests.get(key)
        if known is not None and known != digest:
            raise FunnelSetInactive(
                f"funnel {key} is counted with another definition already; give the changed one a new version"
            )
    numbers = dict(stored.numbers)
    for key in sorted(digests):
        numbers.setdefault(key, max(numbers.values(), default=-1) + 1)
    replaced = [known for known in stored.replaced if known != own]
    return msgspec.structs.replace(
        stored,
        id=own,
        numbers=numbers,
        digests={**stored.digests, **digests},
        replaced=[*replaced, stored.id][-REMEMBERED_SETS:],
    )
