"""The committed dashboards are what the command writes for the shipped funnels; what funnels lack has no panels."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from stream.cli import dashboards as command
from stream.dashboards.files import NAMES, dashboards, differing, write
from stream.dashboards.grafana import as_model
from stream.errors import DashboardError
from stream.model.window import RollingWindow
from support.boards import FOLDER, WINDOWS, committed, everything, panels, targets, variables
from support.rollups import SHOP, TOUR

ROOT = Path(__file__).parents[3]
CONFIG = str(ROOT / "config" / "tracker.yaml")


@pytest.fixture
def run():
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())

    def call(*arguments):
        args = parser.parse_args(["dashboards", "--config", CONFIG, *map(str, arguments)])
        return args.run(args)

    return call


def test_the_committed_files_regenerate_without_a_difference(run, capsys):
    assert run("--folder", FOLDER, "--check") == 0, capsys.readouterr().err


def test_the_command_writes_and_checks(run, tmp_path, capsys):
    assert run("--folder", tmp_path, "--check") == 1
    said = capsys.readouterr().err
    assert all(name in said for name in NAMES)
    assert run("--folder", tmp_path) == 0
    assert run("--folder", tmp_path, "--check") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DashboardError, match=r"missing.*--folder"):
        write(tmp_path / "missing", dashboards([SHOP], WINDOWS))


def test_without_values_there_is_no_business_dashboard_and_no_way_to_it(tmp_path):
    write(tmp_path, dashboards([SHOP], WINDOWS))
    made = dashboards([TOUR], WINDOWS)
    assert [path.name for path in differing(tmp_path, made)] == list(NAMES)
    write(tmp_path, made)
    assert not (tmp_path / "business.json").exists()
    assert differing(tmp_path, made) == []
    for board in made.values():
        assert "funnel-business" not in {link["url"].removeprefix("/d/") for link in as_model(board)["links"]}


@pytest.mark.parametrize(
    ("funnels", "title", "text"),
    [
        pytest.param([SHOP], "Conversion and drop-off by step", "funnel_excluded", id="exclusions"),
        pytest.param([TOUR], "Conversion and drop-off by step", "funnel_entered_at", id="open"),
        pytest.param([TOUR], "Conversion and drop-off by step", "funnel_optional_step_ratio", id="optional-steps"),
        pytest.param([SHOP], "Conversion over time", "funnel_target_ratio", id="target"),
        pytest.param([SHOP], "Conversion over time", "funnel_benchmark_ratio", id="benchmarks"),
        pytest.param([SHOP], "Age-matched conversion by step", "funnel_step_target_ratio", id="target-within"),
    ],
)
def test_what_no_funnel_has_is_not_asked_for(funnels, title, text):
    def asks(funnels):
        board = as_model(dashboards(funnels, WINDOWS)["funnel.json"])
        (panel,) = [panel for panel in panels(board) if panel["title"] == title]
        return any(text in target["expr"] for target in panel["targets"])

    assert asks(funnels)
    assert asks([SHOP, TOUR])
    assert not asks([TOUR if funnels == [SHOP] else SHOP])


def test_first_choices_are_the_first_funnel_its_newest_version_and_a_middling_window():
    windows = [RollingWindow(name, ms) for name, ms in (("24h", 86_400_000), ("5m", 300_000), ("1h", 3_600_000))]
    made = dashboards([replace(TOUR, version=2), TOUR, SHOP], windows)
    chosen = {name: each["current"]["value"] for name, each in variables(as_model(made["funnel.json"])).items()}
    assert chosen == {
        "datasource": "funnel-prometheus", "funnel": "tour", "version": "2", "counts": "attempts", "window": "1h",
        "form": "rolling", "breakdown": "", "segment": "$__all", "cohort": "1h",
    }  # fmt: skip
    business = variables(as_model(made["business.json"]))
    assert business["funnel"]["current"]["value"] == "shop", "the first one that has values"


def test_without_rolling_windows_people_are_chosen_at_first():
    chosen = variables(as_model(dashboards([SHOP], [])["funnel.json"]))
    assert [chosen[name]["current"]["value"] for name in ("counts", "window", "form")] == ["people", "", "current"]


def test_a_cohort_is_long_enough_to_be_kept_until_it_is_decided():
    windows = [RollingWindow("5m", 300_000), RollingWindow("24h", 86_400_000)]
    monthly = replace(SHOP, window_ms=30 * 86_400_000)
    chosen = variables(as_model(dashboards([monthly], windows)["funnel.json"]))["cohort"]["current"]["value"]
    assert chosen == "24h", "5m windows of a month's funnel would need 518 460 slots"


def test_the_shipped_queries_are_among_those_of_everything():
    """Those are asked of a real Prometheus (tests/service/dashboards)."""
    shipped, asked = (
        {target["expr"] for board in boards.values() for _, target in targets(board)}
        for boards in (committed(), everything())
    )
    assert shipped <= asked
