"""`funnel history` from the command line: what is written of a file, and what is refused."""

import json
from collections import defaultdict

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.cli.main import main
from stream.metrics import names
from stream.metrics.history import SHOWN

MINUTE_MS = 60_000
TRACKER = """
sources: [{topics: [clicks]}]
funnels: funnels
rolling: [5m]
age_matched: [1m]
export: {top_segments: 1}
alerts: {job: shop}
"""
FUNNEL = """
funnel: shop
window: 3m
target: 50%
steps: [{event: view}, {event: cart}, {event: buy, value: {property: total, currency: EUR}}]
breakdowns: [device]
"""
DEVICES = ["phone", "desk", "phone", "tablet", "phone", "desk"]
EVENTS = [
    {"user_id": f"u{actor}", "time": actor * 50_000 + 100 + after, "event": name, "device": device, "total": 5}
    for actor, device in enumerate(DEVICES)
    for after, name in ((0, "view"), (9_000, "cart"), (20_000, "buy"))[: 1 + actor % 3]
] + [{"user_id": "last", "time": 1_200_000, "event": "view"}]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUNNEL_TRACKER", raising=False)
    (tmp_path / "funnels").mkdir()
    (tmp_path / "funnels" / "shop.yaml").write_text(FUNNEL)
    (tmp_path / "tracker.yaml").write_text(TRACKER)
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, EVENTS)))
    return tmp_path


def export(*options):
    return main(["history", "export", "--config", "tracker.yaml", "--out", "past", *options])


def samples(folder):
    """Return what was written, by instant in s; the parser of the old text format reads times as they are written."""
    found = defaultdict(list)
    for file in sorted((folder / "past").iterdir()):
        for family in text_string_to_metric_families(file.read_text()):
            for sample in family.samples:
                found[float(sample.timestamp) * 1000].append(sample)
    return found


def test_each_minute_has_the_pages_series_with_the_labels_of_a_scrape(folder, capsys):
    assert export("events.jsonl") == 0
    found = samples(folder)
    assert sorted(found) == [60.0 * minute for minute in range(1, 21)]
    table = {name: series for series in SHOWN for name in series.sample_names}
    for sample in (sample for each in found.values() for sample in each):
        own = sample.labels.keys() - {"job", "instance"} - ({"le"} if sample.name.endswith("_bucket") else set())
        assert own == set(table[sample.name].labels), sample
        assert (sample.labels["job"], sample.labels["instance"]) == ("shop", "history")
    seen = {table[sample.name] for each in found.values() for sample in each}
    assert seen >= {
        names.AS_OF,
        names.SINCE,
        names.TARGET,
        names.REACHED,
        names.SETTLED,
        names.VALUE,
        names.AGE_MATCHED,
    }
    count = sum(map(len, found.values()))
    assert capsys.readouterr().out == f"{count:,} samples in 1 files of past\n"


def test_segments_are_chosen_once_and_add_up_to_the_total(folder):
    assert export("events.jsonl") == 0
    named = set()
    for at_s, each in samples(folder).items():
        entered = defaultdict(float)
        for sample in each:
            labels = sample.labels
            if sample.name == "funnel_entered" and (labels["counts"], labels["form"]) == ("attempts", "rolling"):
                entered[labels["breakdown"]] += sample.value
                named |= {labels["segment"]}
        assert entered["device"] == entered[""], at_s
    assert named == {"", "phone", "__other__"}


def test_counters_only_grow(folder):
    assert export("events.jsonl") == 0
    last = {}
    for _, each in sorted(samples(folder).items()):
        for sample in each:
            if sample.name == "funnel_settled_attempts_total":
                key = tuple(sorted(sample.labels.items()))
                assert sample.value >= last.get(key, 0)
                last[key] = sample.value
    assert sum(last.values()) > 0


@pytest.mark.parametrize(
    ("options", "first_s", "last_s"),
    [
        pytest.param(["--step", "90s"], 90, 1170, id="instants-are-multiples-of-the-step"),
        pytest.param(["--from", "1970-01-01T00:02:30Z", "--to", "1970-01-01T00:04Z"], 180, 240, id="as-far-as-wanted"),
        pytest.param(["--from", "1960-01-01", "--to", "2090-01-01"], 60, 1200, id="as-far-as-events-are-there"),
    ],
)
def test_the_span(folder, options, first_s, last_s):
    assert export("events.jsonl", *options) == 0
    found = samples(folder)
    assert (min(found), max(found)) == (first_s, last_s)


def test_labels_can_be_set(folder):
    assert export("events.jsonl", "--label", "instance=a:1", "--label", "region=north") == 0
    labels = {tuple(sample.labels[name] for name in ("job", "instance", "region")) for each in samples(folder).values()
              for sample in each}  # fmt: skip
    assert labels == {("shop", "a:1", "north")}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(
            ["--from", "2026-01-02", "--to", "2026-01-01"], "--from 2026-01-02T00:00:00.000Z is after --to 2026-01-01"
        ),
        pytest.param(["--from", "2026-01-01"], "events are known from 1970-01-01T00:00:00.100Z to"),
        pytest.param(["--label", "segment=x"], "--label segment: our series have this label already"),
        pytest.param(["--funnel", "shopp"], 'did you mean "shop"'),
        pytest.param(["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_file(folder, capsys, options, told):
    assert export("events.jsonl", *options) == 1
    assert told in capsys.readouterr().err
    assert not list(folder.glob("past/*"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--from", "yesterday"], '"yesterday" is no ISO 8601 time'),
        (["--step", "minute"], '"minute" is not a duration'),
        (["--step", "100ms"], "less than a second"),
        (["--label", "x"], '"x" is no label and value'),
        (["--label", "__name__=x"], "is no label and value"),
        (["--label", "region=a\tb"], "is no label and value"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(capsys, options, told):
    with pytest.raises(SystemExit, match="2"):
        export("events.jsonl", *options)
    assert told in capsys.readouterr().err


def test_a_file_without_an_event_of_the_funnels_has_no_past(folder, capsys):
    (folder / "other.jsonl").write_text('{"user_id": "a", "time": 1, "event": "scroll"}')
    assert export("other.jsonl") == 1
    assert "no record is an event of these funnels" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(folder, capsys):
    (folder / "past").mkdir()
    (folder / "past" / "mine").touch()
    assert export("events.jsonl") == 1
    assert "not empty (mine is there)" in capsys.readouterr().err
    assert [file.name for file in (folder / "past").iterdir()] == ["mine"]
