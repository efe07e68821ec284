"""A simulated shop's log, and its totals by exhaustive search: nothing of the product's counting is in them.

In:  how many records; or (value, record time in ms) of each partition, in log order.
Out: records to produce; or where a rollup differs in entered, converted, dropped by step, entered by device.
"""

import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from stream.simulate.shop import bounded, shop_records
from stream.simulate.traffic import ShopTraffic
from support.oracle import OEvent, OFunnel, ORecord, attempts, counted_events

STEPS = ("view_page", "view_product", "add_to_cart", "begin_checkout", "purchase")
SHOP = OFunnel(tuple(frozenset({name}) for name in STEPS), 3_600_000)
LATENESS_MS, SKEW_MS = 600_000, 300_000
EVER = 10**15
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def shop(count, seed, ago_ms=0):
    """Return (key, value, record time in ms) of a shop that ends now (or `ago_ms`): duplicates, disorder, junk."""
    rate = 400
    start_ms = int(time.time() * 1000) - ago_ms - count * 1000 // rate
    traffic = ShopTraffic(seed=seed, start_ms=start_ms, events_per_second=rate, duplicate_share=0.1)
    return [(record.key, record.value, record.record_ms) for record in bounded(shop_records(traffic), count, None)]


def read_record(value, record_ms):
    """Return what a record of the simulated shop says; None if it is one of the broken ones."""
    try:
        fields = json.loads(value)
        happened = datetime.fromisoformat(fields["time"])
        actor, name = fields["anonymous_id"], fields["event"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(actor, str) or not isinstance(name, str):
        return None
    at_ms = (happened - EPOCH) // timedelta(milliseconds=1)
    device = fields.get("properties", {}).get("device")
    return ORecord(actor, OEvent(at_ms, fields["id"], name, segment=device), record_ms)


def expected(rows_by_partition):
    """Return (converted, dropped by step from 1, entered by device) over all actors."""
    outcomes, dropped, devices = Counter(), Counter(), Counter()
    for rows in rows_by_partition.values():
        log = [record for row in rows if (record := read_record(*row)) is not None]
        for events in counted_events(log, SHOP, LATENESS_MS, SKEW_MS).values():
            for attempt in attempts(events, SHOP, EVER):
                outcomes[attempt.outcome] += 1
                devices[attempt.entry_segment or "__none__"] += 1
                if attempt.outcome == "dropped":
                    dropped[attempt.best] += 1
    return outcomes["converted"], dropped, devices


def differences(rollup, rows_by_partition):
    """Compare the totals of a rollup at `EVER` (all segments shown) with the oracle's; one line for each difference."""
    converted, dropped, devices = expected(rows_by_partition)
    (funnel,) = [each for each in rollup.funnels if each.key.startswith("shop@")]
    (total,) = [row.counts for row in funnel.total if not row.breakdown]
    found = {"converted": total.converted, "entered": total.reached[0]}
    wanted = {"converted": converted, "entered": converted + dropped.total()}
    for step in range(1, len(STEPS)):
        found[f"dropped at {step}"], wanted[f"dropped at {step}"] = total.dropped[step - 1], dropped[step]
    for row in funnel.total:
        if row.breakdown == "device" and row.counts.reached[0]:
            found[f"device {row.segment}"] = row.counts.reached[0]
    wanted |= {f"device {device}": count for device, count in devices.items()}
    return [
        f"{name}: live {found.get(name)}, oracle {wanted.get(name)}"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]
