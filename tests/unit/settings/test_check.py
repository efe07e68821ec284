"""`funnel check`, through its arguments and what it prints."""

import argparse
from pathlib import Path

import pytest

from stream.cli import check

FULL = Path(__file__).parents[3] / "config" / "examples" / "full-funnel.yaml"
FUNNEL = "funnel: shop\nwindow: {window}\nsteps: [{{event: a}}, {{event: b}}]\nbreakdowns: [device]\n"
TRACKER = "sources: [{topics: [clicks], keyed_by_actor: true}]\nrolling: [5m, 24h]\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a folder with a tracker and one funnel, and no word from the environment."""
    for variable in ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "FUNNEL_TRACKER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config" / "funnels").mkdir(parents=True)
    (tmp_path / "config" / "tracker.yaml").write_text(TRACKER)
    (tmp_path / "config" / "funnels" / "shop.yaml").write_text(FUNNEL.format(window="1h"))
    return tmp_path


@pytest.fixture
def funnel(project, capsys):  # noqa: ARG001 - the command looks for its files there
    """Run `funnel` with arguments: the exit code and the lines printed."""

    def run(*words):
        parser = argparse.ArgumentParser()
        check.register(parser.add_subparsers())
        args = parser.parse_args(words)
        return args.run(args), capsys.readouterr().out.splitlines()

    return run


def test_what_is_right_is_summed_up(funnel):
    assert funnel("check") == (
        0,
        [
            "config/tracker.yaml: tracker is right",
            "  kafka    127.0.0.1:9092, plaintext, group funnel",
            "  redis    redis://127.0.0.1:6379/0, namespace live",
            "  source   clicks: clicks, preset flat, keyed by actor, late after 10m",
            "  alerts   on drop-off over 1m, 5m; by segment over 5m",
            "shop@1: 2 steps within 1h, per day (UTC)",
            "  steps    a > b",
            "  split by device",
            "series: 1,431 at most on /metrics, of 5,000 that it shows",
        ],
    )


def test_alert_windows_that_nothing_serves_are_not_among_those_named(funnel, project):
    (project / "config" / "tracker.yaml").write_text(TRACKER.replace("5m, 24h", "7d"))
    assert "  alerts   none on drop-off: they need rolling, age_matched and alerts.windows" in funnel("check")[1]


def test_more_series_than_the_page_shows_are_refused_with_what_would_be_enough(funnel, project):
    (project / "config" / "tracker.yaml").write_text(TRACKER + "metrics: {max_series: 1400}\n")
    status, lines = funnel("check")
    assert status == 1
    assert lines[-1].startswith(
        "config/tracker.yaml: the page can come to 1,431 series (shop@1 1,419), at most 1,400 are shown: "
    )
    assert lines[-1].endswith("set metrics.max_series: 2000")


@pytest.mark.parametrize(
    ("window", "rolling", "why"),
    [
        pytest.param("400d", "[5m, 24h]", "24h has no matured form", id="too-long-to-be-kept"),
        pytest.param("1h", "[]", "there is no rolling window", id="no-rolling-window"),
        pytest.param("1h", "[5m, 24h]", None, id="one-that-is-watched"),
    ],
)
def test_a_target_that_no_alert_watches_is_told(funnel, project, window, rolling, why):
    text = f"{FUNNEL.format(window=window)}target: 5%\nperiod: {{unit: month}}\n"
    (project / "config" / "funnels" / "shop.yaml").write_text(text)
    (project / "config" / "tracker.yaml").write_text(TRACKER.replace("[5m, 24h]", rolling))
    status, lines = funnel("check")
    assert status == 0
    notes = [line for line in lines if "no alert watches it" in line]
    assert notes == ([] if why is None else [f"  note     target in shop@1: no alert watches it, as {why}"])


