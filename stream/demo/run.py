"""Run a demo from start to end: servers, topics, workers, simulator, live view, final check.

In:  how long, how fast, how many workers.
Out: exit status: 0 if it was stopped by hand or every check holds, 1 if one does not.
"""

import asyncio
import io
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlencode

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.live import Live

from stream.demo.checks import Outcome, check
from stream.demo.children import Child
from stream.demo.place import Place, make_place, make_topics
from stream.demo.scrape import Seen, look
from stream.demo.view import funnel_table, live_view, plain_line
from stream.metrics import names
from stream.model.funnel import Funnel
from stream.settings.load import load_funnels
from stream.stack import Stack
from stream.stack.ports import free_ports

LOOK_S = 0.5
PLAIN_LINE_S = 2.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says. `seconds` None goes on until Ctrl-C. `picture`: where to draw the last view (SVG)."""

    name: str
    seconds: float | None
    rate: float
    workers: int
    seed: int
    picture: Path | None = None


@dataclass(frozen=True, slots=True)
class _Running:
    """Everything that is up."""

    place: Place
    funnels: tuple[Funnel, ...]
    ports: tuple[int, ...]
    workers: tuple[Child, ...]
    shop: Child
    links: tuple[tuple[str, str], ...]

    def check(self) -> None:
        for child in (*self.workers, self.shop):
            child.check()

    def look(self) -> Seen:
        return look(self.ports)


def run_demo(options: DemoOptions, console: Console) -> int:
    """Run the demo. Raises `StackError`, `DemoError` or `SettingsError` if it cannot be."""
    stopped = _Stopped()
    with stopped.listening(), ExitStack() as stack:
        console.print("starting Kafka, Redis and Prometheus (the first time, they are installed first) ...")
        servers = stack.enter_context(Stack.running(options.name))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="funnel-demo-")))
        running = _start(options, servers, folder, stack, console)
        _watch(running, options, console, stopped)
        if options.picture is not None:
            _draw(options.picture, running)
        if options.seconds is None or stopped:
            console.print("stopping everything ...")
            return 0
        running.shop.stop(signal.SIGINT)
        console.print("the shop has closed; waiting until everything is counted ...")
        outcome = asyncio.run(check(running.place.settings, running.funnels, running.look))
        _summarize(outcome, running, console)
        return 0 if outcome.is_good else 1


def _start(options: DemoOptions, servers: Stack, folder: Path, stack: ExitStack, console: Console) -> _Running:
    place = make_place(folder, servers.kafka, servers.redis_url)
    funnels = load_funnels(place.settings.funnels, place.settings.period)
    asyncio.run(make_topics(place))
    ports = tuple(free_ports(options.workers))
    workers = []
    for number, port in enumerate(ports, start=1):
        command = ["worker", "--config", str(place.tracker), "--metrics-port", str(port)]
        workers.append(_child(stack, f"worker-{number}", folder, command))
    if servers.owns("prometheus"):
        servers.set_targets([f"127.0.0.1:{port}" for port in ports])
    shop = ["simulate", "--topic", place.topic, "--bootstrap", servers.kafka, "--realtime"]
    shop += ["--rate", str(options.rate), "--seed", str(options.seed), "--think-seconds", "2"]
    simulator = _child(stack, "simulator", folder, shop)
    links = [(f"worker {number}", f"http://127.0.0.1:{port}/metrics") for number, port in enumerate(ports, start=1)]
    if servers.prometheus_url is not None:
        query = {"g0.expr": 'max by (step) (funnel_reached{funnel="checkout",window="1h",form="rolling",segment=""})'}
        links.append(("Prometheus", f"{servers.prometheus_url}/graph?{urlencode(query)}&g0.tab=0"))
    links += [("Kafka", f"{servers.kafka}, topic {place.topic}"), ("logs", str(folder))]
    for name, link in links:
        console.print(f"{name:<10} {link}", soft_wrap=True, highlight=False)
    return _Running(place, funnels, ports, tuple(workers), simulator, tuple(links))


def _child(stack: ExitStack, name: str, folder: Path, command: list[str]) -> Child:
    child = Child(name, folder, command)
    stack.callback(child.stop)
    return child


def _watch(running: _Running, options: DemoOptions, console: Console, stopped: "_Stopped") -> None:
    """Show the numbers until the time is over or somebody stops the demo."""
    before, seen = None, running.look()
    started: float | None = None
    show = _on_terminal if console.is_terminal else _as_lines
    with show(running, console) as draw:
        while not stopped:
            running.check()
            draw(seen, before)
            if started is None and seen.total(names.WORKER_RECORDS) > 0:
                started = time.monotonic()  # the time asked for begins with the first number
            if started is not None and options.seconds is not None and time.monotonic() - started >= options.seconds:
                return
            stopped.wait(LOOK_S)
            before, seen = seen, running.look()


Draw = Callable[[Seen, Seen | None], None]


@contextmanager
def _on_terminal(running: _Running, console: Console) -> Iterator[Draw]:
    with Live(console=console, refresh_per_second=4, transient=False) as live:

        def draw(seen: Seen, before: Seen | None) -> None:
            live.update(live_view(shown_funnels(running.funnels, seen), seen, before, running.links))

        yield draw


@contextmanager
def _as_lines(running: _Running, console: Console) -> Iterator[Draw]:
    last = 0.0

    def draw(seen: Seen, before: Seen | None) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_LINE_S:
            last = time.monotonic()
            funnel = shown_funnels(running.funnels, seen)[0]
            console.print(plain_line(funnel, seen, before), soft_wrap=True, highlight=False)

    yield draw


def shown_funnels(funnels: tuple[Funnel, ...], seen: Seen) -> list[Funnel]:
    """Return the funnels in the order of what entered them, so that the busiest is on top."""

    def entered(funnel: Funnel) -> float:
        values = [
            value
            for (name, labels), value in seen.shared.items()
            if name == names.ENTERED.name and ("funnel", funnel.name) in labels and ("segment", "") in labels
        ]
        return max(values, default=0)

    return sorted(funnels, key=lambda funnel: (-len(funnel.breakdowns), -entered(funnel), funnel.name))


def _draw(picture: Path, running: _Running) -> None:
    """Write the live view as it is now to an SVG file."""
    before = running.look()
    time.sleep(LOOK_S)
    seen = running.look()
    paper = Console(record=True, width=84, file=io.StringIO(), force_terminal=True)
    links = [(name, link.partition("?")[0]) for name, link in running.links if name != "logs"]
    paper.print(live_view(shown_funnels(running.funnels, seen)[:1], seen, before, links))
    # Without rich's web fonts: a picture loads nothing from elsewhere.
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    paper.save_svg(str(picture), title="make demo", code_format=form)


def _summarize(outcome: Outcome, running: _Running, console: Console) -> None:
    seen = running.look()
    for funnel in running.funnels:
        console.print(funnel_table(funnel, seen))
    for finding in outcome.findings:
        mark = "[green]holds[/]" if not finding.problems else "[bold red]FAILS[/]"
        console.print(f"{mark}  {finding.text}", highlight=False)
        for problem in finding.problems:
            console.print(f"         {problem}", highlight=False, soft_wrap=True)
    console.print("equal" if outcome.is_good else "NOT EQUAL", style="bold green" if outcome.is_good else "bold red")


class _Stopped:
    """Whether somebody asked to stop; the second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self._asked = False

    def __bool__(self) -> bool:
        return self._asked

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM as wishes while the block runs."""
        before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self, seconds: float) -> None:
        """Wait, or less if somebody asks to stop."""
        deadline = time.monotonic() + seconds
        while not self._asked and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
