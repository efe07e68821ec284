"""Grafana's published types (@grafana/schema) admit every dashboard, says TypeScript's compiler."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from stream.stack.programs import prepare
from stream.stack.state import cache_folder
from support.boards import committed, everything, panels

pytestmark = pytest.mark.slow

SCHEMA = Path(__file__).parent / "schema"
MISTAKES = {
    "option": ('"graphMode": "none"', '"graphMode": "nope"'),
    "key": ('"cellHeight"', '"cellHeigth"'),
    "field": ('"lineWidth": 2', '"lineWidht": 2'),
    "variable": ('"sort": 4', '"sort": 44'),
    "override": ('({"lineStyle": {"fill": "dash"', '({"lineStyle": {"fill": "dashes"'),
    "transformation": ('"transformations"', '"transformation"'),
}
COMPILE = (
    "node_modules/typescript/bin/tsc --noEmit --strict --skipLibCheck --noErrorTruncation --module esnext "
    "--moduleResolution bundler --target es2022 --lib es2022"
)


@pytest.fixture(scope="module")
def project():
    """Return a folder with the locked packages; it is made once for each lock file."""
    lock = (SCHEMA / "package-lock.json").read_bytes()
    folder = cache_folder() / "dashboard-schema"
    prepare(("npm",), cache_folder())
    done = folder / "node_modules" / "installed.json"
    if not done.is_file() or done.read_bytes() != lock:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SCHEMA / name, folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)
        done.write_bytes(lock)
    return folder


def as_typescript(board):
    """Write a dashboard as a value of Grafana's type, and what its overrides set as parts of a field's config."""
    lines = ["import type { DashboardJson, Override } from './json';"]
    lines += [f"export const board: DashboardJson = {json.dumps(board)};"]
    for panel in panels(board):
        for override in panel["fieldConfig"]["overrides"]:
            for each in override["properties"]:
                value = json.dumps({each["id"].removeprefix("custom."): each["value"]})
                part = "custom" if each["id"].startswith("custom.") else "defaults"
                lines.append(f"({value}) satisfies Override<'{panel['type']}'>['{part}'];")
    return "\n".join(lines)


def test_the_types_of_grafana_13_admit_every_dashboard_and_refuse_what_they_do_not_know(project, tmp_path):
    right = {name.removesuffix(".json"): as_typescript(board) for name, board in committed().items()}
    right["everything"] = as_typescript(everything()["funnel.json"])
    board = committed()["funnel.json"]
    few = as_typescript(
        board | {"panels": list({panel["type"]: panel for panel in reversed(board["panels"])}.values())}
    )
    assert all(old in few for old, _ in MISTAKES.values())
    wrong = {name: few.replace(*change, 1) for name, change in MISTAKES.items()}
    (tmp_path / "node_modules").symlink_to(project / "node_modules")
    shutil.copy(SCHEMA / "json.ts", tmp_path)
    for name, text in (right | wrong).items():
        (tmp_path / f"{name}.ts").write_text(text, encoding="utf-8")
    command = ["node", *COMPILE.split(), *(f"{name}.ts" for name in right | wrong)]
    said = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True).stdout
    assert {line.split(".ts(")[0] for line in said.splitlines() if ": error " in line} == set(wrong), said[:3000]
