"""What came next after a drop: the definition, case by case, and how it is shown."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from stream.analyze.count import LogCount
from stream.analyze.document import analysis_document
from stream.analyze.fold import in_time_order
from stream.analyze.forms import SourceDoc
from stream.analyze.next_actions import NextActions
from stream.cli.main import main
from stream.engine.advance import NO_CAP
from stream.engine.match import FunnelSet
from stream.ingest.admission import UNLIMITED, Limits, admit_batch
from stream.ingest.decode import EventDecoder
from stream.ingest.mapping import Mapping
from stream.model.funnel import Exclusion, Funnel, Operator, Order, Predicate, Session, Step
from stream.model.verdict import Verdict
from support.notation import path

A, B, C = Step("a", ("A",)), Step("b", ("B",)), Step("c", ("C",))
FUNNEL = Funnel("f", 1, (A, B, C), 10)
SCHEMA = Path(__file__).parents[3] / "config/schema/analysis.schema.json"


def lines_of(text: str) -> list[bytes]:
    """One actor's events in the notation of paths."""
    return [
        json.dumps({"user_id": "u", "time": e.time, "event": e.name, "id": e.id, **e.properties}).encode()
        for e in path(text)
    ]


def counted(text: str, as_of: int, funnel: Funnel = FUNNEL) -> list[dict[str | None, int]]:
    """Return what came next, per step."""
    lines, funnels = lines_of(text), FunnelSet([funnel])
    columns = (lines, [None] * len(lines), range(len(lines)))
    found = NextActions(funnels, Mapping(), UNLIMITED)
    found.take(0, *columns, "f:", None)
    decoder = EventDecoder(Mapping(), funnels.property_paths)
    events = admit_batch(*columns, decoder, funnels.serving, UNLIMITED, None, "f:", kinds=funnels.kinds).events
    found.count(0, next(in_time_order(events, funnels, NO_CAP).cut([as_of])), as_of, lambda _: None)
    return [{name: count for name, count in step.items() if count} for step in found.counts()[0]]


@pytest.mark.parametrize(
    ("text", "as_of", "expected"),
    [
        pytest.param("A@0 X@3 Y@4", 99, [{"X": 1}, {}], id="the-first-event-that-no-funnel-knows"),
        pytest.param("A@0 B@2 X@3", 99, [{}, {"X": 1}], id="after-the-chains-last-event"),
        pytest.param("A@0 X@1 B@2", 99, [{}, {None: 1}], id="not-what-came-between-its-steps"),
        pytest.param("A@0 X@10", 99, [{"X": 1}, {}], id="the-end-of-the-window-counts"),
        pytest.param("A@0 X@11", 99, [{None: 1}, {}], id="behind-the-window-nothing-came"),
        pytest.param("A@0 B@6 X@11", 99, [{}, {None: 1}], id="the-window-begins-with-the-entry"),
        pytest.param("A@0 A@3", 99, [{"A": 1}, {}], id="a-repeated-step-is-an-event-too"),
        pytest.param("A@0 X@3", 10, [{}, {}], id="a-pending-attempt-is-no-drop"),
        pytest.param("A@0 X@3", 11, [{"X": 1}, {}], id="a-drop-once-the-window-is-over"),
        pytest.param("A@0 B@1 C@2 X@3", 99, [{}, {}], id="who-converted-did-not-drop"),
        pytest.param("A@0 X#2@3 Y#1@3", 99, [{"Y": 1}, {}], id="of-one-instant-the-smallest-id"),
        pytest.param("A#5@0 X#9@0 Y@3", 99, [{"Y": 1}, {}], id="what-ties-with-the-chain-is-not-after-it"),
        pytest.param("A@0 X#1@3 Z#1@3 Y#2@3", 99, [{"X": 1}, {}], id="of-copies-the-first-in-the-log"),
        pytest.param("A@0 A@20 X@22", 99, [{None: 1, "X": 1}, {}], id="each-attempt-for-itself"),
    ],
)
def test_what_came_next(text, as_of, expected):
    assert counted(text, as_of) == expected


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        pytest.param("A@0 X@3", {"session": Session(gap_ms=3)}, [{"X": 1}, {}], id="within-the-gap"),
        pytest.param("A@0 X@4", {"session": Session(gap_ms=3)}, [{None: 1}, {}], id="another-session-by-the-gap"),
        pytest.param("A@0{s=1} X@1{s=2} Y@2{s=1}", {"session": Session("s")}, [{"Y": 1}, {}], id="the-same-session-id"),
        pytest.param("A@0{s=1} X@1", {"session": Session("s")}, [{None: 1}, {}], id="an-event-without-one-is-of-none"),
        pytest.param("A@0 B@1 X@2 Y@3", {"exclusions": (Exclusion(("X",), 2, 3),)}, [{}, {}],
                     id="an-excluded-attempt-is-no-drop"),
        pytest.param("A@0 X@4 Y@5", {"granularity_ms": 5}, [{"Y": 1}, {}], id="later-by-floored-times"),
        pytest.param("A@0 B@1 X@2", {"steps": (A, replace(B, optional=True), C)}, [{"X": 1}, {}],
                     id="an-optional-step-stops-nobody"),
    ],
)  # fmt: skip
def test_what_came_next_in_funnels_with_options(text, options, expected):
    assert counted(text, 99, replace(FUNNEL, **options)) == expected


