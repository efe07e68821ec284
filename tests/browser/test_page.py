"""The live page in a real Chromium, of a real worker: what it shows is what the API says."""

import json
import re
import time
from dataclasses import replace
from urllib.parse import quote

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from stream.ingest.identify import actor_key
from support.api import Api
from support.pages import ODD_NAME, ODD_SEGMENTS, SEGMENTS, ask, awaited
from support.rollups import SHOP, shop_rollup, shop_source

pytestmark = [pytest.mark.service, pytest.mark.browser]

UNKNOWN = "\N{EN DASH}"
PHONE = {"width": 360, "height": 740}
STEPS = "[data-table=steps] tbody tr"


def figure(page, name):
    return page.locator(f".view [data-figure={name}] .value")


def shown(page, rows):
    """Return the texts of a table's cells, row by row."""
    return page.locator(rows).evaluate_all("rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))")


def number(text):
    return int(re.sub(r"\D", "", text))


def share(text):
    """Return a percentage that is shown, as a share; None for what cannot be said."""
    return None if text == UNKNOWN else pytest.approx(float(text.removesuffix("%")) / 100, abs=0.00051)


def view_of(site, query):
    query = query.replace("funnel=", "").replace("&version=", "/", 1)
    name, _, rest = query.partition("&")
    name, _, version = name.partition("/")
    return ask(f"{site.workers[0].url}api/v1/funnels/{name}/{version or 1}?{rest}")


@pytest.mark.parametrize(
    "query",
    [
        "funnel=checkout&version=1",
        "funnel=checkout&version=1&form=matured",
        "funnel=checkout&version=1&window=24h&breakdown=device&segment=mobile",
        "funnel=checkout&version=1&counts=people&breakdown=channel",
        "funnel=sessions&version=1",
        "funnel=wide&version=1&breakdown=campaign",
    ],
)
def test_the_numbers_on_the_page_are_those_of_the_api(open_page, site, query):
    page = open_page(query)
    expect(page.locator(STEPS).first).to_be_visible()
    view = view_of(site, query)
    outcome = view["outcome"]
    assert number(figure(page, "entered").inner_text()) == outcome["entered"] > 0
    assert number(figure(page, "converted").inner_text()) == outcome["converted"]
    assert outcome["conversion"] == share(figure(page, "conversion").inner_text())
    assert number(figure(page, "pending").inner_text()) == outcome["pending"]
    rows = shown(page, STEPS)
    assert [number(row[1]) for row in rows] == [step["reached"] for step in outcome["steps"]]
    assert [step["reached_share"] for step in outcome["steps"]] == [share(row[2]) for row in rows]
    went_on = [step["conversion"] for step in outcome["steps"] if not step.get("optional")][:-1]
    assert went_on == [share(row[3]) for row in rows if row[3]]
    bars = page.locator(".bar b").all_inner_texts()
    assert [number(bar) for bar in bars] == [step["reached"] for step in outcome["steps"]]
    timed = [bucket["timed"] for bucket in (outcome["time_to_convert"] or {"histogram": []})["histogram"]]
    assert [number(row[1]) for row in shown(page, "[data-table=times] tbody tr")] == timed
    if view["segments"] is not None:
        sides = shown(page, "[data-table=segments] tbody tr")
        assert [
            (side["segment"], side["entered"], side["converted"], side["conversion"]) for side in view["segments"]
        ] == [(row[0], number(row[1]), number(row[2]), share(row[3])) for row in sides]


def test_the_bottleneck_is_named_and_every_number_says_what_it_counts(open_page, site):
    page = open_page("funnel=checkout&version=1")
    found = view_of(site, "funnel=checkout&version=1")["bottleneck"]
    expect(page.locator(".bottleneck")).to_contain_text(f"{found['lost']} attempts lost between {found['name']}")
    assert page.locator(f".gap.narrowest[data-step='{found['step']}']").count() == 1
    expect(page.locator("[data-figure=entered] .about")).to_have_text("attempts")
    page.get_by_role("radio", name="People", exact=True).check()
    expect(page.locator("[data-figure=entered] .about")).to_have_text("people")
    expect(page.locator("[data-table=steps] th").first).to_have_text("Step (People)")


