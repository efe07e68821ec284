"""The API of a real worker and of `funnel serve` says what is stored.

What is stored is what a batch computation over the topic says: tests/service/worker and tests/chaos hold that.
"""

import itertools
from datetime import datetime

import msgspec
import pytest

from stream.engine.periods import period_of
from stream.web.choices import Catalog
from stream.web.forms import ViewDoc
from stream.web.views import view_document
from stream.worker.refreshed import Refreshed
from support.pages import ask, awaited
from support.workers import until

pytestmark = pytest.mark.service


def queries(info):
    """Yield every choice of one funnel, whole and split."""
    windows = [("attempts", each["window"], form) for each in info["attempts"] for form in each["forms"]]
    windows += [("people", info["people"]["unit"], form) for form in info["people"]["forms"]]
    for (counts, window, form), breakdown in itertools.product(windows, ["", *info["breakdowns"]]):
        yield {"counts": counts, "window": window, "form": form, **({"breakdown": breakdown} if breakdown else {})}


def differences(site, url, names):
    """Return the choices of these funnels of which the API says something else than the stored counts."""
    catalog = Catalog(site.funnels, site.settings.rolling)
    said = {}
    for info in ask(f"{url}api/v1/funnels")["funnels"]:
        if info["funnel"] not in names:
            continue
        funnel = catalog.funnel(info["funnel"], str(info["version"]))
        for query in queries(info):
            text = "&".join(f"{name}={value}" for name, value in query.items())
            answer = ask(f"{url}api/v1/funnels/{funnel.name}/{funnel.version}?{text}")
            said[catalog.choice(funnel, query)] = msgspec.convert(answer, ViewDoc)
    as_of_ms = max(int(datetime.fromisoformat(view.as_of).timestamp() * 1000) for view in said.values())
    stored = Refreshed({}, 0, awaited(site.view()).roll_up(as_of_ms), as_of_ms)
    expected = {choice: view_document(catalog, choice, stored, as_of_ms) for choice in said}
    return [choice for choice in said if numbers(said[choice]) != numbers(expected[choice])]


def numbers(view):
    return view.outcome, view.segments, view.bottleneck, view.age_matched


# Partitions are rolled up some tenths of a second apart: at the border of a slot they differ for a moment.


def test_every_choice_is_what_is_stored(site):
    url, names = site.workers[0].url, {funnel.name for funnel in site.funnels}
    awaited(until(lambda: not differences(site, url, names), "the API says what is stored", *site.workers))


def test_without_kafka_it_is_the_same(site, serve):
    server = serve()
    awaited(until(lambda: not differences(site, server.url, {"checkout"}), "the API says what is stored", server))


def test_cohorts_add_up_to_the_window(site):
    url = f"{site.workers[0].url}api/v1/funnels/checkout/1"
    cohorts = ask(f"{url}/cohorts?window=24h")
    assert sum(cohort["entered"] for cohort in cohorts["cohorts"]) == ask(f"{url}?window=24h")["outcome"]["entered"]


def test_the_previous_period_has_no_numbers_for_a_funnel_that_has_just_begun(site):
    info = ask(f"{site.workers[0].url}api/v1/funnels/weekly/1?counts=people&form=previous")
    begun_ms = int(datetime.fromisoformat(info["since"]).timestamp() * 1000)
    weekly = next(funnel for funnel in site.funnels if funnel.name == "weekly")
    as_of_ms = int(datetime.fromisoformat(info["as_of"]).timestamp() * 1000)
    began_before = begun_ms < period_of(weekly.period)(as_of_ms)[0]
    assert (info["outcome"] is None) is not began_before
