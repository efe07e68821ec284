"""The project's Alertmanager configuration: who is told, and what is not told twice; amtool and a real Alertmanager."""

import json
import os
import subprocess
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from stream.alerts.rules import document
from stream.settings.load import load_funnels, load_tracker
from stream.settings.tracker import DEFAULT_AGES
from stream.stack import Stack

pytestmark = [pytest.mark.service, pytest.mark.timeout(120)]

CONFIG = Path(__file__).parents[3] / "config"
FILE = CONFIG / "alertmanager" / "alertmanager.yml"
DEADLINE_S = 20.0
SPIKE, PART, STOP = "FunnelDropOffSpike", "FunnelSegmentDropOffSpike", "FunnelTrafficStop"
FUNNEL = {"funnel": "checkout", "version": "1"}
STEP = FUNNEL | {"step": "2", "age": "15m", "layer": "funnel"}
MOBILE = {"breakdown": "device", "segment": "mobile"}


@pytest.fixture(scope="module")
def alertmanager():
    with Stack.running(
        f"alerts-{os.getpid()}", services=("alertmanager",), alertmanager_config=FILE, environ={}
    ) as stack:
        yield stack.alertmanager_url


def spike(window="5m", **labels):
    return {"alertname": SPIKE, **STEP, "window": window, **labels}


def part(window="5m", **labels):
    return {"alertname": PART, **STEP, **MOBILE, "window": window, **labels}


def stop(**labels):
    return {"alertname": STOP, **FUNNEL, "layer": "traffic", "window": "5m", **labels}


def pipeline(name, **labels):
    return {"alertname": name, "layer": "pipeline", **labels}


@pytest.mark.parametrize(
    ("firing", "silenced"),
    [
        pytest.param([pipeline("FunnelLag"), spike(), part(), stop()], [1, 2, 3], id="pipeline-silences-funnels"),
        pytest.param([pipeline("FunnelNoData", reason="gap"), stop(), spike(), spike(funnel="other")], [0, 2],
                     id="a-stop-silences-its-funnel-and-the-gap-it-makes"),
        pytest.param([stop(), stop(window="1h")], [1], id="a-stop-is-told-once"),
        pytest.param([spike(), part(), part(step="3")], [1], id="a-total-silences-its-segments"),
        pytest.param([spike("1m"), spike("5m"), spike("30m"), spike("30m", step="3")], [1, 2],
                     id="the-shorter-window-is-told"),
        pytest.param([part("5m"), part("30m"), part("30m", segment="desktop")], [1], id="of-a-segment-too"),
        pytest.param([spike("30m"), spike("5m", age="1h")], [1], id="the-shorter-age-is-told"),
        pytest.param([spike("30m", age="15s"), spike("5m"), spike("5m", age="1h")], [1, 2], id="the-shortest-of-three"),
        pytest.param([spike("30m"), part("5m", step="1"), pipeline("FunnelDeadLetters", verdict="late")], [0, 1],
                     id="nothing-about-a-funnel-is-told-beside-a-pipeline-alert"),
    ],
)  # fmt: skip
def test_what_is_silenced(alertmanager, request, firing, silenced):
    # What a case posts it ends, so that it silences nothing of the next.
    post(alertmanager, firing, ends_in_s=3_600)
    try:
        wait_for(lambda: found(alertmanager, firing) == silenced, lambda: f"{request.node.name}: {asked(alertmanager)}")
    finally:
        post(alertmanager, firing, ends_in_s=-1)
        wait_for(lambda: not asked(alertmanager), lambda: "alerts that have ended are still there")


def found(url, firing):
    """Return which of these are silenced; None until all are there."""
    known = {frozenset(each["labels"].items()): bool(each["status"]["inhibitedBy"]) for each in asked(url)}
    states = [known.get(frozenset(labels.items())) for labels in firing]
    return None if None in states else [at for at, is_silenced in enumerate(states) if is_silenced]


def asked(url):
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=10) as answer:  # noqa: S310 - our own loopback URL
        return json.load(answer)


def post(url, firing, ends_in_s):
    now = datetime.now(UTC)
    times = {
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + timedelta(seconds=ends_in_s)).isoformat(),
    }
    body = json.dumps([{"labels": labels, **times} for labels in firing]).encode()
    request = urllib.request.Request(f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own loopback URL
        assert answer.status == 200


def wait_for(holds, why):
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


def amtool(*words):
    return subprocess.run(["amtool", *words], check=False, capture_output=True, text=True)


@pytest.mark.usefixtures("alertmanager")
def test_amtool_finds_it_right():
    done = amtool("check-config", str(FILE))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("alertmanager")
@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "channel"), ("none", "nobody")])
def test_who_is_told(severity, receiver):
    done = amtool("config", "routes", "test", "--config.file", str(FILE), f"severity={severity}", "funnel=checkout")
    assert done.stdout.split() == [receiver]


def test_it_speaks_of_the_alerts_windows_and_ages_that_the_rules_have():
    settings = load_tracker(CONFIG / "tracker.yaml", {})
    rules = [rule for group in document(load_funnels(settings.funnels), settings)["groups"] for rule in group["rules"]]
    alerts = [rule for rule in rules if "alert" in rule]
    known = {
        "alertname": {rule["alert"] for rule in alerts} | {"Funnel(Segment)?DropOffSpike"},
        **{label: {rule["labels"][label] for rule in alerts if label in rule["labels"]}
           for label in ("window", "age", "layer", "severity")},
    }  # fmt: skip
    known["age"] |= {age.name for age in DEFAULT_AGES}
    tree = yaml.safe_load(FILE.read_text())
    matchers = [
        each for rule in tree["inhibit_rules"] for key in ("source_matchers", "target_matchers") for each in rule[key]
    ]
    matchers += [each for route in tree["route"]["routes"] for each in route["matchers"]]
    for matcher in matchers:
        label, _, value = matcher.replace("=~", "=").replace("!=", "=").partition("=")
        if label in known:
            values = {value.strip('"')} if label == "alertname" else set(value.strip('"').split("|"))
            assert values <= known[label], matcher
