"""An event loop on virtual time that knows which simulated process each callback belongs to.

In:  callbacks, each in the context of a process (or of nobody: servers and the test itself).
Out: the same order for the same seed; no second passes while nothing is to be done.

A process is FIFO, as asyncio promises; which process goes next is drawn. A dead process runs nothing any more,
not even what would clean up after it. A frozen one runs nothing until it is thawed, then everything that came due.
"""

import asyncio
import heapq
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import Context, ContextVar
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from typing import Any
from unittest.mock import patch

from aiokafka.errors import KafkaError
from mode import Service

START_S = 1_000.0  # of the monotonic clock: a machine that has been up for a while
EPOCH_S = 1_700_000_000.0  # of the wall clock, at that moment
TURN_S = 20e-6  # what a callback takes
MOST_TURNS = 400_000  # a run that takes more turns in circles


class Process:
    """What can be killed and frozen; everything that is started inside `within` belongs to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = self.is_killed = self.is_frozen = False
        self.held: deque[asyncio.Handle] = deque()

    def freeze(self) -> None:
        """Stop, as SIGSTOP does."""
        self.is_frozen = True

    def kill(self) -> None:
        """End at once, as SIGKILL does."""
        self.is_killed = not self.is_dead
        self.end()

    def end(self) -> None:
        """End, after everything was stopped."""
        self.is_dead = True
        self.held.clear()


CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one callback a turn; time jumps to the next timer when there is none to run.

    turns: callbacks run so far. errors: what nobody has caught.
    All tasks are kept until the end: what a dead process was about to do must not be tidied up in between.
    """

    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self.turns = 0
        self.errors: list[dict[str, Any]] = []
        self._draw = draw
        self._now = START_S
        self._queues: dict[Process | None, deque[asyncio.Handle]] = {}
        self._alarms: list[tuple[int, int, Callable[[], None]]] = []
        self._tasks: list[tuple[asyncio.Task[Any], Process | None]] = []
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        """Return the virtual monotonic time."""
        return self._now

    def wall(self) -> float:
        """Return the virtual wall clock."""
        return EPOCH_S + self._now - START_S

    @property
    def has_alarms(self) -> bool:
        """Whether some `at_turn` is still to come."""
        return bool(self._alarms)

    def at_turn(self, turn: int, act: Callable[[], None]) -> None:
        """Call `act` between two callbacks: before the one with this number."""
        heapq.heappush(self._alarms, (turn, len(self._alarms), act))

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on, as SIGCONT does."""
        process.is_frozen = False
        self._ready.extend(process.held)
        process.held.clear()

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run `main`, then throw away whatever is left; no code of it runs any more."""
        asyncio.set_event_loop(self)
        try:
            return self.run_until_complete(main)
        finally:
            self.close()
            asyncio.set_event_loop(None)
            before = logging.root.manager.disable
            logging.disable()
            direct = [(task, None) for task in asyncio.all_tasks(self)]  # Faust makes some without `create_task`
            for task, process in self._tasks + direct:
                self._end(task, process)
            self._tasks.clear()
            logging.disable(before)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> Any:
        """Make a task, and keep it."""
        task = super().create_task(coro, name=name, context=context)
        self._tasks.append((task, CURRENT.get() if context is None else context.get(CURRENT)))
        return task

    def _end(self, task: "asyncio.Task[Any]", process: Process | None) -> None:
        if not task.done():
            task._log_destroy_pending = False
            _close(task.get_coro())
        elif task._log_traceback:
            task._log_traceback = False
            is_cut_off = process is not None and process.is_killed
            # A KafkaError: what is left of a commit that took too long, aiokafka's own.
            if not is_cut_off and not isinstance(task.exception(), KafkaError):
                self.errors.append({"message": f"{task!r} failed", "exception": task.exception()})

    def _run_once(self) -> None:
        while self._alarms and self._alarms[0][0] <= self.turns:
            heapq.heappop(self._alarms)[2]()
        if not self._ready and not self._queues:
            self._jump()
        self._take_due()
        while self._ready:
            self._sort_in(self._ready.popleft())
        if self._queues:
            self._run_one()

    def _sort_in(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(CURRENT)
        if process is None or not (process.is_dead or process.is_frozen):
            self._queues.setdefault(process, deque()).append(handle)
        elif not process.is_dead:
            process.held.append(handle)

    def _run_one(self) -> None:
        queues = self._queues
        process = next(iter(queues)) if len(queues) == 1 else self._draw.choice(list(queues))
        if process is not None and (process.is_dead or process.is_frozen):
            for handle in queues.pop(process):
                self._sort_in(handle)
            return
        handle = queues[process].popleft()
        if not queues[process]:
            del queues[process]
        if not handle._cancelled:
            self.turns += 1
            self._now += TURN_S
            if self.turns > MOST_TURNS:
                raise RuntimeError("the simulated processes run in circles")
            handle._run()

    def _jump(self) -> None:
        """Go to the next timer."""
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False
        if not self._scheduled:
            raise RuntimeError("nothing will ever happen again")
        self._now = max(self._now, self._scheduled[0]._when)

    def _take_due(self) -> None:
        timers = self._scheduled
        while timers and timers[0]._when <= self._now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if not timer._cancelled:
                self._ready.append(timer)

    def _check_closed(self) -> None:
        """Let what is thrown away call back; it is not run."""

    def _write_to_self(self) -> None:
        """Nothing sleeps that would have to be woken up."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers are dropped when they come due."""


@contextmanager
def within(process: Process | None) -> Iterator[None]:
    """Let the tasks and callbacks that are made here belong to `process`."""
    token = CURRENT.set(process)
    try:
        yield
    finally:
        CURRENT.reset(token)


def _close(coro: Any) -> None:
    if iscoroutine(coro) and getcoroutinestate(coro) == CORO_CREATED:
        for argument in filter(iscoroutine, coro.cr_frame.f_locals.values()):
            _close(argument)  # else it complains that it was never awaited
    inner = getattr(coro, "cr_await", None)
    if iscoroutine(inner):
        _close(inner)
    for _ in range(2):  # what tidies up finds no loop that runs; what waits while it does is to be closed once more
        with suppress(BaseException):
            coro.close()


def _name_of(task: Any) -> str:
    return str(task.fun.__name__)


@contextmanager
def virtual_time(loop: VirtualLoop) -> Iterator[None]:
    """Let every module see the loop's time, and draw from the run's seed."""
    state = random.getstate()
    random.seed(loop._draw.random())  # aiokafka shuffles
    unsorted = Service._get_tasks  # a set of names: its order is another one in each process
    with ExitStack() as stack:
        stack.callback(random.setstate, state)
        stack.enter_context(patch.multiple("time", time=loop.wall, monotonic=loop.time, perf_counter=loop.time))
        stack.enter_context(patch.dict(Service.itertimer.__kwdefaults__, clock=loop.time))
        stack.enter_context(patch.object(Service, "_get_tasks", lambda self: sorted(unsorted(self), key=_name_of)))
        yield
