"""The simulated shop: reproducible, in delivery order, with the shares it was asked for, in bounded memory."""

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from stream.simulate.shop import ShopTraffic, SimRecord, bounded, iso_time, shop_records
from stream.simulate.traffic import (
    CONTENT_STEPS,
    FUTURE_AFTER_MS,
    MAX_FAST_CLOCK_MS,
    NOISE_EVENTS,
    SHOP_STEPS,
    share_names,
)

RECORDS = 50_000
QUIET = dict.fromkeys(
    ["duplicate_share", "offline_share", "late_share", "future_share", "junk_share", "fast_clock_share"], 0.0
)
DIGEST = "73687366bfd80bc6e26943e70731d228dddd0ca61e93e628b9ed1e877c138dd8"


def digest(records: Iterator[SimRecord]) -> str:
    total = hashlib.sha256()
    for record in records:
        total.update(b"%s|%s|%d\n" % (record.key or b"-", record.value, record.record_ms))
    return total.hexdigest()


def read(record: SimRecord) -> dict[str, Any] | None:
    """Read as the tracker would: no event without an actor, a name and a time, and NaN is no JSON."""
    try:
        fields = json.loads(record.value, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return None
    if not isinstance(fields, dict):
        return None
    needed = [fields.get(name) for name in ("anonymous_id", "event", "time")]
    return fields if all(isinstance(text, str) for text in needed) else None


def time_ms(fields: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(fields["time"]).timestamp() * 1_000)


@pytest.fixture(scope="module")
def records() -> list[SimRecord]:
    """Three and a half hours: long enough that the really late ones have arrived too."""
    return list(islice(shop_records(ShopTraffic(events_per_second=4)), RECORDS))


@pytest.fixture(scope="module")
def events(records) -> list[tuple[SimRecord, dict[str, Any]]]:
    return [(record, fields) for record in records if (fields := read(record)) is not None]


@pytest.fixture(scope="module")
def quiet() -> list[dict[str, Any]]:
    """Events in the order they happened: nothing late, repeated or damaged."""
    found = [read(record) for record in islice(shop_records(ShopTraffic(events_per_second=20, **QUIET)), RECORDS)]
    return sorted((fields for fields in found if fields is not None), key=lambda fields: fields["time"])


def test_equal_settings_give_the_bytes_they_gave_when_this_was_written():
    assert digest(islice(shop_records(ShopTraffic(seed=7)), 3_000)) == DIGEST


def test_neither_hash_seed_nor_locale_nor_time_zone_shows_in_the_bytes():
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]; from itertools import islice; from test_shop import digest;"
        "from stream.simulate.shop import *; print(digest(islice(shop_records(ShopTraffic(seed=7)), 3_000)))"
    )
    odd = {**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Kolkata", "LC_ALL": "tr_TR.UTF-8"}
    run = [sys.executable, "-c", code, str(Path(__file__).parent)]
    assert subprocess.run(run, env=odd, check=True, capture_output=True, text=True).stdout.strip() == DIGEST


def test_another_seed_is_another_shop():
    assert digest(islice(shop_records(ShopTraffic(seed=8)), 3_000)) != DIGEST


def test_records_come_in_delivery_order(records):
    delivered = [record.record_ms for record in records]
    assert delivered == sorted(delivered)


def test_the_key_is_the_device_and_only_a_record_without_an_actor_has_none(records, events):
    assert all(record.key == fields["anonymous_id"].encode() for record, fields in events)
    unkeyed = [record for record in records if record.key is None]
    assert unkeyed
    assert all(b"anonymous_id" not in record.value and b"user_id" not in record.value for record in unkeyed)


def test_every_event_has_the_stated_fields(events):
    for _, fields in events:
        assert fields["event"] in SHOP_STEPS + CONTENT_STEPS + NOISE_EVENTS
        assert fields["time"].endswith("Z")
        assert len(fields["id"]) == 36
        assert fields["session_id"].startswith("s-")
        properties = fields["properties"]
        assert properties["device"] in ("mobile", "desktop", "tablet")
        assert properties["channel"] in ("search", "social", "email", "direct", "ads")
        assert len(properties["country"]) == 2
        assert properties["url"].startswith("/")
    assert {fields["event"] for _, fields in events} == {*SHOP_STEPS, *CONTENT_STEPS, *NOISE_EVENTS}


def test_a_purchase_carries_revenue_with_two_digits_mostly_in_euro(events):
    purchases = [record.value for record, fields in events if fields["event"] == "purchase"]
    assert purchases
    amounts = [value.split(b'"revenue":')[1].split(b",")[0] for value in purchases]
    assert all(len(amount.split(b".")[1]) == 2 and float(amount) > 0 for amount in amounts)
    dollars = sum(b'"currency":"USD"' in value for value in purchases)
    assert 0.02 < dollars / len(purchases) < 0.15


def test_the_rate_holds_from_the_first_second_on():
    traffic = ShopTraffic(events_per_second=400)
    by_second = Counter(
        (record.record_ms - traffic.start_ms) // 1_000 for record in islice(shop_records(traffic), 24_000)
    )
    assert all(300 < by_second[second] < 500 for second in range(50))
    assert sum(by_second[second] for second in range(50)) == pytest.approx(50 * 400, rel=0.07)


def test_a_low_rate_holds_too():
    traffic = ShopTraffic(events_per_second=0.2)
    *_, last = islice(shop_records(traffic), 2_000)
    assert 2_000 / ((last.record_ms - traffic.start_ms) / 1_000) == pytest.approx(0.2, rel=0.1)


def test_junk_late_and_future_come_in_their_shares(records, events):
    traffic = ShopTraffic()
    ahead = [time_ms(fields) - record.record_ms for record, fields in events]
    assert (len(records) - len(events)) / RECORDS == pytest.approx(traffic.junk_share, rel=0.25)
    assert sum(ms > FUTURE_AFTER_MS for ms in ahead) / RECORDS == pytest.approx(traffic.future_share, rel=0.5)
    assert sum(ms < -traffic.allowed_lateness_ms for ms in ahead) / RECORDS == pytest.approx(0.002, rel=0.4)


def test_a_delivery_precedes_its_event_only_by_a_fast_clock_or_from_the_future(events):
    ahead = [time_ms(fields) - record.record_ms for record, fields in events]
    assert all(ms < MAX_FAST_CLOCK_MS or ms > FUTURE_AFTER_MS for ms in ahead)
    assert any(0 < ms < MAX_FAST_CLOCK_MS for ms in ahead)


def test_a_record_from_the_future_and_its_copies_are_all_from_the_future():
    traffic = ShopTraffic(
        future_share=1, duplicate_share=0.3, **dict.fromkeys(["offline_share", "late_share", "junk_share"], 0)
    )
    found = [(record, fields) for record in islice(shop_records(traffic), 20_000) if (fields := read(record))]
    assert len(found) == 20_000
    assert min(time_ms(fields) - record.record_ms for record, fields in found) > FUTURE_AFTER_MS


def test_only_phones_hold_records_back_and_in_their_share(events):
    waited = [(record.record_ms - time_ms(fields), fields["properties"]["device"]) for record, fields in events]
    held = Counter(device for ms, device in waited if 5_000 < ms <= 600_000)
    phones = sum(device == "mobile" for _, device in waited)
    assert held["mobile"] / phones == pytest.approx(ShopTraffic().offline_share, rel=0.2)
    assert held["desktop"] + held["tablet"] < 10


def test_without_late_records_all_arrive_within_the_allowed_lateness():
    traffic = ShopTraffic(late_share=0, future_share=0, offline_share=0.5, allowed_lateness_ms=30_000)
    found = [(record, fields) for record in islice(shop_records(traffic), 20_000) if (fields := read(record))]
    behind = [record.record_ms - time_ms(fields) for record, fields in found]
    assert 29_000 < max(behind) <= 30_000


def test_duplicates_are_identical_and_follow_their_original_shortly(events):
    delivered: defaultdict[bytes, list[int]] = defaultdict(list)
    for record, _ in events:
        delivered[record.value].append(record.record_ms)
    copies = [later - first for first, *rest in delivered.values() for later in rest]
    assert len(copies) / RECORDS == pytest.approx(ShopTraffic().duplicate_share, rel=0.15)
    assert max(copies) < 60_000
    assert len({fields["id"] for _, fields in events}) == len(delivered)


@pytest.mark.parametrize("name", [*QUIET, "content_share", "noise_share", "login_share", "second_device_share"])
def test_a_share_of_zero_means_none(name):
    found = [read(record) for record in islice(shop_records(ShopTraffic(**{**QUIET, name: 0.0})), 5_000)]
    assert None not in found
    assert len({fields["id"] for fields in found}) == 5_000
    names = {fields["event"] for fields in found}
    assert (name == "content_share") == names.isdisjoint(CONTENT_STEPS)
    assert (name == "noise_share") == names.isdisjoint(NOISE_EVENTS)
    assert (name == "login_share") == all("user_id" not in fields for fields in found)


def test_every_share_can_be_zero_at_once():
    traffic = ShopTraffic(**dict.fromkeys(share_names(), 0.0))
    assert all(read(record) for record in islice(shop_records(traffic), 2_000))


def test_noise_comes_in_its_share(quiet):
    noise = sum(fields["event"] in NOISE_EVENTS for fields in quiet)
    assert noise / RECORDS == pytest.approx(ShopTraffic().noise_share, rel=0.05)


def test_visitors_come_back_but_never_to_two_visits_at_once(quiet):
    visits: dict[str, tuple[str, str, str]] = {}
    for fields in quiet:
        first = visits.get(fields["session_id"], (fields["anonymous_id"], fields["time"], ""))
        visits[fields["session_id"]] = (first[0], first[1], fields["time"])
    by_device = defaultdict(list)
    for device, begin, end in visits.values():
        by_device[device].append((begin, end))
    returns = sum(len(spans) - 1 for spans in by_device.values())
    assert returns / len(visits) == pytest.approx(ShopTraffic().returning_share, rel=0.1)
    for spans in by_device.values():
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_a_device_is_anonymous_first_and_stays_known_after_login(quiet):
    known: dict[str, list[str | None]] = defaultdict(list)
    for fields in quiet:
        users = known[fields["anonymous_id"]]
        if not users or users[-1] != fields.get("user_id"):
            users.append(fields.get("user_id"))
    assert all(len(users) <= 2 and users[0] is None for users in known.values())
    assert sum(len(users) == 2 for users in known.values()) > 500


def test_a_login_at_the_check_out_shows_within_the_visit(quiet):
    visits: dict[str, set[bool]] = defaultdict(set)
    for fields in quiet:
        visits[fields["session_id"]].add("user_id" in fields)
    assert sum(len(found) == 2 for found in visits.values()) > 200


def test_some_accounts_have_two_devices(quiet):
    devices = defaultdict(set)
    for fields in quiet:
        if "user_id" in fields:
            devices[fields["user_id"]].add(fields["anonymous_id"])
    assert sum(len(found) > 1 for found in devices.values()) > 20


def conversion(events: list[dict[str, Any]], step: str, following: str) -> float:
    names = Counter(fields["event"] for fields in events)
    return names[following] / names[step]


@pytest.mark.parametrize(("name", "better", "worse"), [("device", "desktop", "mobile"), ("channel", "email", "social")])
def test_drop_off_differs_by(name, better, worse, quiet):
    of = {value: [f for f in quiet if f["properties"][name] == value] for value in (better, worse)}
    assert conversion(of[better], "begin_checkout", "purchase") > 1.2 * conversion(
        of[worse], "begin_checkout", "purchase"
    )


def test_a_drop_collapses_its_step_from_its_moment_on_and_no_other():
    start_ms = ShopTraffic().start_ms
    traffic = ShopTraffic(
        events_per_second=50, drop_step="purchase", drop_from_ms=start_ms + 1_000_000, drop_factor=0.1, **QUIET
    )
    found = [fields for record in islice(shop_records(traffic), 100_000) if (fields := read(record))]
    before = [fields for fields in found if time_ms(fields) < start_ms + 1_000_000]
    after = [fields for fields in found if time_ms(fields) > start_ms + 1_100_000]
    assert conversion(before, "begin_checkout", "purchase") > 0.5
    assert conversion(after, "begin_checkout", "purchase") < 0.12
    earlier = conversion(before, "add_to_cart", "begin_checkout")
    assert conversion(after, "add_to_cart", "begin_checkout") == pytest.approx(earlier, rel=0.25)


@pytest.mark.parametrize(("name", "value"), [("device", "mobile"), ("channel", "ads"), ("country", "DE")])
def test_a_drop_of_one_segment_leaves_all_others_as_they_were(name, value):
    settings = {"events_per_second": 50, "drop_step": "begin_checkout", "drop_factor": 0.0, **QUIET}
    found = [
        [fields for record in islice(shop_records(ShopTraffic(**settings, **more)), 15_000) if (fields := read(record))]
        for more in ({"drop_from_ms": 2**53}, {"drop_segment": (name, value)})
    ]
    of_all, of_others = (Counter(f["properties"][name] for f in run if f["event"] == "begin_checkout") for run in found)
    assert of_all[value] > 40
    assert of_others[value] == 0
    assert of_others.total() == pytest.approx(of_all.total() - of_all[value], rel=0.2)


def test_an_endless_run_stays_in_bounded_memory():
    traffic = ShopTraffic(events_per_second=50, max_visitors=300, allowed_lateness_ms=20_000)
    endless = shop_records(traffic)
    tracemalloc.start()
    try:
        for _ in islice(endless, 40_000):
            pass
        early, _ = tracemalloc.get_traced_memory()
        for _ in islice(endless, 80_000):
            pass
        late, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert late < early * 1.25


def test_a_bound_cuts_by_count_and_by_delivery_time(records):
    start_ms = ShopTraffic().start_ms
    assert list(bounded(iter(records), 10, None)) == records[:10]
    cut = list(bounded(iter(records), None, start_ms + 30_000))
    assert cut == [record for record in records if record.record_ms < start_ms + 30_000]
    assert list(bounded(iter(records), 5, start_ms + 30_000)) == records[:5]


@pytest.mark.parametrize(
    ("at_ms", "text"), [(0, "1970-01-01T00:00:00.000Z"), (1_767_225_600_007, "2026-01-01T00:00:00.007Z")]
)
def test_iso_time(at_ms, text):
    assert iso_time(at_ms) == text
