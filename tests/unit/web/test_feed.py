"""The feed: the newest to all, each choice encoded once, nothing queued, and an end."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import msgspec
import pytest

from stream.model.window import RollingWindow
from stream.web import feed as feed_module
from stream.web.choices import Catalog, Choice
from stream.web.feed import HEARTBEAT, Feed
from stream.web.forms import Form, Unit
from stream.worker.refreshed import Refreshed
from support.rollups import AS_OF_MS, SHOP, shop_rollup, shop_source

CHOICE = Choice("shop@2", Unit.ATTEMPTS, "1h", Form.ROLLING)
OTHER = Choice("shop@2", Unit.ATTEMPTS, "1h", Form.MATURED)


def reading(as_of_ms=AS_OF_MS):
    return Refreshed({}, 1, shop_source(shop_rollup(), as_of_ms=as_of_ms), AS_OF_MS)


@pytest.fixture
def encoded(monkeypatch):
    """Count how often each choice is made into a document."""
    made = []
    view_document = feed_module.view_document

    def counted(catalog, choice, *rest):
        made.append(choice)
        return view_document(catalog, choice, *rest)

    monkeypatch.setattr(feed_module, "view_document", counted)
    return made


@pytest.fixture
def feed():
    return Feed(Catalog([SHOP], [RollingWindow("1h", 3_600_000)]), now_ms=lambda: AS_OF_MS)


def as_of(event):
    return msgspec.json.decode(event.split(b"data: ")[1])["as_of"]


async def test_each_choice_is_encoded_once_and_the_same_bytes_go_to_all(feed, encoded):
    streams = [feed.events(CHOICE) for _ in range(50)] + [feed.events(OTHER)]
    feed.publish(reading())
    first = [await anext(stream) for stream in streams]
    assert len(set(first[:50])) == 1
    assert encoded == [CHOICE, OTHER]
    feed.close()


async def test_a_reader_gets_the_newest_at_once_and_skips_what_it_missed(feed):
    feed.publish(reading())
    async with aclosing(feed.events(CHOICE)) as events:
        assert as_of(await anext(events)) == "2023-11-14T22:13:20.000Z"
        for later_ms in (1, 2, 3):
            feed.publish(reading(AS_OF_MS + later_ms))
        assert as_of(await anext(events)) == "2023-11-14T22:13:20.003Z"
        feed.close()
        assert [event async for event in events] == []


@pytest.mark.parametrize("reads_on", [False, True], ids=["no-more-readings", "readings-that-change-nothing"])
async def test_what_is_equal_is_not_sent_again_and_silence_is_broken_by_a_comment(feed, monkeypatch, reads_on):
    monkeypatch.setattr(feed_module, "HEARTBEAT_S", 0.05)

    async def read_on():
        while reads_on:
            feed.publish(reading())
            await asyncio.sleep(0)

    feed.publish(reading())
    async with aclosing(feed.events(CHOICE)) as events:
        await anext(events)
        readings = asyncio.create_task(read_on())
        assert [await anext(events) for _ in range(2)] == [HEARTBEAT] * 2
        feed.close()
    readings.cancel()


async def test_what_is_kept_has_a_bound(feed, monkeypatch):
    monkeypatch.setattr(feed_module, "MAX_ENCODED", 3)
    for number in range(10):
        feed.document(replace(CHOICE, breakdown="channel", segment=str(number)))
    assert len(feed._encoded) <= 3


async def test_numbers_that_have_grown_stale_are_sent_without_a_reading(monkeypatch):
    monkeypatch.setattr(feed_module, "HEARTBEAT_S", 0.05)
    now = [AS_OF_MS]
    feed = Feed(Catalog([SHOP], [RollingWindow("1h", 3_600_000)]), now_ms=lambda: now[0])
    feed.publish(reading())
    async with aclosing(feed.events(CHOICE)) as events:
        assert b'"state":"live"' in await anext(events)
        now[0] += 11_000
        assert b'"state":"stale"' in await anext(events)
        feed.close()


async def test_encoding_that_takes_long_slows_the_events_down(feed, monkeypatch):
    """A worker with many choices open must go on counting."""
    woken = feed._changed.wait()
    feed.publish(reading())
    await woken
    async with aclosing(feed.events(CHOICE)) as events:
        await anext(events)
        monkeypatch.setattr(feed, "_spent_s", 0.02)
        feed.publish(reading(AS_OF_MS + 1))
        began = feed._woke_s
        await anext(events)
        assert asyncio.get_running_loop().time() - began >= 0.02 * feed_module.PACE
        feed.close()
