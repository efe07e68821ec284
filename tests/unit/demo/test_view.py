"""The demo shows the numbers with the incident, the alerts and where to look further."""

import io

import pytest
from rich.console import Console

from stream.demo.alerts import Alert
from stream.demo.incident import Incident
from stream.demo.look import READY, Seen
from stream.demo.view import Frame, Link, draw, line, picture
from support.looks import looked

PAGE = "http://127.0.0.1:20000/"
LINKS = [
    Link("worker 1", f"{PAGE}metrics"),
    Link("Prometheus", "http://127.0.0.1:9090", "graph", "http://127.0.0.1:9090/graph?g0.expr=max%28x%29"),
]
FRAME = Frame(PAGE, LINKS)
NOW_MS = 1_767_225_600_000


def alert(segment="mobile", state="firing", window="1m"):
    labels = {"alertname": "FunnelSegmentDropOffSpike", "window": window, "segment": segment}
    return Alert(labels, {"summary": f"checkout: fewer go on in device {segment}"}, state)


def seen(*alerts, accepted=900, workers=(READY,)):
    return Seen(0.0, NOW_MS, looked(accepted=accepted), None, workers, alerts)


def drawn(now, frame=FRAME, **more):
    paper = Console(file=io.StringIO(), width=120)
    paper.print(picture(now, frame, **more))
    return paper.file.getvalue()


def test_the_numbers_stand_above_the_links_and_the_live_page_last():
    text = drawn(seen())
    assert "The shop: attempts" in text
    assert f"{PAGE}metrics ready" in text
    assert "http://127.0.0.1:9090 graph" in text
    assert text.splitlines()[-1].split()[:3] == ["live", "page", PAGE]


def test_a_worker_that_is_not_ready_says_why():
    assert "/metrics taking over partitions" in drawn(seen(workers=("taking over partitions",)))


def test_before_any_worker_answers_there_are_the_links():
    text = drawn(Seen(0.0, NOW_MS, workers=("does not answer yet",)))
    assert f"{PAGE}metrics does not answer yet" in text
    assert "%" not in text


def test_an_alert_that_fires_is_shown_with_what_it_is_about():
    text = drawn(seen(alert(), alert("social", "pending")))
    assert "ALERT      FunnelSegmentDropOffSpike: checkout: fewer go on in device mobile" in text
    assert "social" not in text


def test_an_alert_that_fires_for_two_windows_is_shown_once():
    assert drawn(seen(alert(), alert(window="5m"))).count("ALERT") == 1


def test_of_many_alerts_the_first_are_shown_and_how_many_more_there_are():
    assert "and 3 more" in drawn(seen(*[alert(str(number)) for number in range(7)]))


@pytest.mark.parametrize(("ahead_ms", "text"), [(30_000, "in 30 s checkouts"), (-1, "since ")])
def test_the_incident_is_announced_and_then_described(ahead_ms, text):
    assert f"incident   {text}" in drawn(seen(), FRAME._replace(incident=Incident(NOW_MS + ahead_ms)))


def test_as_many_funnels_are_shown_as_fit():
    assert len(drawn(seen(), height=14).splitlines()) <= 14


def test_a_line_says_the_numbers():
    assert line(seen()).startswith("shop: view 200 > buy 50 | conversion 25.0%")


@pytest.mark.parametrize("now", [seen(accepted=0, workers=("does not answer yet", "Kafka is away")),
                                 Seen(0.0, NOW_MS, workers=("does not answer yet", "Kafka is away"))])  # fmt: skip
def test_without_numbers_the_line_says_what_the_workers_wait_for(now):
    assert line(now) == "no numbers yet: worker 1 does not answer yet; worker 2 Kafka is away"


def test_the_picture_is_svg_and_loads_nothing_from_elsewhere(tmp_path):
    path = tmp_path / "live.svg"
    draw(path, seen(), FRAME)
    text = path.read_text()
    assert text.startswith("<svg")
    assert "The&#160;shop" in text
    assert "@font-face" not in text
    assert "cdnjs" not in text
