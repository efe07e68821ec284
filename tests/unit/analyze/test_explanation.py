"""What is explained of all actors of a log is what an analysis counts of it."""

import json
import random
from collections import Counter

import pytest

from stream.aggregate.rings import WHOLE
from stream.analyze.actor_log import ActorLog
from stream.analyze.count import LogCount
from stream.analyze.explanation import explain_records
from stream.engine.match import FunnelSet
from stream.ingest.admission import Limits
from stream.ingest.mapping import Mapping
from support.options.notation import funnel
from support.product import product_funnel

FUNNELS = [
    "A>B>C/30", "A>B>C/30 strict", "A>B>C/30 any", "A>B?>C/30 gap 20", "A>B>C/30 hold plan", "A>B>C/30 exclude X",
    "A>B not_before 4>C/30 granularity 5", "A>B>C/30 exclude X 1..2 remove_actor", "A>B>C/30 first", "A>B>C/30 open",
]  # fmt: skip
ACTORS = "uvw"


def log(rng):
    for place in range(200):
        event = {
            "user_id": rng.choice(ACTORS),
            "time": place * 3 + rng.randint(-40, 5),
            "event": rng.choice("AABBCXZ"),
            "id": str(rng.randint(0, 40)),
            "plan": rng.choice("ab"),
        }
        yield json.dumps(event).encode(), place * 3


@pytest.mark.parametrize("bot_cap", [1 << 62, 25])
@pytest.mark.parametrize("text", FUNNELS)
def test_the_sum_over_actors_is_the_analysis(text, bot_cap):
    for seed in range(2):
        rng = random.Random(f"{text} {seed}")
        values, record_times = zip(*log(rng), strict=True)
        definition = product_funnel(funnel(text))
        limits = Limits(allowed_lateness_ms=25, max_future_skew_ms=3)
        count = LogCount([definition], Mapping(), limits, bot_cap=bot_cap)
        funnels = FunnelSet([definition])
        logs = [ActorLog(actor, funnels.property_paths, Mapping(), limits, bot_cap) for actor in ACTORS]
        for taker in (count, *logs):
            taker.take(0, list(values), list(record_times), list(range(len(values))), "t/0/")
        as_of = logs[0].latest_ms
        analysis = count.finish(as_of)
        counts = analysis.reports[0].attempts.get((None, WHOLE))
        found = Counter()
        whys = Counter()
        for own in logs:
            told = explain_records(funnels, funnels.funnels[0], own.parts[0].records, as_of, bot_cap)
            found += Counter(str(each.outcome) for unit in told.units for each in unit.attempts)
            whys += Counter(str(event.why) for event in told.events)
        del found["removed"]
        expected = {
            "converted": counts.converted, "dropped": sum(counts.dropped), "excluded": sum(counts.excluded),
            "pending": sum(counts.pending),
        }  # fmt: skip
        assert {name: found[name] for name in expected} == expected
        verdicts = dict(
            zip(("invalid", "future", "unmatched", "late", "duplicate", "bot"), analysis.verdicts, strict=False)
        )
        assert {name: whys[name] for name in ("invalid", "future", "late", "duplicate", "bot")} == {
            name: number for name, number in verdicts.items() if name != "unmatched"
        }
