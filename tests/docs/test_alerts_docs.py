"""docs/alerts.md and the runbooks are those of the rules, and every series they ask about exists."""

import re
from pathlib import Path

import pytest

from stream.alerts.rules import document
from stream.metrics import names
from stream.settings.load import load_funnels, load_tracker

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))


@pytest.fixture(scope="module")
def rules():
    settings = load_tracker(ROOT / "config" / "tracker.yaml", {})
    groups = document(load_funnels(settings.funnels), settings)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_stands_in_the_table_as_it_is(rules):
    alerts = {(rule["alert"], rule["labels"]["severity"], rule["labels"]["layer"]) for rule in rules if "alert" in rule}
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\) \|.*\| (\w+) \| (\w+) \|$", PAGE, re.MULTILINE)
    assert set(rows) == alerts
    assert len(rows) == len(alerts)


def test_every_alert_has_a_runbook_and_says_where_it_is(rules):
    alerts = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule}
    assert set(alerts.values()) == {str(path.relative_to(ROOT)) for path in RUNBOOKS}
    assert all(url == f"docs/runbooks/{name}.md" for name, url in alerts.items())


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_says_how_to_look_and_what_to_do(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}\n")
    assert "## Look" in text
    assert "## Do" in text or "## Look and do" in text


def test_every_series_that_is_asked_about_exists(rules):
    known = {name for series in names.ALL for name in series.sample_names}
    recorded = {rule["record"] for rule in rules if "record" in rule}
    for path in [*RUNBOOKS, ROOT / "docs" / "alerts.md"]:
        text = path.read_text(encoding="utf-8")
        asked = set(re.findall(r"\bfunnel:[a-z_0-9]+:[a-z_0-9]+", text))
        assert asked <= recorded, path
        assert set(re.findall(r"\bfunnel_[a-z_]+[a-z]\b", text)) <= known, path


def test_every_recorded_series_stands_in_its_table(rules):
    table = PAGE.split("## Recorded series")[1].split("##")[0]
    assert set(re.findall(r"`(funnel:[a-z_0-9]+:[a-z_0-9]+)`", table)) == {
        rule["record"] for rule in rules if "record" in rule
    }


def test_every_reason_of_no_data_is_explained(rules):
    reasons = {rule["labels"]["reason"] for rule in rules if rule.get("record") == "funnel:numbers:untrusted"}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == reasons
    runbook = (ROOT / "docs" / "runbooks" / "FunnelNoData.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", runbook, re.MULTILINE)))) == reasons
