"""Whole files and folders, those that ship with the project included."""

import contextlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.errors import FunnelError, SettingsError
from stream.model.funnel import Period, PeriodUnit
from stream.settings.load import load_funnels, load_tracker, tracker_path
from stream.settings.publish import rows
from stream.settings.schema import FUNNEL_SCHEMA, SCHEMAS, TRACKER_SCHEMA
from stream.settings.sources import mapping_of
from stream.settings.yaml_file import read_document

CONFIG = Path(__file__).parents[3] / "config"
SHOP_EVENTS = {
    "view_page", "view_product", "add_to_cart", "begin_checkout", "purchase", "scroll", "ping", "search", "see_ad",
    "read_article", "subscribe_newsletter", "compare_products", "request_quote", "open_pricing",
}  # fmt: skip
FULL_ENV = ("KAFKA_PASSWORD", "KAFKA_KEY_PASSWORD", "REDIS_PASSWORD", "ACTOR_SECRET", "FUNNEL_PAGE_TOKEN")
FUNNEL = "funnel: {name}\nversion: {version}\nwindow: 1h\nsteps: [{{event: a}}, {{event: b}}]\n"


def write(folder, **versions):
    """Write one funnel `shop` per keyword: file name to version."""
    for name, version in versions.items():
        (folder / f"{name}.yaml").write_text(FUNNEL.format(name="shop", version=version))


def problems(function, *args):
    with pytest.raises(SettingsError) as raised:
        function(*args)
    return [str(problem) for problem in raised.value.problems]


def test_the_funnels_that_ship_are_right_and_match_the_simulators_events():
    funnels = {funnel.name: funnel for funnel in load_funnels(CONFIG / "funnels")}
    assert set(funnels) == {"checkout", "marketing-five", "marketing-six"}
    assert {event for funnel in funnels.values() for step in funnel.steps for event in step.events} <= SHOP_EVENTS
    checkout = funnels["checkout"]
    assert [step.name for step in checkout.steps] == [
        "view_page", "view_product", "add_to_cart", "begin_checkout", "purchase",
    ]  # fmt: skip
    assert (checkout.window_ms, checkout.needed_properties) == (
        3_600_000,
        ("channel", "currency", "device", "revenue"),
    )


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        (
            "marketing-six",
            "awareness/top interest/top consideration/middle intent/middle evaluation/bottom action/bottom",
        ),
        ("marketing-five", "awareness/top interest/top evaluation/middle decision/middle purchase/bottom"),
    ],
)
def test_the_stage_models_have_their_stages_in_order_and_grouped(name, stages):
    (funnel,) = load_funnels(CONFIG / "funnels" / f"{name}.yaml")
    assert " ".join(f"{step.stage}/{step.group}" for step in funnel.steps) == stages


def test_the_tracker_that_ships_reads_the_simulators_topic():
    tracker = load_tracker(CONFIG / "tracker.yaml", {})
    (source,) = tracker.sources
    assert (source.topics, source.is_keyed_by_actor, tracker.needs_repartition) == (("clicks",), True, False)
    assert mapping_of(source).actor == ("anonymous_id",)
    assert len(load_funnels(tracker.funnels)) == 3


def test_five_lines_of_config_are_a_tracker():
    lines = (CONFIG / "examples" / "minimal.yaml").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) <= 5
    assert len(load_funnels(load_tracker(CONFIG / "examples" / "minimal.yaml", {}).funnels)) == 3


def test_the_full_example_loads_and_names_every_setting(tmp_path):
    for name in ("ca.pem", "client.pem", "client.key"):
        (tmp_path / name).touch()
    path = CONFIG / "examples" / "full.yaml"
    tracker = load_tracker(path, {"TLS_FOLDER": str(tmp_path), **dict.fromkeys(FULL_ENV, "made-up-and-long")})
    assert tracker.kafka.security.uses_tls
    assert tracker.kafka.security.uses_sasl
    assert tracker.kafka.security.ca_file == tmp_path / "ca.pem"
    assert tracker.redis.is_cluster
    assert tracker.export.allow == {"device": ("desktop", "mobile", "tablet"), "channel": ("search", "email")}
    assert not_named(path, TRACKER_SCHEMA) == set()


def not_named(path, schema):
    """Return the settings of a schema that a file does not have."""
    text = path.read_text()
    names = {row.path.strip("`").rpartition(".")[2].removesuffix("[]") for row in rows(schema)}
    return {name for name in names if re.search(rf"\b{name}:", text) is None}


def test_the_full_example_of_a_funnel_loads_and_names_every_setting():
    path = CONFIG / "examples" / "full-funnel.yaml"
    (funnel,) = load_funnels(path)
    assert [step.name for step in funnel.steps if step.optional] == ["coupon"]
    assert [(each.first, each.last, each.effect.value) for each in funnel.exclusions] == [
        (1, 4, "end_attempt"),
        (3, 4, "remove_actor"),
    ]
    assert not_named(path, FUNNEL_SCHEMA) == set()


def test_what_the_full_example_lacks_is_said_once_each():
    found = problems(load_tracker, CONFIG / "examples" / "full.yaml", {})
    assert len(found) == 11
    assert all("is not set (set it)" in problem for problem in found)


def test_versions_of_a_funnel_stand_side_by_side_in_order(tmp_path):
    write(tmp_path, a=10, b=2)
    assert [funnel.key for funnel in load_funnels(tmp_path)] == ["shop@2", "shop@10"]


