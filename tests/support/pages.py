"""What the live page shows in tests: funnels of every shape, and visits whose numbers are the same in every run.

Times are set off from the moment the visits are made; windows are long enough that nothing moves out of one
during a test.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from stream.stack.processes import dying_with_parent
from support.workers import ROOT, Site

SECOND_MS = 1_000
MINUTE_MS = 60_000
VISITORS = 400
SEGMENTS = 200
ODD_NAME = "<img src=x onerror=alert(1)> & “Zwölf Boxkämpfer” " + "jagen-Viktor-quer-" * 2
ODD_SEGMENTS = ("<script>alert(1)</script>", "x" * 300, "مرحبا", "")


def step(event, **more):
    return {"event": event, **more}


def in_euro(event, amount):
    return step(event, name=event.capitalize().replace("_", " "), value={"property": amount, "currency": "EUR"})


def shown(name, count):
    """Return a breakdown of which so many values are shown by name."""
    return {"name": name, "properties": [name], "export": {"top_segments": count}}


FUNNELS = [
    {"funnel": "checkout", "title": "Web shop checkout", "window": "30m", "breakdowns": ["device", "channel"],
     "target": "20%", "benchmarks": [
         {"name": "landing pages, average", "conversion": "2.35%"},
         {"name": "landing pages, best quarter", "conversion": "5.31%"},
     ], "steps": [
        step("view_page", name="View a page"),
        step("view_product", name="View a product", target="55%", target_within={"15m": "50%"}),
        in_euro("add_to_cart", "cart"), step("begin_checkout", name="Begin checkout"), in_euro("purchase", "revenue"),
    ]},
    {"funnel": "checkout", "version": 2, "title": "Web shop checkout", "window": "30m", "steps": [
        step("view_page"), step("purchase"),
    ]},
    {"funnel": "sessions", "title": "Sessions with options", "window": "30m", "session": {"gap": "20m"}, "steps": [
        step("view_page"), step("view_product", optional=True), step("add_to_cart"), step("purchase"),
    ], "exclusions": [step("begin_checkout", **{"from": "add_to_cart"})]},
    {"funnel": "empty", "title": "Nobody comes", "window": "1h", "breakdowns": ["device"], "steps": [
        step("never"), step("ever"),
    ]},
    {"funnel": "year", "title": "More than a year", "window": "400d", "period": {"unit": "month"}, "steps": [
        step("view_page"), step("purchase"),
    ]},
    {"funnel": "weekly", "window": "1h", "period": {"unit": "week"}, "steps": [step("view_product"), step("purchase")]},
    {"funnel": "wide", "title": "Many steps and segments", "window": "1h", "breakdowns": [shown("campaign", SEGMENTS)],
     "steps": [step(f"step_{number}", name=f"Step number {number} of twenty") for number in range(1, 21)]},
    {"funnel": "odd", "title": ODD_NAME, "window": "1h", "breakdowns": [shown("odd", 20)], "steps": [
        step("odd_1", name=ODD_NAME), step("odd_2"),
    ]},
]  # fmt: skip
STAGED = ("marketing-six", "marketing-five")


class PageSite(Site):
    """Ten funnels, and a worker that has counted the visits."""

    def define(self, _version):
        for number, funnel in enumerate(FUNNELS):  # JSON is YAML
            (self.folder / f"funnels/{number}.yaml").write_text(json.dumps(funnel))
        for name in STAGED:
            shutil.copy(ROOT / f"config/funnels/{name}.yaml", self.folder / "funnels")


def visits(now_ms):
    """Return (key, value, record time) of everybody's events, oldest first."""
    draw = random.Random(11)
    found = []

    def add(actor, name, at_ms, **properties):
        body = {"id": f"{actor}-{name}-{at_ms}", "anonymous_id": actor, "event": name, "time": at_ms}
        found.append((actor.encode(), json.dumps({**body, "properties": properties}).encode(), at_ms))

    shares = (0.78, 0.46, 0.62, 0.7)
    for number in range(VISITORS):
        actor = f"visitor-{number}"
        device = draw.choices(("mobile", "desktop", "tablet"), (6, 3, 1))[0]
        channel = draw.choices(("search", "email", "social"), (5, 3, 2))[0]
        at_ms = now_ms - draw.randrange(3 * MINUTE_MS, 45 * MINUTE_MS)
        cart = draw.randrange(900, 20_000) / 100
        add(actor, "view_page", at_ms, device=device, channel=channel)
        for name, share in zip(("view_product", "add_to_cart", "begin_checkout", "purchase"), shares, strict=True):
            if draw.random() > share * (0.8 if device == "mobile" and name == "purchase" else 1):
                break
            at_ms = min(at_ms + round(draw.lognormvariate(3.3, 1.1) * SECOND_MS), now_ms - SECOND_MS)
            worth = {"add_to_cart": {"cart": cart}, "purchase": {"revenue": cart}}.get(name, {})
            add(actor, name, at_ms, device=device, channel=channel, **worth)
    for number in range(SEGMENTS):
        for step in range(1, 2 + number % 20):
            at_ms = now_ms - 10 * MINUTE_MS + step * SECOND_MS
            add(f"wide-{number}", f"step_{step}", at_ms, campaign=f"campaign {number:03d}")
    for number, segment in enumerate(ODD_SEGMENTS):
        add(f"odd-{number}", "odd_1", now_ms - 5 * MINUTE_MS, odd=segment)
    return sorted(found, key=lambda record: record[2])


class PageServer:
    """One `funnel serve` process."""

    def __init__(self, folder, *options, **environ):
        self.log = folder / f"serve-{time.monotonic_ns()}.log"
        known = {k: v for k, v in os.environ.items() if k not in {"KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"}}
        command = [sys.executable, "-m", "stream", "serve", "--config", str(folder / "tracker.yaml"), "--port", "0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                dying_with_parent([*command, *options]), cwd=ROOT, env={**known, **environ}, stdout=log, stderr=log
            )

    @property
    def url(self):
        """Where the page is; None until it is."""
        return next((line.split("page at ")[1] for line in self.said().splitlines() if "page at " in line), None)

    def said(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        """End it as an operator does; returns the exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        return self.process.wait(10)


def awaited(coroutine):
    """Return what comes of a coroutine, in a thread of its own: Playwright's loop runs in the tests'."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def ask(url, **headers):
    """Return the JSON of a URL."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
        return json.load(answer)
