"""The states that a partition's last commits wrote, before they are put into the shards.

In:  the states and additions of commits, in their order.
Out: an entry for each commit; all of them merged, to be put into the shards at once; an actor's state.

A commit of some thousand actors would touch nearly as many shards, and a command for each costs Redis more than
all that is in it. So a small commit adds one entry to the partition's journal instead, and once that is much,
a commit folds it: what was written goes into the shards, each actor once, and the entries are removed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

Pairs = Iterable[tuple[bytes, bytes]]

FOLD_STATES = 50_000
FOLD_BYTES = 8 << 20
FOLD_ENTRIES = 1_000
FOLD_APART = 0.5
"""How much fuller all journals together have to become from one folding to the next: partitions fill alike, and
all folded at once would hold up everything behind them."""
FOLD_NOW = 2.0
"""Fullness from which on a journal does not wait for that."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[bytes], list[bytes]]).decode


class Mark(NamedTuple):
    """Which journal it is: the epoch, and the number of the next entry.

    Under an epoch a number never comes again: folding takes one too.
    """

    epoch: int
    next_entry: int


class Journal:
    """The entries of a partition at `mark`, merged; `entries` are the numbers of those that Redis holds."""

    def __init__(self, mark: Mark, entries: Mapping[int, bytes] | None = None) -> None:
        self.mark = mark
        self.entries: list[int] = []
        self.states: dict[bytes, bytes] = {}
        self.additions: dict[bytes, bytes] = {}
        self.size_bytes = 0
        for number, entry in sorted((entries or {}).items()):
            self.entries.append(number)
            states, additions = _decode(entry)
            self.merge(pairs(states), pairs(additions))

    def __contains__(self, actor: object) -> bool:
        """Whether there is something of the actor."""
        return actor in self.states or actor in self.additions

    def merge(self, states: Pairs, additions: Pairs) -> None:
        """Take in what a commit writes."""
        own_states, own_additions = self.states, self.additions
        for actor, state in states:
            own_states[actor] = state
            own_additions.pop(actor, None)
            self.size_bytes += len(state)
        for actor, addition in additions:
            known = own_additions.get(actor)
            if known is not None:
                own_additions[actor] = known + addition
            elif actor in own_states:
                own_states[actor] += addition
            else:
                own_additions[actor] = addition
            self.size_bytes += len(addition)

    def fullness(self, fold_at: int) -> float:
        """Return how full it is; from 1.0 on it is to be folded.

        fold_at: actors that are much; so are `FOLD_BYTES` of states and `FOLD_ENTRIES`.
        """
        actors = len(self.states) + len(self.additions)
        return max(actors / fold_at, self.size_bytes / FOLD_BYTES, len(self.entries) / FOLD_ENTRIES)

    def state(self, actor: bytes, in_shard: bytes | None) -> bytes | None:
        """Return an actor's state, given what its shard has."""
        whole = self.states.get(actor)
        if whole is not None:
            return whole
        addition = self.additions.get(actor)
        return in_shard if addition is None else (in_shard or b"") + addition


def encode_entry(states: Pairs, additions: Pairs) -> bytes:
    """Return a commit's entry."""
    return _encode((flat(states), flat(additions)))


def flat(fields: Pairs) -> list[bytes]:
    """Return fields and values one after the other, as Redis takes a hash; `pairs` undoes it."""
    return [part for field in fields for part in field]


def pairs(parts: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield field and value of a flat list, as Redis gives a hash."""
    return zip(parts[::2], parts[1::2], strict=True)
