"""The benchmark runs, and what it times has counted rightly; the times themselves are not looked at here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.service

ROOT = Path(__file__).parents[2]
DEADLINE_S = 240


def bench(*arguments, **environ):
    command = [sys.executable, "-m", "tests.bench.run", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_every_system_of_a_quick_run_counts_rightly(stack, tmp_path):
    rows, page = tmp_path / "rows.jsonl", tmp_path / "benchmarks.md"
    shutil.copy(ROOT / "docs" / "benchmarks.md", page)

    done = bench("--quick", "--json", str(rows), "--write-docs", str(page), **stack.environ)

    assert done.returncode == 0, done.stderr
    machine, worker, agent, floor, optioned, watched, replay, latency = map(json.loads, rows.read_text().splitlines())
    assert machine["machine"]["Python"]
    systems = (worker, agent, floor, optioned, watched, replay)
    assert [row["system"] for row in systems] == [
        "one worker", "idiomatic Faust agent", "floor: read and decode", "one worker with many options",
        "one worker with 50 pages open", "replay",
    ]  # fmt: skip
    assert not any(row.get("wrong") for row in (*systems, latency)), done.stdout
    assert latency["on_page"]
    assert (worker["actors"], agent["actors"]) == (44_223, 996)
    assert latency["markers"] == 60
    assert "| one worker | 50,000 |" in page.read_text()
    assert bench("--from", str(rows)).stdout == done.stdout


def test_wrong_counts_end_with_status_1_and_disturbed_runs_are_named(tmp_path):
    rows = tmp_path / "rows.jsonl"
    row = {
        "kind": "throughput", "system": "one worker", "events": 10, "events_per_s": 5.0, "wall_s": 2.0,
        "cpu_s_per_million": 1.0, "redis_s_per_million": 1.0, "memory_mib": 90, "actors": 3,
        "wrong": ["standard@1 total: converted: live 1, analysis 2"], "other_cores": 0.3,
    }  # fmt: skip
    held_up = {
        "kind": "latency", "events_per_s": 5000, "sent_per_s": 4000.0, "markers": 1, "p50_ms": 1.0, "p90_ms": 1.0,
        "p99_ms": 1.0, "max_ms": 1.0, "cores": 0.1, "redis_cores": 0.1, "us_per_event": 9.0, "events_per_batch": 2.0,
    }  # fmt: skip
    rows.write_text(f"{json.dumps(row)}\n{json.dumps(held_up)}\n")

    done = bench("--from", str(rows))

    assert done.returncode == 1
    assert "SUSPECT: 5,000 events/s were wanted, 4,000 sent" in done.stdout
    assert "WRONG: one worker: standard@1 total: converted: live 1, analysis 2" in done.stdout
    assert "SUSPECT: other programs used up to 0.30 of the cores" in done.stdout
