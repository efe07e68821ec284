"""Find the programs behind the services, install what is missing, or say what is missing.

In:  the names of the services to be started here.
Out: where each program is, or the decision to use Docker.

Order of preference: what is installed; Debian packages, where we are root; Docker, where an
engine answers; else one message that lists what is missing and how to get it.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import msgspec

from stream.errors import StackError
from stream.stack.jars import KAFKA_VERSION, have_jars
from stream.stack.processes import dying_with_parent

OLDEST_JAVA = 17  # Kafka 4 does not start on an older one
POLICY = Path("/usr/sbin/policy-rc.d")  # asked by Debian's package scripts before they start a service
NO_STARTS = "#!/bin/sh\n# Installed for the length of one apt run: no service is to start by itself.\nexit 101\n"
ANSWER_SECONDS = 20

# Debian's package of each program, the first that the release has, and the units it would start.
PACKAGES = {
    "java": ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "default-jre-headless"),
    "mvn": ("maven",),
    "redis-server": ("redis-server",),
    "prometheus": ("prometheus",),
    "prometheus-alertmanager": ("prometheus-alertmanager",),
    "chromium": ("chromium", "chromium-browser"),
    "npm": ("npm",),
}
UNITS = {"redis-server", "prometheus", "prometheus-alertmanager"}


class Backend(Enum):
    """What runs the services."""

    LOCAL = "local"
    DOCKER = "docker"


class Programs(msgspec.Struct, frozen=True):
    """Paths of the programs found; None for one that is not there."""

    java: str | None = None
    mvn: str | None = None
    redis_server: str | None = None
    prometheus: str | None = None
    alertmanager: str | None = None
    chromium: str | None = None
    npm: str | None = None


def find_programs() -> Programs:
    """Look the programs up on this machine."""
    return Programs(
        java=_find_java(),
        mvn=shutil.which("mvn"),
        redis_server=shutil.which("redis-server"),
        prometheus=shutil.which("prometheus"),
        alertmanager=shutil.which("prometheus-alertmanager") or shutil.which("alertmanager"),
        chromium=shutil.which("chromium") or shutil.which("chromium-browser"),
        npm=shutil.which("npm") if shutil.which("node") else None,
    )


def missing_programs(services: Sequence[str], found: Programs, *, have_kafka: bool) -> list[str]:
    """Return the keys of `PACKAGES` that `services` need and `found` lacks; Maven only without Kafka's jars."""
    needs = {
        "java": "kafka" in services and found.java is None,
        "mvn": "kafka" in services and not have_kafka and found.mvn is None,
        "redis-server": "redis" in services and found.redis_server is None,
        "prometheus": "prometheus" in services and found.prometheus is None,
        "prometheus-alertmanager": "alertmanager" in services and found.alertmanager is None,
        "chromium": "chromium" in services and found.chromium is None,
        "npm": "npm" in services and found.npm is None,
    }
    return [name for name, is_missing in needs.items() if is_missing]


def prepare(services: Sequence[str], cache: Path) -> tuple[Backend, Programs]:
    """Make sure that `services` can be started, installing packages where that is possible.

    Raises `StackError` if something is missing and there is no way to get it.
    """
    found = find_programs()
    missing = missing_programs(services, found, have_kafka=have_jars(cache))
    if not missing:
        return Backend.LOCAL, found
    if shutil.which("apt-get") and os.geteuid() == 0:
        _install(missing)
        found = find_programs()
        missing = missing_programs(services, found, have_kafka=have_jars(cache))
        if not missing:
            return Backend.LOCAL, found
    elif _docker_answers():
        return Backend.DOCKER, found
    raise StackError(missing_text(missing))


def missing_text(missing: Sequence[str]) -> str:
    """Say what is missing and the ways to get it."""
    words = {
        "java": f"Java {OLDEST_JAVA} or newer (for Kafka)",
        "mvn": f"Maven (fetches Kafka {KAFKA_VERSION} once)",
        "redis-server": "redis-server",
        "prometheus": "prometheus",
        "prometheus-alertmanager": "prometheus-alertmanager",
        "chromium": "chromium (for tests of the live page and the dashboards)",
        "npm": "npm with Node.js (for tests of the dashboards)",
    }
    packages = " ".join(PACKAGES[name][0] for name in missing)
    return (
        f"missing on this machine: {', '.join(words[name] for name in missing)}. Any one of these helps:\n"
        f"  - Debian or Ubuntu: apt-get install --no-install-recommends {packages} (done by itself when run as root)\n"
        "  - Docker with the compose plugin: start its engine (`docker info` must answer)\n"
        "  - servers that already run: set KAFKA_BOOTSTRAP_SERVERS, REDIS_URL, PROMETHEUS_URL"
    )


def java_major(version_text: str) -> int | None:
    """Return the major version out of what `java -version` prints; None if it is not there."""
    match = re.search(r'version "(?:1\.)?(\d+)', version_text)
    return int(match.group(1)) if match else None


def _find_java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java")] if home else []
    candidates += [found for found in (shutil.which("java"),) if found]
    candidates += [str(path) for path in sorted(Path("/usr/lib/jvm").glob("*/bin/java"))]
    return next((path for path in candidates if _java_is_new_enough(path)), None)


def _java_is_new_enough(java: str) -> bool:
    try:
        answer = subprocess.run([java, "-version"], check=False, capture_output=True, text=True)  # noqa: S603
    except OSError:
        return False
    return (java_major(answer.stderr + answer.stdout) or 0) >= OLDEST_JAVA


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    for words in (["info"], ["compose", "version"]):
        try:
            done = subprocess.run([docker, *words], check=False, capture_output=True, timeout=ANSWER_SECONDS)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode != 0:
            return False
    return True


def _install(missing: Sequence[str]) -> None:
    _apt(["update"])
    packages = [_known_package(PACKAGES[name]) for name in missing]
    with _no_service_starts():
        _apt(["install", "-y", "--no-install-recommends", *packages])
    _disable_units([name for name in missing if name in UNITS])


def _known_package(names: Sequence[str]) -> str:
    for name in names:
        asked = subprocess.run(["apt-cache", "policy", name], check=False, capture_output=True, text=True)  # noqa: S603, S607
        if "Candidate:" in asked.stdout and "Candidate: (none)" not in asked.stdout:
            return name
    return names[-1]


def _apt(words: list[str]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *words]
    done = subprocess.run(  # noqa: S603
        dying_with_parent(command),
        check=False,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-15:])
        raise StackError(f"`{' '.join(command)}` failed (exit code {done.returncode}):\n{end}")


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep package scripts from starting their services on the default ports; a policy in place is left alone."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(NO_STARTS, encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _disable_units(units: Sequence[str]) -> None:
    # Only units of packages that we have just installed: one that was there before belongs to its owner.
    if units and Path("/run/systemd/system").is_dir() and shutil.which("systemctl"):
        subprocess.run(["systemctl", "disable", "--now", *units], check=False, capture_output=True)  # noqa: S603, S607