def test_an_event_that_misses_a_condition_came_next_all_the_same():
    phone = Step("b", ("B",), where=(Predicate("device", Operator.EQUALS, ("phone",)),))
    funnel = Funnel("f", 1, (A, phone), 10)
    assert counted("A@0 B@3{device=desk}", 99, funnel) == [{"B": 1}]


def test_admission_is_that_of_the_topic_and_no_other_number_changes():
    """Late and future records never happened, whatever their names; unmatched ones stay unmatched."""
    records = [
        ("A", 0, 0),
        ("far", 9_000, 3),
        ("X", 50, 50),
        ("late", 4, 51),
        ("B", 3, 52),
        ("Y", 45, 53),
        ("Z", 99, 99),
    ]
    analyses = []
    for next_actions in (False, True):
        count = LogCount([replace(FUNNEL, window_ms=48)], Mapping(), Limits(40, 5), next_actions=next_actions)
        for offset, (name, time, recorded) in enumerate(records):
            line = json.dumps({"user_id": "u", "time": time, "event": name}).encode()
            count.take(0, [line], [recorded], [offset], "t/0/")
        analyses.append(count.finish())
    assert analyses[0].verdicts == analyses[1].verdicts
    assert analyses[1].verdicts[Verdict.UNMATCHED] == 4
    assert analyses[0].reports[0].attempts == analyses[1].reports[0].attempts
    assert analyses[0].next_actions == ()
    assert analyses[1].next_actions[0][0] == Counter({"Y": 1})


def test_partitions_are_added_up():
    count = LogCount([FUNNEL], Mapping(), UNLIMITED, next_actions=True)
    for partition in (0, 1):
        lines = lines_of("A@0 X@3 A@50 A@99")
        count.take(partition, lines, [None] * 4, [0, 1, 2, 3], "")
    assert count.finish().next_actions[0][0] == Counter({"X": 2, None: 2})


def test_the_events_of_busy_and_of_capped_actors_are_found():
    lines = lines_of(
        " ".join(f"A#{number:04}@{20 * number} X#{number:04}@{20 * number + 1}" for number in range(1_200))
    )
    for cap in (NO_CAP, 800):
        count = LogCount([FUNNEL], Mapping(), Limits(1 << 40, 0), bot_cap=cap, next_actions=True)
        count.take(0, lines, [None] * len(lines), range(len(lines)), "")
        (found,) = (analysis := count.finish()).next_actions
        assert found[0].total() == analysis.reports[0].attempts[None, (0, "")].dropped[0]
        assert set(found[0]) == {"X"}