def test_a_target_for_an_age_that_is_not_counted_is_told(funnel, project):
    text = FUNNEL.format(window="1h").replace("{event: a}", "{event: a, target_within: {10m: 5%}}")
    (project / "config" / "funnels" / "shop.yaml").write_text(text)
    status, lines = funnel("check")
    assert status == 0
    note = (
        "  note     target_within of a in shop@1: 10m is no age of age_matched (15m, 1h): nothing is compared with it"
    )
    assert note in lines


@pytest.mark.parametrize(
    ("added", "steps", "expected"),
    [
        pytest.param("", "{event: b}", [], id="a-plain-funnel-has-none"),
        pytest.param("order: any\n", "{event: b}", ["order: any"], id="an-option-with-its-choice"),
        pytest.param("open: true\n", "{event: b, within: 0s}", ["open, within"], id="of-the-funnel-and-of-steps"),
        pytest.param("open: false\n", "{event: b, not_before: 0s}", [], id="not-one-that-says-what-holds-anyway"),
    ],
)
def test_the_options_of_a_funnel_are_named(funnel, project, added, steps, expected):
    text = f"funnel: shop\nwindow: 1h\n{added}steps: [{{event: a}}, {steps}]\n"
    (project / "config" / "funnels" / "shop.yaml").write_text(text)
    _, lines = funnel("check", "config/funnels")
    assert lines[2:] == [f"  options  {options}" for options in expected]


def test_steps_in_any_order_are_not_shown_in_one(funnel, project):
    text = "funnel: shop\nwindow: 1h\norder: any\nsteps: [{event: a}, {name: second, event: b}]\n"
    (project / "config" / "funnels" / "shop.yaml").write_text(text)
    assert funnel("check", "config/funnels")[1][1] == "  steps    any 1 to 2 of a, second"


@pytest.mark.parametrize("more", ["", "breakdowns: [a, a]\n"], ids=["what-is-right", "what-is-wrong"])
def test_names_do_not_steer_the_terminal(funnel, project, more):
    name = '"\\e[2J\\nb\\u202e"'
    text = f"funnel: shop\nwindow: 1h\n{more}steps: [{{event: a}}, {{event: {name}, within: 1 hour}}]\n"
    (project / "config" / "funnels" / "shop.yaml").write_text(text if more else text.replace("1 hour", "1h"))
    _, lines = funnel("check", "config/funnels")
    assert all(line.isprintable() for line in lines)
    if not more:
        assert lines[1] == "  steps    a > \ufffd[2J\ufffdb\ufffd"


def test_every_option_is_named_in_one_line(funnel):
    _, lines = funnel("check", str(FULL))
    assert lines[2] == (
        "  options  order: strict, events, strict_time, entry: first, hold_constant, session, time_granularity, where, "
        "optional, within, not_before, exclusions"
    )


def test_an_age_that_a_window_cannot_keep_is_noted(funnel, project):
    (project / "config" / "tracker.yaml").write_text(TRACKER + "age_matched: [15m, 2d]\n")
    _, lines = funnel("check")
    assert [line for line in lines if "note" in line] == [
        "  note     age-matched conversion of 5m at 2d is not kept: it needs 34620 slots of 5s, at most 20000"
    ]


def test_a_problem_is_printed_and_makes_the_exit_code_1(funnel, project):
    (project / "config" / "funnels" / "shop.yaml").write_text(FUNNEL.format(window="3 dys"))
    code, lines = funnel("check")
    assert code == 1
    assert lines[-2:] == [
        "1 problem:",
        'config/funnels/shop.yaml:2: window: "3 dys" is not a duration (try "3d")',
    ]


def test_a_wrong_tracker_does_not_hide_a_wrong_funnel(funnel, project):
    (project / "config" / "tracker.yaml").write_text("soures: []\n")
    (project / "config" / "funnels" / "shop.yaml").write_text("funnel: shop\nwindow: 1h\n")
    code, lines = funnel("check")
    assert (code, lines) == (
        1,
        [
            "3 problems:",
            'config/tracker.yaml:1: "sources" is missing (add sources: ...)',
            'config/tracker.yaml:1: soures: "soures" is not a known key (did you mean "sources"?)',
            'config/funnels/shop.yaml:1: "steps" is missing (add steps: ...)',
        ],
    )