def test_drop_off_is_a_dash_while_nobody_can_have_dropped_off(open_page, site):
    query = "funnel=weekly&version=1"  # its window is as long as the chosen one
    page = open_page(query)
    expect(page.locator("[data-figure=conversion] .about")).to_have_text("drop-off not known yet")
    assert next(row[4] for row in shown(page, STEPS)) == UNKNOWN
    assert view_of(site, query)["outcome"]["pending"] > 0
    assert "obody " not in page.locator(".view").inner_text(), "nobody was lost, it would say"


def test_cohorts_add_up_to_the_window(open_page, site):
    page = open_page("funnel=checkout&version=1")
    expect(page.locator("[data-table=cohorts] tbody tr").first).to_be_visible()
    rows = shown(page, "[data-table=cohorts] tbody tr")
    outcome = view_of(site, "funnel=checkout&version=1")["outcome"]
    assert sum(number(row[1]) for row in rows) == outcome["entered"]
    steps = outcome["steps"]
    assert [sum(number(row[2 + at]) for row in rows) for at in range(len(steps))] == [step["reached"] for step in steps]


def test_an_update_arrives_by_itself(open_page, site):
    page = open_page("funnel=empty&version=1")
    expect(page.locator(".view .empty").first).to_have_text("Nobody entered in the last 1 h.")
    now_ms = int(time.time() * 1000)
    record = {"id": "new", "anonymous_id": "somebody", "event": "never", "time": now_ms}
    awaited(site.produce([(b"somebody", json.dumps(record).encode(), now_ms)]))
    expect(figure(page, "entered")).to_have_text("1")
    expect(figure(page, "conversion")).to_have_text(UNKNOWN)
    expect(page.locator("#state")).to_contain_text("Live")


def test_a_page_that_is_open_follows_a_switch_to_another_version(open_page, tmp_path):
    api = Api(tmp_path)
    try:
        api.publish(shop_source(shop_rollup()))
        page = open_page("funnel=shop", url=api.url)
        expect(figure(page, "entered")).to_be_visible()
        third = replace(SHOP, version=SHOP.version + 1)
        api.follow(third)
        api.publish(shop_source(msgspec.structs.replace(shop_rollup(), key=third.key)))
        page.wait_for_url(f"**version={third.version}**")
        expect(figure(page, "entered")).to_be_visible()
        page.close()  # before its server
    finally:
        api.stop()


def test_a_choice_stands_in_the_address_and_a_link_shows_it(open_page, site):
    page = open_page()
    page.get_by_label("Funnel", exact=True).select_option(label="Web shop checkout · 1")
    page.get_by_role("radio", name="Matured", exact=True).check()
    page.get_by_label("Split by").select_option("device")
    page.get_by_role("button", name="desktop").click()
    expect(page.get_by_label("Segment")).to_have_value("=desktop")
    query = "funnel=checkout&version=1&counts=attempts&window=1h&form=matured&breakdown=device&segment=desktop"
    assert page.url.endswith(f"?{query}")
    entered = view_of(site, "funnel=checkout&version=1&form=matured&breakdown=device&segment=desktop")
    again = open_page(query)
    expect(figure(again, "entered")).to_have_text(str(entered["outcome"]["entered"]))
    page.go_back()
    expect(page.get_by_label("Segment")).to_have_value("*")


