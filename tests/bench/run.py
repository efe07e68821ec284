"""Speed and latency on the real stack: `make bench`, or `python -m tests.bench.run --help`.

One worker process counts the standard topic (1 M events of 200 000 actors, a funnel of five steps, two more
that do not match); beside it, in the same run on the same servers, an ordinary Faust agent does the same funnel
event by event. What is reported are medians and the ratio of the two.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

from redis import Redis

from stream.demo.scrape import parse
from stream.model.verdict import Verdict
from stream.stack import Stack
from stream.stack.ports import free_ports
from stream.stack.processes import dying_with_parent
from tests.bench import load

ROOT = Path(__file__).parents[2]
POLL_S = 0.02
TIMEOUT_S = 300.0
TICKS = os.sysconf("SC_CLK_TCK")
MISSING = ("other", "another")

TRACKER = """\
kafka: {{bootstrap: "{kafka}", group: {name}}}
redis: {{url: "{redis}", namespace: {name}}}
sources:
  - topics: [{topic}]
    fields: {{actor: user_id, time: ts, id: event_id}}
    keyed_by_actor: true
funnels: funnels
dead_letter: {{topic: {topic}-dead}}
"""


class Process:
    """A measured process: CPU seconds so far, most memory."""

    def __init__(self, command, folder, environ):
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                dying_with_parent(command), cwd=ROOT, env={**os.environ, **environ}, stdout=log, stderr=log
            )

    def cpu_s(self):
        return cpu_s(self.popen.pid)

    def peak_mb(self):
        for line in Path(f"/proc/{self.popen.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0.0

    def check(self):
        if self.popen.poll() is not None:
            raise SystemExit(f"a measured process ended:\n{self.log.read_text()[-3000:]}")

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            self.popen.wait(30)


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def busy_s():
    """CPU seconds of the whole machine."""
    values = [int(value) for value in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(values) - values[3] - values[4]) / TICKS


def worker(stack, folder, topic, name):
    """Start one worker; returns it and its metrics port."""
    (folder / "funnels").mkdir()
    steps = "".join(f"  - event: {step}\n" for step in load.STEPS)
    (folder / "funnels/bench.yaml").write_text(f"funnel: bench\nversion: 1\nwindow: 1h\nsteps:\n{steps}")
    for other in MISSING:
        body = f"funnel: {other}\nversion: 1\nwindow: 1h\nsteps:\n  - event: {other}_a\n  - event: {other}_b\n"
        (folder / f"funnels/{other}.yaml").write_text(body)
    text = TRACKER.format(kafka=stack.kafka, redis=stack.redis_url, topic=topic, name=name)
    (folder / "tracker.yaml").write_text(text)
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "stream", "worker", "--config", str(folder / "tracker.yaml")]
    return Process([*command, "--metrics-port", str(port)], folder, {}), port


def agent(stack, folder, topic, name):
    """Start the ordinary agent."""
    environ = {
        "BENCH_KAFKA": stack.kafka,
        "BENCH_REDIS": stack.redis_url,
        "BENCH_TOPIC": topic,
        "BENCH_GROUP": name,
    }
    command = [sys.executable, "-m", "faust", "--loop", "uvloop", "--datadir", str(folder)]
    return Process([*command, "-A", "tests.bench.idiomatic_agent", "worker", "-l", "warn"], folder, environ)


def stored_offsets(redis, name):
    """Sum of next offsets of a namespace, asked of Redis directly."""
    with redis.pipeline(transaction=False) as pipeline:
        for partition in range(load.PARTITIONS):
            pipeline.hget(f"{{{name}:{partition}}}:head", "next_offset")
        return sum(int(value or 0) for value in pipeline.execute())


def throughput(stack, topic, count, system):
    """Measure one system over the whole topic; returns a row."""
    redis = Redis.from_url(stack.redis_url)
    name = f"{system}-{time.time_ns()}"
    redis_pid = stack.pid("redis") if stack.owns("redis") else None
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        before_bytes = redis.info("memory")["used_memory"]
        if system == "ours":
            process, _ = worker(stack, folder, topic, name)
            seen = lambda: stored_offsets(redis, name)  # noqa: E731
        else:
            process = agent(stack, folder, topic, name)
            seen = lambda: int(redis.get(f"{name}:seen") or 0)  # noqa: E731
        try:
            row = _watch(process, seen, count, redis_pid)
        finally:
            process.stop()
    row |= {"system": system, "events": count}
    if system == "ours":
        actors = sum(redis.hlen(key) for key in redis.scan_iter(match=f"{{{name}:*}}:a:*", count=5_000))
        row |= {
            "actors": actors,
            "redis_bytes_per_actor": (redis.info("memory")["used_memory"] - before_bytes) / actors,
        }
    return row


def _watch(process, seen, count, redis_pid):
    first = None
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        done, now = seen(), time.monotonic()
        process.check()
        if done and first is None:
            first = (done, now, process.cpu_s(), cpu_s(redis_pid) if redis_pid else 0.0, busy_s())
        if done >= count:
            break
        if now > deadline:
            raise SystemExit(f"only {done} of {count} events after {TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)
    done_first, at, cpu, redis_cpu, busy = first
    events, wall = count - done_first, now - at
    own = process.cpu_s() - cpu
    redis_own = cpu_s(redis_pid) - redis_cpu if redis_pid else 0.0
    return {
        "events_per_s": events / wall,
        "cpu_s_per_million": own / events * 1e6,
        "redis_cpu_s_per_million": redis_own / events * 1e6,
        "other_cores": (busy_s() - busy - own - redis_own) / wall,
        "rss_mb": process.peak_mb(),
    }


def latency(stack, rate, seconds):
    """Measure from an event's due time to its count on /metrics; returns a row.

    Each look at /metrics that shows N records dates the sending of the N-th: its age is the latency of what
    became visible since the look before.
    """
    topic = name = f"pace-{time.time_ns()}"
    sent, looks = [], []
    over = threading.Event()
    with tempfile.TemporaryDirectory() as text:
        asyncio.run(load.make_topic(stack.kafka, topic))
        process, port = worker(stack, Path(text), topic, name)
        try:
            _wait_ready(port, process)
            watching = threading.Thread(target=_look, args=(port, looks, over))
            watching.start()
            cpu, start = process.cpu_s(), time.monotonic()
            asyncio.run(load.pace(stack.kafka, topic, rate, seconds, sent))
            cores = (process.cpu_s() - cpu) / (time.monotonic() - start)
            deadline = time.monotonic() + 30
            while (not looks or looks[-1][0] < sent[-1][0]) and time.monotonic() < deadline:
                time.sleep(POLL_S)
            over.set()
            watching.join()
        finally:
            process.stop()
    ages = sorted(_ages(sent, looks, warm_up=rate * seconds // 4))
    if not ages:
        raise SystemExit("no event became visible")
    at = lambda share: ages[min(len(ages) - 1, int(share * len(ages)))] * 1000  # noqa: E731
    return {"system": "latency", "rate": rate, "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1), "cores": cores}


def _ages(sent, looks, warm_up):
    """Seconds from due to visible, of each group of events sent together."""
    position = 0
    for number, due_s in sent:
        if number <= warm_up:
            continue
        while position < len(looks) and looks[position][0] < number:
            position += 1
        if position == len(looks):
            return
        yield looks[position][1] - due_s


def _look(port, looks, over):
    while not over.is_set():
        page = parse(urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode())
        total = sum(page.get(("funnel_records_total", (("verdict", verdict.label),)), 0) for verdict in Verdict)
        looks.append((total, time.time()))
        over.wait(POLL_S)


def _wait_ready(port, process):
    deadline = time.monotonic() + 60
    while True:
        process.check()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def report(rows):
    """Print the medians."""
    ours = [row for row in rows if row["system"] == "ours"]
    ordinary = [row for row in rows if row["system"] == "ordinary"]
    lines = [
        "| system | events/s: median (least to most) | CPU s / M | Redis CPU s / M | RSS MB | Redis bytes / actor |",
        "|---|---|---|---|---|---|",
    ]
    for label, found in (("one worker", ours), ("ordinary Faust agent", ordinary)):
        if found:
            speed = sorted(row["events_per_s"] for row in found)
            median = lambda key, found=found: statistics.median(row.get(key, 0) for row in found)  # noqa: E731
            lines.append(
                f"| {label} | {statistics.median(speed):,.0f} ({speed[0]:,.0f} to {speed[-1]:,.0f}; n={len(speed)}) | "
                f"{median('cpu_s_per_million'):.1f} | {median('redis_cpu_s_per_million'):.1f} | "
                f"{median('rss_mb'):.0f} | {median('redis_bytes_per_actor'):.0f} |"
            )
    if ours and ordinary:
        both = [statistics.median(row["events_per_s"] for row in found) for found in (ours, ordinary)]
        lines.append(f"\nRatio: {both[0] / both[1]:.0f} times the ordinary agent.")
    lines += [
        f"\nEvent to /metrics at {row['rate']:,} events/s: p50 {row['p50_ms']:.0f} ms, p99 {row['p99_ms']:.0f} ms, "
        f"max {row['max_ms']:.0f} ms, {row['cores']:.2f} cores."
        for row in rows
        if row["system"] == "latency"
    ]
    others = max(row["other_cores"] for row in rows if "other_cores" in row)
    lines.append(f"\nMost CPU used by everything else (broker, clients): {others:.2f} cores.")
    print("\n".join(lines))


def machine():
    """One line about where this ran."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("faust-streaming", "aiokafka", "redis", "msgspec"))
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {libraries}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--ordinary-events", type=int, default=50_000, help="the agent is slow; it gets a prefix")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rates", type=int, nargs="*", default=[5_000, 50_000], help="for the latency, events/s")
    parser.add_argument("--seconds", type=int, default=20, help="of each latency measurement")
    parser.add_argument("--json", type=Path, help="append the rows to this file")
    args = parser.parse_args()
    rows = []
    with Stack.running(f"bench-{os.getpid()}", services=("kafka", "redis")) as stack:
        asyncio.run(load.fill(stack.kafka, "bench", args.events))
        asyncio.run(load.fill(stack.kafka, "bench-ordinary", args.ordinary_events))
        for _ in range(args.runs):
            rows.append(throughput(stack, "bench", args.events, "ours"))
            rows.append(throughput(stack, "bench-ordinary", args.ordinary_events, "ordinary"))
        rows += [latency(stack, rate, args.seconds) for rate in args.rates]
    print(machine(), "\n")
    report(rows)
    if args.json:
        with args.json.open("a") as file:
            file.writelines(json.dumps({"machine": machine(), **row}) + "\n" for row in rows)


if __name__ == "__main__":
    main()