def test_the_same_version_twice_names_both_files(tmp_path):
    write(tmp_path, a=1, b=1)
    (problem,) = problems(load_funnels, tmp_path)
    assert problem == f"{tmp_path}/b.yaml:2: version: shop@1 is already defined in {tmp_path}/a.yaml (try version: 2)"


def test_the_problems_of_all_files_come_together(tmp_path):
    (tmp_path / "a.yaml").write_text("funnel: a")
    (tmp_path / "b.yml").write_text("- x")
    (tmp_path / "c.txt").write_text("no funnel")
    assert [
        problem.partition(" is a list, not a mapping with ")[0] for problem in problems(load_funnels, tmp_path)
    ] == [
        f'{tmp_path}/a.yaml:1: "window" is missing (add window: ...)',
        f'{tmp_path}/a.yaml:1: "steps" is missing (add steps: ...)',
        f'{tmp_path}/b.yml:1: ["x"]',
    ]


def test_a_folder_without_funnels_and_a_missing_file_are_problems(tmp_path):
    assert problems(load_funnels, tmp_path) == [f"{tmp_path}: holds no funnel (add a file such as checkout.yaml)"]
    assert problems(load_funnels, tmp_path / "x.yaml") == [f"{tmp_path}/x.yaml: there is no such file"]
    assert problems(load_tracker, tmp_path / "x.yaml", {}) == [f"{tmp_path}/x.yaml: there is no such file"]


@pytest.mark.parametrize("content", ["", "3", "- a", "just text", "a: [", "~", "{}", "sources: 3", "funnel: [1]"])
def test_whatever_a_file_holds_the_answer_is_a_list_of_problems(tmp_path, content):
    path = tmp_path / "any.yaml"
    path.write_text(content)
    assert problems(load_funnels, path)
    assert problems(load_tracker, path, {"KAFKA_BOOTSTRAP_SERVERS": "h:1", "REDIS_URL": "redis://h"})


def words(schema):
    """Collect every key and allowed word of a schema: what a person could put in a wrong place."""
    found = set(schema.get("properties", {})) | set(schema.get("enum", ()))
    for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), schema.get("items", {})]:
        found |= words(inner) if inner else set()
    return found


@pytest.mark.parametrize("name", SCHEMAS)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_no_value_in_any_place_makes_loading_crash(tmp_path_factory, name, data):
    word = st.sampled_from(sorted(words(SCHEMAS[name]) | {"1h", "a", "a.b", "${env:A}", "h:1", "redis://h", "("}))
    scalar = st.one_of(word, st.none(), st.booleans(), st.integers(-1, 70_000), st.text(max_size=3))
    tree = st.recursive(scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(word, inner, max_size=4))
    good = {"funnel": "a", "window": "1h", "steps": [{"event": "a"}, {"event": "b"}], "sources": [{"topics": ["a"]}]}
    known = SCHEMAS[name]["properties"]
    changed = data.draw(st.dictionaries(st.sampled_from(sorted(known)), tree, max_size=3))
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_text(json.dumps({key: value for key, value in (good | changed).items() if key in known}))
    with contextlib.suppress(SettingsError):
        load_funnels(path) if name == "funnel" else load_tracker(path, {})


def places(value, path=()):
    """Yield the path of everything inside a tree."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


@given(data=st.data())
def test_no_change_of_the_full_example_makes_loading_crash(tmp_path_factory, data):
    tree = read_document(CONFIG / "examples" / "full-funnel.yaml").tree
    scalar = st.sampled_from([None, True, False, 0, 1.5, "", "1h", "cart", "any", "strict"])
    wrong = scalar | st.lists(scalar, max_size=2) | st.dictionaries(st.just("x"), scalar, max_size=1)
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(list(places(tree))))
        part = tree
        for key in path:
            part = part[key]
        part[last] = data.draw(wrong)
    path = tmp_path_factory.getbasetemp() / "changed.yaml"
    path.write_text(json.dumps(tree))
    with contextlib.suppress(SettingsError):
        load_funnels(path)


def test_an_empty_stage_model_is_told_as_that_alone(tmp_path):
    path = tmp_path / "shop.yaml"
    path.write_text("funnel: a\nwindow: 1h\nstage_model:\nsteps: [{event: a, stage: x}, {event: b}]\n")
    assert problems(load_funnels, path) == [f"{path}:3: stage_model: null is nothing, not text or a list"]


def test_a_funnel_without_a_period_takes_the_trackers(tmp_path):
    write(tmp_path, a=1)
    week = Period(PeriodUnit.WEEK, "Asia/Tokyo")
    assert [funnel.period for funnel in load_funnels(tmp_path, week)] == [week]
    assert [funnel.period for funnel in load_funnels(tmp_path)] == [Period(PeriodUnit.DAY, "UTC")]


def test_which_tracker_file_is_read():
    env = {"FUNNEL_TRACKER": "other.yaml"}
    assert tracker_path("mine.yaml", env) == Path("mine.yaml")
    assert tracker_path(None, env) == Path("other.yaml")
    assert tracker_path(None, {"FUNNEL_TRACKER": ""}) == Path("config/tracker.yaml")


def test_settings_errors_are_the_projects_own_and_hold_their_problems(tmp_path):
    with pytest.raises(FunnelError) as raised:
        load_funnels(tmp_path / "none.yaml")
    assert isinstance(raised.value, SettingsError)
    assert raised.value.problems[0].file == str(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(CONFIG.glob("**/*.yaml")), ids=lambda path: path.name)
def test_no_shipped_file_has_a_form_that_reading_refuses(path):
    if path.parent.name in {"config", "funnels", "examples"}:
        assert read_document(path).problems == []
