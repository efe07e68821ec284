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
from functools import partial
from math import inf
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlencode

from rich.console import Console

from stream.demo.alerts import firing, page_of
from stream.demo.checks import Finding, check
from stream.demo.children import Child, stop_all
from stream.demo.incident import Incident
from stream.demo.look import PAGE, Eyes, Seen
from stream.demo.place import Place, make_place, make_rules, make_topics, remove_state, remove_topics
from stream.demo.scrape import read_pages
from stream.demo.view import Frame, Link, draw, line, picture
from stream.errors import DemoError, FunnelError
from stream.model.funnel import Funnel
from stream.settings.load import load_funnels
from stream.simulate.pace import now_ms
from stream.stack import Stack
from stream.stack.jars import KAFKA_VERSION, have_jars
from stream.stack.ports import LOOPBACK, free_ports
from stream.stack.programs import find_programs, missing_programs
from stream.stack.services import DEFAULT_SERVICES, ENVIRONMENT
from stream.stack.state import cache_folder
from stream.terminal.client import Client
from stream.terminal.screen import say, screen
from stream.terminal.view import funnel_parts

LOOK_S = 0.5
FIRST_NUMBER_S = 120.0  # some 15 s on a machine that does nothing else
THINK_SECONDS = 2  # so that somebody who watches sees the first conversions after a few seconds
GRAPH = 'max by (step) (funnel_reached{funnel="%s",counts="attempts",window="1h",form="rolling",breakdown=""})'
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says. `seconds` None goes on until Ctrl-C; `rate` is events per second.

    incident: seconds after the shop's opening, None for none. keep: leave the folder with logs and data.
    picture: where to draw the last view (SVG).
    """

    name: str
    seconds: float | None
    rate: float
    workers: int
    seed: int
    incident: float | None
    keep: bool = False
    picture: Path | None = None


@dataclass(slots=True)
class _Running:
    """Everything that is up. `children`: the workers, and the shop once it has opened."""

    place: Place
    funnels: tuple[Funnel, ...]
    children: list[Child]
    kafka: str
    eyes: Eyes
    frame: Frame

    def check(self) -> None:
        """Raise `DemoError` if a worker or the shop has ended."""
        for child in self.children:
            child.check()

    def open_shop(self, options: DemoOptions) -> Child:
        """Start the simulator; the incident's time begins to run."""
        shop = ["simulate", "--topic", self.place.topic, "--bootstrap", self.kafka, "--realtime"]
        shop += ["--rate", str(options.rate), "--seed", str(options.seed), "--think-seconds", str(THINK_SECONDS)]
        if options.incident is not None:
            incident = Incident(now_ms() + round(options.incident * 1000))
            self.frame = self.frame._replace(incident=incident)
            shop += incident.options()
        child = Child("simulator", self.place.folder, shop)
        self.children.append(child)
        return child


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
        ports = tuple(free_ports(options.workers))
        page = f"http://{LOOPBACK}:{ports[0]}{PAGE}"
        say(console, f"live page  {page} (answers in half a minute)")
        folder = Path(tempfile.mkdtemp(prefix="funnel-demo-")) if options.keep else None
        if folder is not None:
            stack.callback(say, console, f"logs and data are kept in {folder}")
        servers = _start_servers(options, ports, folder, stack, console)
        root = folder or servers.directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = _start(ports, servers, root / "demo", stack, console)
        try:
            shop = _watch(running, options, console)
        except KeyboardInterrupt:
            say(console, f"stopping everything, the live page at {page} too ...")
            raise
        shop.finish(signal.SIGINT)
        running.children.remove(shop)
        say(console, "the shop has closed; counting what it has left ...")
        pages = partial(read_pages, ports)
        findings = asyncio.run(check(running.place.settings, running.funnels, pages, running.check))
        _summarize(findings, running, console)
        return 1 if any(finding.problems for finding in findings) else 0


# -- start ------------------------------------------------------------------------------------


def _start_servers(
    options: DemoOptions, ports: tuple[int, ...], folder: Path | None, stack: ExitStack, console: Console
) -> Stack:
    began = time.monotonic()
    for text in _what_is_done_first():
        say(console, text)
    say(console, "starting Kafka, Redis and Prometheus ...")
    targets = [f"{LOOPBACK}:{port}" for port in ports]
    with tempfile.TemporaryDirectory() as scratch:  # the stack takes a copy
        rules = [make_rules(Path(scratch))]
        running = Stack.running(options.name, scrape_targets=targets, rule_files=rules, directory=folder)
        servers = stack.enter_context(running)
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


