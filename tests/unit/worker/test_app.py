"""What `stream.app` puts together for what is live."""

import json

from stream.app import build
from stream.metrics.process import ProcessStats
from stream.metrics.samples import Floor
from stream.settings.counting import counting_rules
from stream.settings.load import load_funnels, load_tracker
from stream.worker.pointer import promoted, what_is_live
from stream.worker.runs import Run, Runs, Start

TRACKER = {"sources": [{"topics": ["clicks"], "keyed_by_actor": True}], "funnels": "shop.yaml"}
SHOP = {"funnel": "shop", "window": "1h", "steps": [{"event": "a"}, {"event": "b"}]}


async def test_a_promoted_run_is_counted_on_in_its_namespace_from_where_it_began(tmp_path):
    (tmp_path / "tracker.yaml").write_text(json.dumps(TRACKER))
    (tmp_path / "shop.yaml").write_text(json.dumps(SHOP))
    settings = load_tracker(tmp_path / "tracker.yaml", {})
    funnels = load_funnels(settings.funnels, settings.period)
    rules = counting_rules(settings, funnels)
    starts = {0: Start(7, since_ms=70)}
    runs = promoted(Runs().with_run(Run("r", "clicks", rules, starts, None, 0)), "r", 0, rules)
    sink = build(tmp_path / "tracker.yaml", {}).committer.sink
    stats, floor = ProcessStats(), Floor()
    for state, namespace, begins, labels in ((Runs(), "live", None, ""), (runs, "live.r", starts, 'run="r"')):
        tracker = sink._make(what_is_live(settings, funnels, state), stats, floor)
        assert (tracker._store._keys.namespace, tracker._starts) == (namespace, begins)
        assert (tracker.stats, tracker.collector._floor.labels) == (stats, labels)
        await tracker.stop()
    await sink.stop()
