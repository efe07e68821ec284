"""From files and environment to the values that the other rooms take.

In:  paths, the environment as a mapping.
Out: funnels and tracker settings, valid; or `SettingsError` with every problem of every file.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from stream.errors import Problem, SettingsError
from stream.model.funnel import Funnel, Period
from stream.settings.funnels import check_funnel, funnel_of
from stream.settings.live import check_live
from stream.settings.references import resolve_references
from stream.settings.schema import FUNNEL_SCHEMA, TRACKER_SCHEMA
from stream.settings.tracker import TrackerSettings
from stream.settings.tracker_file import check_tracker, tracker_of
from stream.settings.validate import check_schema
from stream.settings.yaml_file import Document, read_document

DEFAULT_TRACKER = Path("config/tracker.yaml")
DEFAULT_FUNNELS = "funnels"

# The environment names servers and secrets in every container set-up: it wins over the file.
_ENV_OVERRIDES = {
    "KAFKA_BOOTSTRAP_SERVERS": ("kafka", "bootstrap"),
    "REDIS_URL": ("redis", "url"),
    "FUNNEL_WEB_TOKEN": ("web", "token"),
}


def load_funnels(path: Path | str, period: Period | None = None, *, is_live: bool = False) -> tuple[Funnel, ...]:
    """Read one funnel file, or every `*.yaml` and `*.yml` of a folder, ordered by name and version.

    `period` is the entry period of funnels that name none (default: days in UTC). `is_live` refuses what a
    worker cannot count, and `funnel analyze` can.
    Raises `SettingsError` with all problems of all files.
    """
    documents = [_read_funnel(file) for file in _funnel_files(Path(path))]
    _check_unique(documents)
    if is_live:
        for document in documents:
            check_live(document, period or Period())
    _raise_problems(documents)
    funnels = [funnel_of(document.tree, period or Period()) for document in documents]
    return tuple(sorted(funnels, key=lambda funnel: (funnel.name, funnel.version)))


def load_tracker(path: Path | str | None, env: Mapping[str, str]) -> TrackerSettings:
    """Read a tracker file; None takes the one that `FUNNEL_TRACKER` names, else config/tracker.yaml.

    `KAFKA_BOOTSTRAP_SERVERS`, `REDIS_URL` and `FUNNEL_WEB_TOKEN` in `env` win over the file. Relative
    paths in the file start at its folder. Raises `SettingsError` with all its problems.
    """
    document = read_document(tracker_path(path, env))
    if not document.problems or document.tree is not None:
        _override(document, env)
        resolve_references(document, env)
        check_schema(document, TRACKER_SCHEMA)
        check_tracker(document)
    _raise_problems([document])
    return tracker_of(document)


def tracker_path(path: Path | str | None, env: Mapping[str, str]) -> Path:
    """Return the tracker file that `load_tracker` reads."""
    return Path(path or env.get("FUNNEL_TRACKER") or DEFAULT_TRACKER)


def funnels_path(path: Path) -> Path | None:
    """Return the folder of funnels that a tracker file names, however wrong the rest is; None if it names none."""
    tree = read_document(path).tree
    written = tree.get("funnels", DEFAULT_FUNNELS) if isinstance(tree, dict) else None
    return path.parent / written if isinstance(written, str) else None


def _read_funnel(path: Path) -> Document:
    document = read_document(path)
    if not document.problems or document.tree is not None:
        check_schema(document, FUNNEL_SCHEMA)
        check_funnel(document)
    return document


def _funnel_files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"})
    if not files:
        raise SettingsError((Problem(str(path), None, "", "holds no funnel (add a file such as checkout.yaml)"),))
    yield from files


def _check_unique(documents: list[Document]) -> None:
    """Report a funnel name and version that an earlier file has too."""
    seen: dict[tuple[object, object], Path] = {}
    for document in documents:
        if not isinstance(document.tree, dict) or not isinstance(document.tree.get("funnel"), str):
            continue
        name, version = document.tree["funnel"], document.tree.get("version", 1)
        if not isinstance(version, int):
            continue
        if (name, version) in seen:
            key = "version" if "version" in document.tree else "funnel"
            text = f"{name}@{version} is already defined in {seen[name, version]} (try version: {version + 1})"
            document.report((key,), text)
        seen.setdefault((name, version), document.path)


def _override(document: Document, env: Mapping[str, str]) -> None:
    if not isinstance(document.tree, dict):
        return
    for variable, (section, key) in _ENV_OVERRIDES.items():
        part = document.tree.setdefault(section, {})
        if env.get(variable) and isinstance(part, dict):
            part[key] = f"${{env:{variable}}}"


def _raise_problems(documents: list[Document]) -> None:
    problems = [
        problem
        for document in documents
        for problem in sorted(document.problems, key=lambda problem: (problem.line or 0, problem.path))
    ]
    if problems:
        raise SettingsError(tuple(dict.fromkeys(problems)))
