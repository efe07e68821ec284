"""The coordinator of one consumer group, as a Kafka broker keeps it (eager rebalances, dynamic and static members).

In:  JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetFetch.
Out: error codes, generations, assignments as the leader made them, committed offsets.

A member whose heartbeats stay away for its session timeout is removed and not told: until its next heartbeat
it believes that its partitions are still its own.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

OK, ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCING, MEMBER_ID_REQUIRED = 0, 22, 25, 27, 79
EMPTY, PREPARING, COMPLETING, STABLE = "empty", "preparing", "completing", "stable"


@dataclass(slots=True)
class _Member:
    id: str
    instance: str | None
    session_s: float
    rebalance_s: float
    protocols: list[tuple[str, bytes]]
    expires: asyncio.TimerHandle | None = None
    joined: "asyncio.Future[dict[str, Any]] | None" = None
    synced: "asyncio.Future[tuple[int, bytes]] | None" = None


@dataclass(slots=True)
class Group:
    """Members, generation and committed offsets; `first_delay_s`: how long an empty group waits for more members."""

    first_delay_s: float = 0.0
    generation: int = 0
    state: str = EMPTY
    leader: str = ""
    members: dict[str, _Member] = field(default_factory=dict)
    assignments: dict[str, bytes] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    _pending: set[str] = field(default_factory=set)
    _count: int = 0
    _deadline: asyncio.TimerHandle | None = None

    async def join(self, request: Any) -> dict[str, Any]:
        """Take a member in and wait until the generation is complete."""
        member_id, instance = request.member_id, request.group_instance_id
        if not member_id:
            self._count += 1
            member_id = f"member-{self._count}"
            if instance is None:
                self._pending.add(member_id)
                return _refusal(MEMBER_ID_REQUIRED, member_id)
            for old in [each.id for each in self.members.values() if each.instance == instance]:
                self._remove(old)
        elif member_id in self._pending:
            self._pending.discard(member_id)
        elif member_id not in self.members:
            return _refusal(UNKNOWN_MEMBER, "")
        member = self.members.get(member_id)
        if member is None:
            member = self.members[member_id] = _Member(
                member_id, instance, request.session_timeout / 1000, request.rebalance_timeout / 1000, []
            )
        member.protocols = request.group_protocols
        _cancel(member.expires)
        member.joined = asyncio.get_running_loop().create_future()
        self._prepare()
        self._maybe_complete()
        return await member.joined

    def _prepare(self) -> None:
        if self.state == PREPARING:
            return
        wait_s = max(member.rebalance_s for member in self.members.values())
        if self.state == EMPTY:
            wait_s = self.first_delay_s
        for member in self.members.values():
            _answer(member.synced, (REBALANCING, b""))
        self.state = PREPARING
        _cancel(self._deadline)
        self._deadline = asyncio.get_running_loop().call_later(wait_s, self._complete)

    def _maybe_complete(self) -> None:
        if self.state == PREPARING and self.generation and all(_waits(m.joined) for m in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        """Begin a generation with those that have joined; the others are out."""
        _cancel(self._deadline)
        for member in [each for each in self.members.values() if not _waits(each.joined)]:
            self._remove(member.id)
        if not self.members:
            self.state = EMPTY
            return
        self.generation += 1
        self.state, self.assignments = COMPLETING, {}
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        rows = [(each.id, each.instance, each.protocols[0][1]) for each in self.members.values()]
        for member in self.members.values():
            self.keep(member)
            _answer(member.joined, {
                "error": OK, "generation": self.generation, "protocol": member.protocols[0][0], "leader": self.leader,
                "member": member.id, "members": rows if member.id == self.leader else [],
            })  # fmt: skip

    async def sync(self, request: Any) -> tuple[int, bytes]:
        """Return a member's assignment, once the leader has made it."""
        error = self._known(request.member_id, request.generation_id)
        if error or self.state == PREPARING:
            return error or REBALANCING, b""
        member = self.members[request.member_id]
        self.keep(member)
        if self.state == STABLE:
            return OK, self.assignments.get(member.id, b"")
        member.synced = asyncio.get_running_loop().create_future()
        if member.id == self.leader:
            self.assignments = dict(request.group_assignment)
            self.state = STABLE
            for each in self.members.values():
                _answer(each.synced, (OK, self.assignments.get(each.id, b"")))
        return await member.synced

    def heartbeat(self, request: Any) -> int:
        """Keep a member; say whether the group is changing."""
        error = self._known(request.member_id, request.generation_id)
        if error:
            return error
        self.keep(self.members[request.member_id])
        return REBALANCING if self.state == PREPARING else OK

    def leave(self, member_id: str) -> int:
        """Take a member out."""
        if member_id not in self.members:
            return UNKNOWN_MEMBER
        self.expel(member_id)
        return OK

    def commit(self, request: Any, partitions: list[tuple[int, int, str]]) -> int:
        """Remember offsets of a member of this generation."""
        error = self._known(request.consumer_id, request.consumer_group_generation_id)
        if not error and self.state == COMPLETING:
            error = REBALANCING
        if not error:
            self.committed.update({partition: offset for partition, offset, _ in partitions})
        return error

    def keep(self, member: _Member) -> None:
        """Count a member's session from now."""
        _cancel(member.expires)
        member.expires = asyncio.get_running_loop().call_later(member.session_s, self._expire, member.id)

    def _expire(self, member_id: str) -> None:
        member = self.members.get(member_id)
        if member is not None and not _waits(member.joined):
            self.expel(member_id)

    def expel(self, member_id: str) -> None:
        """Take a member out without a word to it, and let the others share."""
        self._remove(member_id)
        if not self.members:
            _cancel(self._deadline)
            self.state = EMPTY
            return
        self._prepare()
        self._maybe_complete()

    def _remove(self, member_id: str) -> None:
        member = self.members.pop(member_id)
        _cancel(member.expires)
        _answer(member.joined, _refusal(UNKNOWN_MEMBER, ""))
        _answer(member.synced, (UNKNOWN_MEMBER, b""))

    def _known(self, member_id: str, generation: int) -> int:
        if member_id not in self.members:
            return UNKNOWN_MEMBER
        return OK if generation == self.generation else ILLEGAL_GENERATION


def _refusal(error: int, member_id: str) -> dict[str, Any]:
    return {"error": error, "generation": -1, "protocol": "", "leader": "", "member": member_id, "members": []}


def _waits(future: "asyncio.Future[Any] | None") -> bool:
    return future is not None and not future.done()


def _answer(future: "asyncio.Future[Any] | None", answer: Any) -> None:
    if future is not None and not future.done():
        future.set_result(answer)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
