"""The dashboards' files: written, or compared with what would be written.

In:  the funnels and the settings' windows; a folder.
Out: *.json in it, byte for byte the same each time for the same definitions (`funnel dashboards`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stream.dashboards.business import business_dashboard
from stream.dashboards.compare import compare_dashboard
from stream.dashboards.funnel import funnel_dashboard
from stream.dashboards.grafana import to_json
from stream.dashboards.health import health_dashboard
from stream.dashboards.known import known
from stream.dashboards.panel import Dashboard
from stream.errors import DashboardError
from stream.model.funnel import Funnel
from stream.model.window import RollingWindow

NAMES = ("funnel.json", "compare.json", "business.json", "health.json")
"""Of all that this program may have written; Business is there only if a funnel has values."""


def dashboards(funnels: Sequence[Funnel], windows: Sequence[RollingWindow]) -> dict[str, Dashboard]:
    """Return the dashboards for these definitions by file name."""
    about = known(funnels, windows)
    made = {"funnel.json": funnel_dashboard(about), "compare.json": compare_dashboard(about)}
    if about.has_value:
        made["business.json"] = business_dashboard(about)
    return made | {"health.json": health_dashboard(about)}


def write(folder: Path, made: Mapping[str, Dashboard]) -> list[Path]:
    """Write every dashboard into `folder`, and remove those that make no sense any more; returns the written files.

    Raises `DashboardError` if there is no such folder.
    """
    _require(folder)
    for name, dashboard in made.items():
        (folder / name).write_text(to_json(dashboard), encoding="utf-8")
    for name in NAMES:
        if name not in made:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in made]


def differing(folder: Path, made: Mapping[str, Dashboard]) -> list[Path]:
    """Files in `folder` that `write` would write, change or remove. Raises `DashboardError` like it."""
    _require(folder)
    wanted = {name: to_json(dashboard) for name, dashboard in made.items()}
    return [folder / name for name in NAMES if _text(folder / name) != wanted.get(name)]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise DashboardError(f"{folder} is not a folder; run this in the project's root or name one with --folder")
