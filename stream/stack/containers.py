"""Run the services of a stack in containers, from the images that docker-compose.yml pins.

In:  a stack's folder and ports.
Out: a `ServicePlan` each, whose process is `docker compose up` in the foreground.

Each service is a compose project of its own, so that it starts, stops and logs by itself like a
local one. Its containers and volumes are removed at the end. Signals reach the compose client,
not the program inside: killing one service (`Stack.kill`) needs local programs.
"""

from collections.abc import Sequence
from pathlib import Path

import yaml

from stream.errors import StackError
from stream.stack.ports import LOOPBACK
from stream.stack.services import RECEIVES, address
from stream.stack.state import ServicePlan

COMPOSE_FILE = Path(__file__).resolve().parents[2] / "docker-compose.yml"


def container_plan(folder: Path, stack: str, service: str, ports: Sequence[int]) -> ServicePlan:
    """Return how `service` of `stack` runs in a container that is published on the loopback address.

    Raises `StackError` if docker-compose.yml is not there (a wheel without the project's checkout).
    """
    if not COMPOSE_FILE.exists():
        raise StackError(f"{COMPOSE_FILE} is missing: the containers are described there; use the project's checkout")
    files = [str(COMPOSE_FILE)]
    if service == "prometheus":
        files.append(str(_prometheus_override(folder, ports[0])))
    base = ["docker", "compose", "--project-name", f"funnel-{stack}-{service}"]
    base += [word for file in files for word in ("--file", file)]
    setting = f"FUNNEL_{service.upper()}_PORT={ports[0]}"
    up = ["env", setting, *base, "up", "--no-deps", "--no-log-prefix", service]
    down = ["env", setting, *base, "down", "--volumes", "--timeout", "0"]
    log = str(folder / f"{service}.log")
    return ServicePlan(service, up, address(service, ports), list(ports), log, 30.0, down)


def _prometheus_override(folder: Path, port: int) -> Path:
    """Let Prometheus share the host's network: what it scrapes listens on the host's loopback address only."""
    home = folder / "prometheus"
    override = {
        "services": {
            "prometheus": {
                "network_mode": "host",
                "command": [
                    "--config.file=/etc/prometheus/prometheus.yml",
                    "--storage.tsdb.path=/prometheus",
                    f"--web.listen-address={LOOPBACK}:{port}",
                    RECEIVES,
                ],
                "volumes": [f"{home}:/etc/prometheus:ro"],
                "healthcheck": {"disable": True},  # it asks the usual port; the stack asks the right one
            }
        }
    }
    path = home / "compose.yml"
    path.write_text(yaml.safe_dump(override, sort_keys=False), encoding="utf-8")
    return path