def _start(ports: tuple[int, ...], servers: Stack, folder: Path, stack: ExitStack, console: Console) -> _Running:
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
    for number, port in enumerate(ports, start=1):
        command = ["worker", "--config", str(place.tracker), "--metrics-port", str(port)]
        children.append(Child(f"worker-{number}", folder, command))
    prometheus = servers.prometheus_url if servers.owns("prometheus") else None
    urls = [f"http://{LOOPBACK}:{port}" for port in ports]
    links = tuple(_links(servers, place, urls, prometheus, funnels[0]))
    page = f"{urls[0]}{PAGE}"
    for link in (*links, Link("live page", page)):
        say(console, f"{link.name:<10} {link.url or link.text}")
    eyes = Eyes([Client(url) for url in urls], prometheus)
    return _Running(place, funnels, children, servers.kafka, eyes, Frame(page, links))


def _links(servers: Stack, place: Place, urls: list[str], prometheus: str | None, funnel: Funnel) -> Iterator[Link]:
    if prometheus is not None:
        graph = urlencode({"g0.expr": GRAPH % funnel.name, "g0.tab": 0, "g0.range_input": "15m"})
        yield Link("alerts", page_of(prometheus))
        yield Link("Prometheus", prometheus, "graph", f"{prometheus}/graph?{graph}")
    for number, url in enumerate(urls, start=1):
        yield Link(f"worker {number}", f"{url}/metrics")
    yield Link("Kafka", f"{servers.kafka}, topic {place.topic}")
    yield Link("logs", str(place.folder))


def _tidy(console: Console, remove: Callable[[Place], Coroutine[Any, Any, None]], place: Place) -> None:
    """Remove what the demo made on servers that are not its own; say so if that fails."""
    try:
        asyncio.run(remove(place))
    except FunnelError as error:
        say(console, f"not removed: {error}")


# -- watch ------------------------------------------------------------------------------------


def _watch(running: _Running, options: DemoOptions, console: Console) -> Child:
    """Open the shop once the workers are ready, show the numbers until the time is over, and return the shop.

    The time asked for begins with the first number.
    """
    tell = _Teller(console)
    within_s = inf if options.seconds is None else FIRST_NUMBER_S
    with screen(console, lambda seen: picture(seen, running.frame, console.height), line) as show:

        def look() -> Seen:
            running.check()
            seen = running.eyes.look()
            show(seen)
            tell.what_is_new(seen, running.frame.incident)
            return seen

        _look_until(look, lambda seen: seen.are_ready, within_s)
        shop = running.open_shop(options)
        first_s = _look_until(look, lambda seen: seen.is_counting, within_s).at_s
        seconds = inf if options.seconds is None else options.seconds
        seen = _look_until(look, lambda seen: seen.at_s - first_s >= seconds)
    if options.picture is not None:
        links = [link for link in running.frame.links if link.name != "logs"]  # a path of one machine at one time
        draw(options.picture, seen, running.frame._replace(links=links))
    return shop


def _look_until(look: Callable[[], Seen], is_so: Callable[[Seen], bool], within_s: float = inf) -> Seen:
    """Look until it is so. Raises `DemoError` if that takes longer than `within_s`."""
    seen = look()
    began_s = seen.at_s
    while not is_so(seen):
        if seen.at_s - began_s > within_s:
            waits = "; ".join(f"worker {number}: {said}" for number, said in enumerate(seen.workers, start=1))
            raise DemoError(f"no number within {within_s:.0f} s ({waits}); --keep leaves the logs")
        time.sleep(LOOK_S)
        seen = look()
    return seen


class _Teller:
    """Says what begins, once, in lines that stay."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()

    def what_is_new(self, seen: Seen, incident: Incident | None) -> None:
        after = ""
        if incident is not None and incident.has_begun(seen.now_ms):
            self._tell(f"incident   {incident.text(seen.now_ms)}", "yellow")
            after = f", {(seen.now_ms - incident.begin_ms) / 1000:.0f} s after the incident began"
        for text in firing(seen.alerts):
            self._tell(f"alert      {text}", "bold red", after)

    def _tell(self, text: str, style: str, more: str = "") -> None:
        if text not in self._told:
            self._told.add(text)
            say(self._console, text + more, style)


# -- end --------------------------------------------------------------------------------------


def _summarize(findings: tuple[Finding, ...], running: _Running, console: Console) -> None:
    looked = running.eyes.look().looked
    for info, view in looked.views if looked is not None else ():
        for part in funnel_parts(info, view):
            console.print(part)
    for finding in findings:
        say(console, f"{'FAILS' if finding.problems else 'holds'}  {finding.text}", _color(not finding.problems))
        for problem in finding.problems:
            say(console, f"       {problem}")
    say(console, f"live page  {running.frame.page} (ends now; without --seconds it stays until Ctrl-C)")
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
