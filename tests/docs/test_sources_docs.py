"""docs/sources.md: its settings load, and what it says about the repartition topic is what the code does."""

import json
import re
from pathlib import Path

import pytest

from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import PRESETS
from stream.settings.load import load_tracker
from stream.worker.envelope import EnvelopeWriter, log_mapping, provenance, record_field
from stream.worker.log_topic import create_command

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
TRACKERS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("number", "needs_repartition"), [(0, False), (1, True)])
def test_its_trackers_load(tmp_path, number, needs_repartition):
    (tmp_path / "tracker.yaml").write_text(TRACKERS[number])
    assert load_tracker(tmp_path / "tracker.yaml", {}).needs_repartition is needs_repartition


def test_its_own_topic_takes_five_lines():
    assert len(TRACKERS[0].splitlines()) <= 5


def test_it_makes_the_topic_as_the_worker_would():
    assert create_command("funnel-events", 24).removesuffix(" (and --bootstrap-server)") in PAGE


def test_its_envelope_is_one():
    shown = re.search(r"```json\n(.*?)\n```", PAGE, re.DOTALL)[1].encode()
    event = EventDecoder(log_mapping(), ("price",)).decode(shown)
    assert (event.actor, event.time_ms, event.name, event.event_id) == ("u1", 1764000000123, "purchase", "e-17")
    assert str(event.properties[0]) == "1.10"
    assert provenance(shown).source == "page-events/3/1042"
    record = b'{"userId":"u1","timestamp":1764000000123,"event":"purchase","messageId":"e-17"}'
    _, written, _ = EnvelopeWriter(PRESETS["segment"], 1 << 20).write(record, "page-events/3/1042")
    assert list(json.loads(written)) == list(json.loads(shown))


def test_it_shows_how_an_invalid_record_and_another_presets_record_look():
    _, written, _ = EnvelopeWriter(PRESETS["flat"], 1 << 20).write(b"{}", "page-events/3/1043")
    assert json.dumps(json.loads(written)) in PAGE
    assert f"`{record_field(PRESETS['cloudevents'].properties)}`" in PAGE
