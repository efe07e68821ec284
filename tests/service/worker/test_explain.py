"""`funnel explain` of what a real worker has stored in Redis."""

import asyncio
import json
import time

import pytest

from stream.analyze.live_actor import partition_of
from stream.cli.main import main
from support.workers import Site

pytestmark = pytest.mark.service

NOW_MS = int(time.time() * 1000)
ACTOR = "visitor-4711"


def event(name, before_s, actor=ACTOR):
    body = {"id": f"{name}-{before_s}", "anonymous_id": actor, "event": name, "time": NOW_MS - before_s * 1000}
    return actor.encode(), json.dumps(body).encode(), NOW_MS


async def test_an_actor_is_explained_from_redis(stack, tmp_path, monkeypatch, capsys):
    for variable in ("FUNNEL_TRACKER", "KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)
    site = Site(tmp_path, stack.kafka, stack.redis_url)
    try:
        await site.make_topic()
        steps = ("view_page", "view_page", "view_product", "add_to_cart", "purchase")
        records = [event(name, before_s) for name, before_s in zip(steps, (90, 60, 50, 40, 30), strict=True)]
        await site.produce([*records, event("view_page", 5, "somebody else")])
        site.start()
        await site.caught_up()
        before = {number: each.head for number, each in (await site.view()).partitions.items()}
        options = ["--config", str(tmp_path / "tracker.yaml")]
        assert await asyncio.to_thread(main, ["explain", "--actor", ACTOR, *options, "--json"]) == 0
        printed = capsys.readouterr().out
        assert ACTOR not in printed
        (funnel,) = json.loads(printed)["funnels"]
        assert funnel["partition"] == partition_of(ACTOR, site.partitions)
        (unit,) = funnel["units"]
        assert [(each["outcome"], each["step"]) for each in unit["attempts"]] == [("pending", 3)]
        assert [(each["id"], each["why"]) for each in funnel["events"]] == [
            ("view_page-90", "other_chain"), ("view_page-60", "counted"), ("view_product-50", "counted"),
            ("add_to_cart-40", "counted"), ("purchase-30", "order"),
        ]  # fmt: skip
        assert await asyncio.to_thread(main, ["explain", "--actor", ACTOR, *options]) == 0
        assert "now at step 3 add_to_cart, pending until" in capsys.readouterr().out
        assert await asyncio.to_thread(main, ["explain", "--actor", "nobody", *options]) == 1
        assert "nothing is stored of actor" in capsys.readouterr().err
        after = {number: each.head for number, each in (await site.view()).partitions.items()}
        assert [head.epoch for head in after.values()] == [head.epoch for head in before.values()]
    finally:
        site.close()
