"""What a log came to at one instant after another: which values are shown by name, and what cannot be asked."""

import json

import pytest

from stream.analyze.past import Past
from stream.errors import HistoryError
from stream.ingest.admission import UNLIMITED
from stream.ingest.mapping import Mapping
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.window import RollingWindow
from stream.settings.tracker import ExportSettings

MINUTE_MS = 60_000
FUNNEL = Funnel(
    "shop",
    1,
    (Step("view", ("view",)), Step("buy", ("buy",))),
    MINUTE_MS,
    breakdowns=(Breakdown("device", ("device",)),),
)
ENTRIES = {0: ["old"] * 5, 10: ["phone"] * 3 + ["desk"] * 2, 11: ["desk", "phone", "watch"], 20: ["new"] * 5}
"""Devices of those that entered, by minute."""


def past_of(partitions=1):
    past = Past([FUNNEL], Mapping(), UNLIMITED, [RollingWindow("5m", 5 * MINUTE_MS)])
    for partition in range(partitions):
        lines = [
            json.dumps({"user_id": f"{minute}-{number}", "time": minute * MINUTE_MS, "event": "view", "device": device})
            for minute, devices in ENTRIES.items()
            for number, device in enumerate(devices)
            if number % partitions == partition
        ]
        past.take(
            partition, [line.encode() for line in lines], [None] * len(lines), range(len(lines)), f"log/{partition}/"
        )
    return past


def shown(past, export, *minutes):
    """Return how many entered in the window, by segment, at each instant."""
    found = []
    for rollup in past.rollups([minute * MINUTE_MS for minute in minutes], export, 0):
        (funnel,) = rollup.funnels
        rows = [row for row in funnel.windows if not row.matured and row.breakdown == "device"]
        found.append({row.segment: row.counts.entered for row in rows})
    return found


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize(
    ("export", "expected"),
    [
        pytest.param(ExportSettings(1), {"phone": 4, "__other__": 4}, id="the-one-with-most-entries-in-the-span"),
        pytest.param(ExportSettings(2), {"phone": 4, "desk": 3, "__other__": 1}, id="as-many-as-the-settings-say"),
        pytest.param(
            ExportSettings(2, {"device": ("watch",)}), {"watch": 1, "phone": 4, "__other__": 3}, id="allowed-ones-first"
        ),
        pytest.param(ExportSettings(20), {"phone": 4, "desk": 3, "watch": 1}, id="all-where-there-is-room"),
    ],
)
def test_values_are_chosen_once_by_the_entries_of_the_span(partitions, export, expected):
    assert shown(past_of(partitions), export, 9, 12, 17) == [{}, expected, {}]


@pytest.mark.parametrize("instants", [[], [21 * MINUTE_MS]], ids=["none", "one-that-nothing-is-known-of"])
def test_instants_that_are_not_of_the_past_are_refused(instants):
    with pytest.raises(HistoryError, match="between the first event and the largest watermark"):
        next(past_of().rollups(instants, ExportSettings(), 0))


def test_a_log_without_events_has_no_first_one():
    assert Past([FUNNEL], Mapping(), UNLIMITED, []).first_ms is None
