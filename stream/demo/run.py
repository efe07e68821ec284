"""Run a demo from start to end: servers, topics, workers, simulator, live view, final check.

In:  how long, how fast, how many workers.
Out: exit status: 0 if it was stopped by hand or every check holds, 1 if one does not.

Whenever and however it ends, its processes end with it: children die with it (`demo.children`),
and so do the servers it started (`stream.stack`).
"""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlencode

from rich.console import Console

from stream.demo.checks import Finding, check
from stream.demo.children import Child, stop_all
from stream.demo.place import Place, make_place, make_topics, remove_state, remove_topics
from stream.demo.scrape import Seen, look
from stream.demo.screen import draw_picture, say, screen
from stream.demo.view import Link, funnel_table
from stream.errors import DemoError, FunnelError
from stream.metrics import names
from stream.model.funnel import Funnel
from stream.settings.load import load_funnels
from stream.stack import Stack
from stream.stack.jars import KAFKA_VERSION, have_jars
from stream.stack.ports import free_ports
from stream.stack.programs import find_programs, missing_programs
from stream.stack.services import DEFAULT_SERVICES, ENVIRONMENT
from stream.stack.state import cache_folder

LOOK_S = 0.5
FIRST_NUMBER_S = 120.0  # some 15 s on a machine that does nothing else
THINK_SECONDS = 2  # so that somebody who watches sees the first conversions after a few seconds
GRAPH = 'max by (step) (funnel_reached{funnel="%s",counts="attempts",window="1h",form="rolling",breakdown=""})'
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says. `seconds` None goes on until Ctrl-C; `rate` is events per second.

    keep: leave the folder with logs and data. picture: where to draw the last view (SVG).
    """

    name: str
    seconds: float | None
    rate: float
    workers: int
    seed: int
    keep: bool = False
    picture: Path | None = None


@dataclass(frozen=True, slots=True)
class _Running:
    """Everything that is up."""

    place: Place
    funnels: tuple[Funnel, ...]
    ports: tuple[int, ...]
    workers: tuple[Child, ...]
    shop: Child
    links: tuple[Link, ...]

    def check_workers(self) -> None:
        for child in self.workers:
            child.check()

    def look(self) -> Seen:
        return look(self.ports)


def run_demo(options: DemoOptions, console: Console) -> int:
    """Run the demo. Raises `StackError`, `DemoError` or `SettingsError` if it cannot be."""
    with _ending_by_signal():
        try:
            return _run(options, console)
        except KeyboardInterrupt:
            # Asked for a check that was not made, it must not look as if that had passed.
            return 0 if options.seconds is None else INTERRUPTED


def _run(options: DemoOptions, console: Console) -> int:
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="funnel-demo-")) if options.keep else None
        if folder is not None:
            stack.callback(say, console, f"logs and data are kept in {folder}")
        servers = _start_servers(options, folder, stack, console)
        root = folder or servers.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = _start(options, servers, root / "demo", stack, console)
        try:
            _watch(running, options, console)
        except KeyboardInterrupt:
            say(console, "stopping everything ...")
            raise
        running.shop.finish(signal.SIGINT)
        say(console, "the shop has closed; counting what it has left ...")
        findings = asyncio.run(check(running.place.settings, running.funnels, running.look, running.check_workers))
        _summarize(findings, running, console)
        return 1 if any(finding.problems for finding in findings) else 0


# -- start ------------------------------------------------------------------------------------


def _start_servers(options: DemoOptions, folder: Path | None, stack: ExitStack, console: Console) -> Stack:
    began = time.monotonic()
    for line in _what_is_done_first():
        say(console, line)
    say(console, "starting Kafka, Redis and Prometheus ...")
    servers = stack.enter_context(Stack.running(options.name, directory=folder))
    say(console, f"they are ready after {time.monotonic() - began:.1f} s; starting {options.workers} workers ...")
    return servers


def _what_is_done_first() -> Iterator[str]:
    """Say what is installed and downloaded before anything can start; nothing after the first run."""
    own = [name for name in DEFAULT_SERVICES if not os.environ.get(ENVIRONMENT[name], "").strip()]
    has_jars = have_jars(cache_folder())
    missing = missing_programs(own, find_programs(), have_kafka=has_jars)
    if missing:
        yield f"missing here: {', '.join(missing)}; installing or using Docker, a minute or two ..."
    if "kafka" in own and not has_jars:
        yield f"getting Kafka {KAFKA_VERSION}, once ..."


def _start(options: DemoOptions, servers: Stack, folder: Path, stack: ExitStack, console: Console) -> _Running:
    folder.mkdir(mode=0o700)
    place = make_place(folder, servers.kafka, servers.redis_url)
    funnels = load_funnels(place.settings.funnels, place.settings.period)
    asyncio.run(make_topics(place))
    if not servers.owns("kafka"):
        stack.callback(_tidy, console, remove_topics, place)
    if not servers.owns("redis"):
        stack.callback(_tidy, console, remove_state, place)
    children: list[Child] = []
    stack.callback(stop_all, children)
    ports = tuple(free_ports(options.workers))
    for number, port in enumerate(ports, start=1):
        command = ["worker", "--config", str(place.tracker), "--metrics-port", str(port)]
        children.append(Child(f"worker-{number}", folder, command))
    workers = tuple(children)
    if servers.owns("prometheus"):
        servers.set_targets([f"127.0.0.1:{port}" for port in ports])
    shop = ["simulate", "--topic", place.topic, "--bootstrap", servers.kafka, "--realtime"]
    shop += ["--rate", str(options.rate), "--seed", str(options.seed), "--think-seconds", str(THINK_SECONDS)]
    children.append(Child("simulator", folder, shop))
    links = tuple(_links(servers, place, ports, funnels[0]))
    for link in links:
        say(console, f"{link.name:<10} {link.url or link.text}")
    return _Running(place, funnels, ports, workers, children[-1], links)


def _links(servers: Stack, place: Place, ports: tuple[int, ...], funnel: Funnel) -> Iterator[Link]:
    for number, port in enumerate(ports, start=1):
        yield Link(f"worker {number}", f"http://127.0.0.1:{port}/metrics")
    if servers.prometheus_url is not None and servers.owns("prometheus"):
        graph = urlencode({"g0.expr": GRAPH % funnel.name, "g0.tab": 0, "g0.range_input": "15m"})
        yield Link("Prometheus", servers.prometheus_url, "graph", f"{servers.prometheus_url}/graph?{graph}")
    yield Link("Kafka", f"{servers.kafka}, topic {place.topic}")
    yield Link("logs", str(place.folder))


def _tidy(console: Console, remove: Callable[[Place], Coroutine[Any, Any, None]], place: Place) -> None:
    """Remove what the demo made on servers that are not its own; say so if that fails."""
    try:
        asyncio.run(remove(place))
    except FunnelError as error:
        say(console, f"not removed: {error}")


# -- watch ------------------------------------------------------------------------------------


def _watch(running: _Running, options: DemoOptions, console: Console) -> None:
    """Show the numbers until the time is over; the time asked for begins with the first number."""
    began = time.monotonic()
    started: float | None = None
    before = seen = running.look()
    with screen(console, running.funnels, running.links) as draw:
        while True:
            running.check_workers()
            running.shop.check()
            draw(seen)
            if started is None and seen.value(names.RECORDS, verdict="accepted"):
                started = seen.at_s
            if options.seconds is not None and _is_over(seen, began, started, options.seconds):
                break
            time.sleep(LOOK_S)
            before, seen = seen, running.look()
    if options.picture is not None:
        links = [link for link in running.links if link.name != "logs"]  # a path of one machine at one time
        draw_picture(options.picture, running.funnels, seen, before, links)


def _is_over(seen: Seen, began: float, started: float | None, seconds: float) -> bool:
    """Tell whether the time is over. Raises `DemoError` if it does not even begin."""
    if started is not None:
        return seen.at_s - started >= seconds
    if seen.at_s - began > FIRST_NUMBER_S:
        waits = "; ".join(f"worker {number}: {said}" for number, said in enumerate(seen.readiness, start=1))
        raise DemoError(f"no number within {FIRST_NUMBER_S:.0f} s ({waits}); --keep leaves the logs")
    return False


# -- end --------------------------------------------------------------------------------------


def _summarize(findings: tuple[Finding, ...], running: _Running, console: Console) -> None:
    seen = running.look()
    for funnel in running.funnels:
        console.print(funnel_table(funnel, seen))
    for finding in findings:
        say(console, f"{'FAILS' if finding.problems else 'holds'}  {finding.text}", _color(not finding.problems))
        for problem in finding.problems:
            say(console, f"       {problem}")
    is_good = not any(finding.problems for finding in findings)
    say(console, "equal" if is_good else "NOT EQUAL", f"bold {_color(is_good)}")


def _color(is_good: bool) -> str:  # noqa: FBT001
    return "green" if is_good else "red"


@contextmanager
def _ending_by_signal() -> Iterator[None]:
    """Let SIGINT, SIGTERM and a closed terminal end the block with KeyboardInterrupt, wherever it stands."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
