"""Who used the processors between two moments, how much memory a process took, and what machine this is.

In:  process ids, a Redis client.
Out: CPU seconds of the system under test, of Redis, of the broker, and of everybody else; a description for the page.

Linux only: read from /proc, with its ticks of 10 ms.
"""

import os
import platform
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from redis import Redis

from stream.engine import in_order

TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = ("faust-streaming", "aiokafka", "redis", "msgspec", "uvloop", "cramjam")
_PPID, _USER, _SYSTEM, _GONE_USER, _GONE_SYSTEM = 1, 11, 12, 13, 14  # fields of /proc/PID/stat behind the command


@dataclass(frozen=True, slots=True)
class Use:
    """CPU seconds; `broker` and `others` are None where the broker is not ours to look at."""

    system: float
    redis: float
    broker: float | None
    others: float | None


@dataclass(frozen=True, slots=True)
class Mark:
    """Totals at one moment, as in `Use`; `ours` is all that the bench started, `busy` the whole machine."""

    system: float
    redis: float
    broker: float | None
    ours: float
    busy: float

    def until(self, later: "Mark") -> Use:
        """Return what was used from here to `later`."""
        broker = others = None
        if self.broker is not None and later.broker is not None:
            broker = later.broker - self.broker
            others = max(0.0, (later.busy - self.busy) - (later.ours - self.ours))
        return Use(later.system - self.system, later.redis - self.redis, broker, others)


def mark(pids: Collection[int], servers: Collection[int], broker: int | None, redis: Redis) -> Mark:
    """Look now. pids: of the system under test. servers: other processes that are ours, the broker's among them."""
    fields = _all_fields()
    ours = _family(fields, os.getpid()) | set(pids) | set(servers)
    told = redis.info("cpu")
    return Mark(
        system=sum(_own_seconds(fields[pid]) for pid in pids if pid in fields),
        redis=sum(value for name, value in told.items() if name in REDIS_CPU),
        broker=_own_seconds(fields[broker]) if broker in fields else None,
        # The bench itself also has what its ended children used.
        ours=sum(_own_seconds(fields[pid]) for pid in ours if pid in fields) + _ended_seconds(fields[os.getpid()]),
        busy=_busy_seconds(),
    )


REDIS_CPU = ("used_cpu_sys", "used_cpu_user", "used_cpu_sys_children", "used_cpu_user_children")


def most_memory_bytes(pid: int) -> int:
    """Return the most resident memory the process ever had."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def describe(redis: Redis, kafka: str) -> dict[str, str]:
    """Return what the figures depend on: machine, versions, load when the bench began."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{os.cpu_count()} cores, {_processor()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "core": "Python" if Path(in_order.__file__).suffix == ".py" else "compiled",
        "Kafka": kafka,
        "Redis": str(redis.info("server")["redis_version"]),
        **{package: version(package) for package in PACKAGES},
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _all_fields() -> dict[int, list[str]]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue  # it has ended meanwhile
            found[int(folder.name)] = text.rpartition(")")[2].split()
    return found


def _family(fields: dict[int, list[str]], root: int) -> set[int]:
    family, size = {root}, 0
    while size != len(family):
        size = len(family)
        family |= {pid for pid, its in fields.items() if int(its[_PPID]) in family}
    return family


def _own_seconds(fields: list[str]) -> float:
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / TICKS


def _ended_seconds(fields: list[str]) -> float:
    return (int(fields[_GONE_USER]) + int(fields[_GONE_SYSTEM])) / TICKS


def _busy_seconds() -> float:
    with Path("/proc/stat").open(encoding="ascii") as file:
        numbers = [int(text) for text in file.readline().split()[1:9]]
    idle, waiting = numbers[3], numbers[4]
    return (sum(numbers) - idle - waiting) / TICKS