def test_names_beyond_the_first_are_one_row_and_all_rows_add_up():
    nexts = ["X", "X", "Y", "Z", "W", "__other__", None]
    lines = [
        json.dumps({"user_id": f"u{actor}", "time": time, "event": event}).encode()
        for actor, name in enumerate(nexts)
        for time, event in ((0, "A"), (3, name), (99, "A"))
        if event is not None
    ]
    count = LogCount([FUNNEL], Mapping(), UNLIMITED, next_actions=True)
    count.take(0, lines, [None] * len(lines), range(len(lines)), "")
    source = SourceDoc(kind="file", name="f", next_offsets={})
    (funnel,) = analysis_document(count.finish(), [FUNNEL], source, next_names=2).funnels
    view, cart = funnel.next_actions
    assert [(row.event, row.attempts) for row in view.events] == [("X", 2), ("W", 1), ("__other__", 3)]
    assert (view.dropped, view.nothing) == (7, 1)
    assert view.dropped == funnel.attempts.steps[0].dropped
    assert (cart.name, cart.dropped, cart.events) == ("b", 0, [])


def test_in_any_order_those_dropped_are_named_by_how_many_steps_they_reached():
    funnel = replace(FUNNEL, order=Order.ANY)
    count = LogCount([funnel], Mapping(), UNLIMITED, next_actions=True)
    lines = lines_of("B@0 X@3 C@50 A@51 Y@52 Z@99")
    count.take(0, lines, [None] * len(lines), range(len(lines)), "")
    source = SourceDoc(kind="file", name="f", next_offsets={})
    (shown,) = analysis_document(count.finish(), [funnel], source, next_names=2).funnels
    assert [(step.name, [row.event for row in step.events]) for step in shown.next_actions] == [
        ("any 1 of 3", ["X"]),
        ("any 2 of 3", ["Y"]),
    ]
    assert [step.name for step in shown.next_actions] == [step.name for step in shown.attempts.steps[:-1]]


# --- the command


@pytest.fixture
def _shop(tmp_path, monkeypatch):
    """Work in a folder with a funnel and events of three people, of whom two dropped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FUNNEL_TRACKER", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "shop.yaml").write_text("funnel: shop\nwindow: 1h\nsteps: [{event: view}, {event: buy}]\n")
    lines = [("a", 0, "view"), ("a", 5, "\x1b[31mhelp"), ("b", 0, "view"), ("c", 0, "view"), ("c", 9, "buy"),
             ("d", 90_000_000, "exit")]  # fmt: skip
    text = "\n".join(json.dumps({"user_id": who, "time": time, "event": name}) for who, time, name in lines)
    (tmp_path / "e.jsonl").write_text(text)


@pytest.mark.usefixtures("_shop")
def test_the_json_has_next_actions_if_asked(capsys):
    for options in ((), ("--next-actions",), ("--next-actions", "1")):
        assert main(["analyze", "e.jsonl", "--funnel", "shop.yaml", "--json", *options]) == 0
        found = json.loads(capsys.readouterr().out)
        jsonschema.validate(found, json.loads(SCHEMA.read_text()))
        funnel = found["funnels"][0]
        assert ("next_actions" in funnel) == bool(options)
    assert funnel["next_actions"] == [
        {"step": 1, "name": "view", "dropped": 2, "nothing": 1,
         "events": [{"event": "\x1b[31mhelp", "attempts": 1, "share": 0.5}]},
    ]  # fmt: skip


@pytest.mark.usefixtures("_shop")
def test_the_table_has_next_actions_if_asked(capsys):
    assert main(["analyze", "e.jsonl", "--funnel", "shop.yaml"]) == 0
    assert "Next after a drop" not in capsys.readouterr().out
    assert main(["analyze", "e.jsonl", "--funnel", "shop.yaml", "--next-actions=3"]) == 0
    printed = capsys.readouterr().out
    rows = printed.partition("Next after a drop")[2].splitlines()[2:4]
    assert [row.split() for row in rows] == [
        ["1", "view", "�[31mhelp", "1", "50.0%"],
        ["(nothing", "in", "the", "window)", "1", "50.0%"],
    ]
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize("rows", ["0", "-1", "e.jsonl", "²"])
def test_what_is_no_number_of_rows_is_said_with_what_would_be_right(capsys, rows):
    with pytest.raises(SystemExit):
        main(["analyze", "e.jsonl", "--funnel", "shop.yaml", f"--next-actions={rows}"])
    assert "--next-actions=5" in capsys.readouterr().err
