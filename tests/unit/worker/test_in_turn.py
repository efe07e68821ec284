"""Work on partitions in the order in which it was begun."""

import asyncio

import pytest

from stream.worker.in_turn import InTurn


async def waits_for(event, log, name):
    await event.wait()
    log.append(name)
    return name


async def fails():
    raise ZeroDivisionError


async def test_only_work_that_shares_a_partition_waits():
    in_turn, log, first, now = InTurn(), [], asyncio.Event(), asyncio.Event()
    now.set()
    slow = in_turn.begin([1, 2], waits_for(first, log, "slow"))
    behind = in_turn.begin([2, 3], waits_for(now, log, "behind"))
    apart = in_turn.begin([4], waits_for(now, log, "apart"))
    assert await apart == "apart"
    assert [in_turn.is_busy(number) for number in (1, 2, 3, 4, 5)] == [True, True, True, False, False]
    first.set()
    await in_turn.until_done([1, 2, 3, 4, 5])
    assert log == ["apart", "slow", "behind"]
    assert (await slow, await behind) == ("slow", "behind")


async def test_a_failure_is_that_of_all_that_follows_until_the_partition_is_forgotten():
    in_turn, log, now = InTurn(), [], asyncio.Event()
    now.set()
    in_turn.begin([1], fails())
    follows = in_turn.begin([1, 2], waits_for(now, log, "never"))
    with pytest.raises(ZeroDivisionError):
        await follows
    with pytest.raises(ZeroDivisionError):
        await in_turn.until_done([2])
    in_turn.forget(1)
    assert await in_turn.begin([1], waits_for(now, log, "again")) == "again"
    assert log == ["again"]


async def test_who_waits_may_be_cancelled_without_cancelling_the_work():
    in_turn, log, gate = InTurn(), [], asyncio.Event()
    work = in_turn.begin([1], waits_for(gate, log, "done"))
    waiting = asyncio.create_task(in_turn.until_done([1]))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.set()
    assert await work == "done"
