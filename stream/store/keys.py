"""Every key name in Redis, and which shard an actor is in.

All keys of a partition carry its hash tag `{ns:p}`, so that Redis Cluster keeps
them in one slot and one script may change them together. docs/state.md lists them.
"""

import re

from stream.store.contract import MAX_SHARDS

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class Keys:
    """Key names of one namespace.

    `namespace` is 1 to 64 of `a-z 0-9 _ . -`; `shards` a power of two up to 65536.
    Raises `ValueError` otherwise.
    """

    def __init__(self, namespace: str, shards: int) -> None:
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError(
                f'namespace "{namespace}": 1 to 64 of a-z 0-9 _ . - are right, the first a letter or digit'
            )
        if not 1 <= shards <= MAX_SHARDS or shards & (shards - 1):
            raise ValueError(f"shards: {shards} is not a power of two from 1 to {MAX_SHARDS}")
        self.namespace = namespace
        self.shards = shards
        self.funnel_set = b"{%b}:funnel-set" % namespace.encode()
        # No namespace has a slash, so that this is none's, and dropping this one leaves it.
        self.runs = b"{%b/runs}" % namespace.encode()
        self.probe = b"{%b}:probe" % namespace.encode()
        self.probe_text = b"{%b}:probe-text" % namespace.encode()
        # `[}:]` because a namespace may begin with the name of another one.
        self.pattern = f"{{{namespace}[}}:]*"
        self._actors: dict[int, list[bytes]] = {}

    def tag(self, partition: int) -> bytes:
        """Return what all keys of a partition start with."""
        return b"{%b:%d}:" % (self.namespace.encode(), partition)

    def head(self, partition: int) -> bytes:
        """Hash: next offset, epoch and the rest of the head."""
        return self.tag(partition) + b"head"

    def cells(self, partition: int) -> bytes:
        """Hash: aggregate cells."""
        return self.tag(partition) + b"cells"

    def rollup(self, partition: int) -> bytes:
        """Return the key of a string: the partition's rollup."""
        return self.tag(partition) + b"rollup"

    def journal(self, partition: int) -> bytes:
        """Hash: the states that the last commits wrote, by number of the entry."""
        return self.tag(partition) + b"journal"

    def actors(self, partition: int) -> list[bytes]:
        """Hashes: the states of the actors of each shard, by actor key; index is the shard."""
        names = self._actors.get(partition)
        if names is None:
            tag = self.tag(partition)
            names = self._actors[partition] = [b"%ba:%d" % (tag, shard) for shard in range(self.shards)]
        return names


def shard_of(key: bytes, shards: int) -> int:
    """Return the shard of an actor key: its first two bytes, modulo a power of two."""
    return (key[0] << 8 | key[1]) & (shards - 1)