def test_two_choices_stand_side_by_side(open_page, site):
    page = open_page("funnel=checkout&version=1")
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("group", name="Compared with").get_by_label("Funnel").select_option(label="Web shop checkout · 2")
    expect(page.locator(".view")).to_have_count(2)
    expect(page.locator(".view").nth(1).locator("[data-table=steps] tbody tr")).to_have_count(2)
    matured = view_of(site, "funnel=checkout&version=2&form=matured")["outcome"]
    assert (
        number(page.locator(".view").nth(1).locator("[data-figure=entered] .value").inner_text()) == matured["entered"]
    )
    assert "vs.version=2&" in page.url
    page.get_by_role("button", name="Stop comparing").click()
    expect(page.locator(".view")).to_have_count(1)


def test_an_actor_is_explained_by_its_pseudonym_only(open_page, site):
    pseudonym = actor_key(site.last_actor, b"").hex()
    page = open_page("funnel=checkout&version=1")
    box = page.get_by_label("Pseudonymised id")
    box.fill(pseudonym)
    box.press("Enter")
    expect(page.locator("[data-table=events]").first).to_contain_text("counted")
    explained = ask(f"{site.workers[0].url}api/v1/actors/{pseudonym}")
    titles = [funnel["title"] or funnel["funnel"] for funnel in explained["funnels"]]
    assert [text.rpartition("version")[0].strip() for text in page.locator(".explained h3").all_inner_texts()] == titles
    open_page.complaints.clear()
    for wrong, said in ((site.last_actor, "24 hexadecimal digits"), ("0" * 24, "nothing is stored of actor")):
        box.fill(wrong)
        box.press("Enter")
        expect(page.locator("#actor [aria-live]")).to_contain_text(said)
    assert [text for text in open_page.complaints if "Failed to load resource" not in text] == []
    open_page.complaints.clear()  # the browser itself notes 400 and 404 in its console


def test_health_is_that_of_the_log(open_page, site):
    page = open_page("funnel=checkout&version=1")
    expect(page.locator("[data-table=partitions] tbody tr")).to_have_count(site.partitions)
    expect(page.locator("#health .state")).to_have_text("ready")
    assert number(page.locator("[data-figure=accepted] .value").inner_text()) >= site.records


@pytest.mark.parametrize("options", [
    pytest.param({}, id="light"),
    pytest.param({"color_scheme": "dark", "locale": "fr-FR"}, id="dark-and-french"),
    pytest.param({"viewport": PHONE}, id="phone"),
])  # fmt: skip
def test_axe_finds_nothing_to_complain_about(open_page, options):
    page = open_page("funnel=checkout&version=1&breakdown=device&vs.form=matured", **options)
    expect(page.locator(".view")).to_have_count(2)
    expect(page.locator("[data-table=cohorts]")).to_be_visible()
    expect(page.locator("[data-table=partitions]")).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_the_keyboard_reaches_and_changes_everything(open_page):
    page = open_page("funnel=checkout&version=1")
    expect(page.locator(STEPS).first).to_be_visible()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        found = page.evaluate("""() => {
            const at = document.activeElement;
            const ring = at.type === "radio" ? at.nextElementSibling : at;
            return [at.id || at.name || at.dataset.table || at.getAttribute("aria-label") || at.localName,
                    getComputedStyle(ring).outlineStyle];
        }""")
        if found[0] == "body":
            break
        assert found[1] != "none", f"{found[0]} does not show that it has the focus"
        reached.append(found[0])
    for place in ("language", "funnel-0", "counts-0", "window-0", "form-0", "breakdown-0", "compare", "pseudonym"):
        assert place in reached
    page.locator("input[name=counts-0]:checked").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-figure=entered] .about")).to_have_text("people")
    assert page.evaluate("document.activeElement.value") == "people"


def test_a_screen_reader_is_told_when_something_is_chosen(open_page):
    page = open_page("funnel=checkout&version=1")
    expect(page.get_by_role("status")).to_contain_text("Web shop checkout: 400 attempts entered")
    page.get_by_role("radio", name="People", exact=True).check()
    expect(page.get_by_role("status")).to_contain_text("people entered")