@pytest.mark.parametrize(
    ("window", "note"),
    [
        pytest.param("1h", [], id="a-short-window-needs-few-slots"),
        pytest.param("99700s", [], id="at-the-limit-it-is-kept"),
        pytest.param(
            "99701s",
            ["  note     the matured form of 5m is not kept: it needs 20001 slots of 5s, at most 20000"],
            id="one-slot-more-is-not",
        ),
    ],
)
def test_a_matured_form_that_is_not_kept_is_noted(funnel, project, window, note):
    (project / "config" / "funnels" / "shop.yaml").write_text(FUNNEL.format(window=window))
    code, lines = funnel("check")
    assert (code, [line for line in lines if "note" in line]) == (0, note)


def test_a_period_too_fine_for_live_is_a_problem_of_a_tracker_only(funnel, project):
    (project / "config" / "funnels" / "shop.yaml").write_text(FUNNEL.format(window="90d"))
    assert funnel("check", "config/funnels")[0] == 0
    code, lines = funnel("check")
    assert (code, lines[-1].partition(": live")[0]) == (
        1,
        'config/funnels/shop.yaml:2: window: "90d" is too long for the tracker\'s period, day',
    )


@pytest.mark.parametrize(
    ("granularity", "period", "is_noted"),
    [
        ("1d", "{zone: Europe/Berlin}", True),
        ("1d", "{zone: UTC}", False),
        ("1h", "{zone: Europe/Berlin}", False),
        ("1h", "{zone: Asia/Kolkata}", True),
        ("1h", "{unit: hour, zone: Asia/Kolkata}", False),
        ("2h", "{zone: Europe/Berlin}", True),
        ("7h", "{zone: UTC}", True),
        ("1d", "{unit: month}", False),
    ],
)
def test_a_granularity_across_the_borders_of_periods_is_noted(funnel, project, granularity, period, is_noted):
    more = f"time_granularity: {granularity}\nperiod: {period}\n"
    (project / "config" / "funnels" / "shop.yaml").write_text(FUNNEL.format(window="2d") + more)
    lines = [line for line in funnel("check", "config/funnels")[1] if "granularity " in line]
    assert len(lines) == is_noted
    if is_noted:
        assert lines[0].startswith(f"  note     time_granularity {granularity} does not divide the periods, ")


def test_paths_may_be_trackers_funnels_and_folders(funnel):
    assert funnel("check", "config/funnels")[1][0] == "shop@1: 2 steps within 1h, per day (UTC)"
    assert funnel("check", "config/funnels/shop.yaml") == funnel("check", "config/funnels")
    assert funnel("check", "config/tracker.yaml") == funnel("check")


def test_a_file_that_two_paths_lead_to_is_reported_once(funnel, project):
    (project / "config" / "funnels" / "shop.yaml").write_text(FUNNEL.format(window="x"))
    code, lines = funnel("check", "config/funnels", "config/funnels/shop.yaml")
    assert (code, lines[0], len(lines)) == (1, "1 problem:", 2)


def test_a_path_that_does_not_exist_is_a_problem(funnel):
    assert funnel("check", "none.yaml") == (1, ["1 problem:", "none.yaml: there is no such file"])


def test_repartitioning_is_said(funnel, project):
    (project / "config" / "tracker.yaml").write_text("sources: [{topics: [a, b]}, {pattern: c.*}]\n")
    lines = funnel("check")[1]
    assert "  source   a: a, b, preset flat, not keyed by actor, late after 10m" in lines
    assert "  source   c.*: /c.*/, preset flat, not keyed by actor, late after 10m" in lines
    assert "  log      funnel-events: records are repartitioned by actor first" in lines


def test_the_password_in_a_url_is_not_printed(funnel, monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://user:hunter2@host:6379/0")
    assert "hunter2" not in "\n".join(funnel("check")[1])
