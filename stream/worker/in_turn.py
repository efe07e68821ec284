"""Work on partitions that must be done in the order in which it was begun, though it is not waited for.

In:  coroutines, each with the partitions that it touches.
Out: a task for each; it starts when all that was begun before for its partitions is done.

What fails makes all that follows for its partitions fail with the same error, until they are forgotten.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class InTurn:
    """The last task of each partition."""

    def __init__(self) -> None:
        self._last: dict[int, asyncio.Task[Any]] = {}

    def begin(self, partitions: Sequence[int], work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Start `work` behind what was begun before for these partitions."""
        task = asyncio.create_task(_after(self._tasks(partitions), work))
        self._last.update(dict.fromkeys(partitions, task))
        return task

    def is_busy(self, partition: int) -> bool:
        """Whether something begun for this partition is not done yet."""
        task = self._last.get(partition)
        return task is not None and not task.done()

    async def until_done(self, partitions: Iterable[int]) -> None:
        """Wait for all that was begun for these partitions; raises the first error."""
        await _all_done(self._tasks(partitions))

    def forget(self, partition: int) -> None:
        """Let what follows for this partition not wait for what was begun before."""
        self._last.pop(partition, None)

    def _tasks(self, partitions: Iterable[int]) -> set[asyncio.Task[Any]]:
        return {self._last[number] for number in partitions if number in self._last}


async def _after(before: set[asyncio.Task[Any]], work: Coroutine[Any, Any, _Result]) -> _Result:
    try:
        await _all_done(before)
    except BaseException:
        work.close()
        raise
    return await work


async def _all_done(tasks: set[asyncio.Task[Any]]) -> None:
    """Wait without ever cancelling them: whoever waits may be cancelled, they must not be."""
    if tasks:
        await asyncio.wait(tasks)
        for task in tasks:
            task.result()