SHAPES = [
    "checkout&version=1&breakdown=device", "empty", "year", "wide&breakdown=campaign", "sessions",
    "marketing-six&breakdown=channel", "marketing-five", f"odd&breakdown=odd&segment={quote(ODD_SEGMENTS[0])}",
]  # fmt: skip


@pytest.mark.parametrize("query", SHAPES)
def test_every_shape_of_funnel_is_readable_on_a_phone(open_page, query):
    page = open_page(f"funnel={query}", viewport=PHONE)
    expect(page.locator(".view [data-table=steps]")).to_be_visible()
    expect(page.locator("[data-table=partitions]")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    text = page.locator("body").inner_text()
    for nonsense in ("NaN", "undefined", "null", "Infinity", "[object"):
        assert nonsense not in text


def test_odd_names_are_text_and_nothing_else(open_page):
    page = open_page("funnel=odd&version=1&breakdown=odd")
    expect(page.get_by_role("heading", name=ODD_NAME)).to_be_visible()
    expect(page.locator("[data-table=segments] tbody tr")).to_have_count(len(ODD_SEGMENTS))
    names = page.locator("[data-table=segments] tbody th").all_inner_texts()
    assert {"<script>alert(1)</script>", "مرحبا"} <= set(names)
    assert any("x" * 100 in name for name in names)
    assert page.locator("main img, main script").count() == 0


def test_many_segments_stay_in_their_table(open_page):
    page = open_page("funnel=wide&version=1&breakdown=campaign")
    expect(page.locator("[data-table=segments] tbody tr")).to_have_count(SEGMENTS)
    box = page.locator(".scroll", has=page.locator("[data-table=segments]")).bounding_box()
    assert box["height"] < 500


@pytest.mark.parametrize(("funnel", "locale", "tags"), [
    ("marketing-six", "en-GB", ["top", "top", "middle", "middle", "bottom", "bottom"]),
    ("marketing-five", "fr-FR",
     ["notoriété haut", "intérêt haut", "évaluation milieu", "décision milieu", "achat bas"]),
])  # fmt: skip
def test_the_stages_of_both_models_are_shown_in_both_languages(open_page, funnel, locale, tags):
    page = open_page(f"funnel={funnel}&version=1", locale=locale)
    expect(page.locator(".bar-name")).to_have_count(len(tags))
    shown_tags = page.locator(".bar-name").evaluate_all(
        "bars => bars.map(bar => [...bar.querySelectorAll('.tag')].map(tag => tag.innerText).join(' '))"
    )
    assert shown_tags == tags


def test_it_speaks_french_and_english(open_page):
    page = open_page("funnel=checkout&version=1", locale="fr-CA")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    expect(page.locator("[data-figure=conversion] dt")).to_have_text("Taux de conversion")
    assert re.fullmatch(r"\d+,\d\s%", figure(page, "conversion").inner_text())
    page.get_by_role("radio", name="EN", exact=True).check()
    expect(page.locator("[data-figure=conversion] dt")).to_have_text("Conversion")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_both_languages_have_every_text(open_page):
    page = open_page("funnel=checkout&version=1")
    texts = page.evaluate("import('./static/text.js').then(({TEXTS}) => TEXTS)")
    assert texts["en"].keys() == texts["fr"].keys()
    places = {key: set(re.findall(r"{\w+}", text)) for key, text in texts["en"].items()}
    assert places == {key: set(re.findall(r"{\w+}", text)) for key, text in texts["fr"].items()}


def test_a_dark_screen_gets_a_dark_page_and_motion_can_be_off(open_page):
    page = open_page("funnel=checkout&version=1", color_scheme="dark", reduced_motion="reduce")
    expect(page.locator(".fill").first).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 24)"
    assert page.locator(".fill").first.evaluate("bar => getComputedStyle(bar).transitionDuration") == "0s"
