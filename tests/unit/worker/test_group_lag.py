"""The lag of all repartitioning workers together: whose partitions they are does not matter, and silence is no zero."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from stream.worker import group_lag
from stream.worker.group_lag import KNOWN_S, GroupLag

CART, FIRST, SECOND = TopicPartition("carts", 0), TopicPartition("orders", 0), TopicPartition("orders", 1)


class Group:
    """What Kafka knows, and a consumer without partitions that asks for it."""

    def __init__(self, committed, ends):
        self.committed, self.ends, self.failure, self.questions = committed, ends, None, 0
        self._coordinator = SimpleNamespace(fetch_committed_offsets=self._fetch)

    def partitions_for_topic(self, topic):
        self.questions += topic == "carts"
        return {tp.partition for tp in self.ends if tp.topic == topic} or None

    async def _fetch(self, wanted):
        if self.failure is not None:
            raise self.failure
        return {tp: SimpleNamespace(offset=self.committed[tp]) for tp in wanted if tp in self.committed}

    async def end_offsets(self, wanted):
        return {tp: self.ends[tp] for tp in wanted}


@contextlib.asynccontextmanager
async def asking(group, monkeypatch):
    """Yield the lag while it is asked for without pauses."""
    monkeypatch.setattr(group_lag, "LOOK_S", 0.0)
    lag = GroupLag(group)
    task = asyncio.ensure_future(lag.run(["carts", "orders"]))
    try:
        yield lag
    finally:
        task.cancel()
        await asyncio.wait([task])


async def asked(group):
    """Wait until a question that was asked from now on is answered."""
    wanted = group.questions + 2
    async with asyncio.timeout(10):
        while group.questions < wanted:  # noqa: ASYNC110 (the event loop must turn for what is waited for)
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("committed", "ends", "expected"),
    [
        pytest.param({CART: 7, FIRST: 3, SECOND: 0}, {CART: 7, FIRST: 3, SECOND: 0}, 0, id="all-is-in-the-log"),
        pytest.param({CART: 7, FIRST: 1, SECOND: 5}, {CART: 7, FIRST: 3, SECOND: 9}, 6, id="of-all-partitions"),
        pytest.param({CART: 9, FIRST: 1}, {CART: 7, FIRST: 3}, 2, id="a-topic-made-anew-takes-nothing-off"),
        pytest.param({CART: 7, FIRST: 3}, {CART: 7, FIRST: 3, SECOND: 0}, None, id="a-partition-nobody-has-begun"),
        pytest.param({CART: 7}, {CART: 7}, None, id="a-topic-the-client-has-not-heard-of"),
    ],
)
async def test_lag(committed, ends, expected, monkeypatch):
    group = Group(committed, ends)
    async with asking(group, monkeypatch) as lag:
        await asked(group)
        assert lag.records() == expected


async def test_before_the_first_answer_it_is_not_known():
    assert GroupLag(Group({}, {})).records() is None


async def test_when_kafka_no_longer_answers_it_is_soon_not_known_and_then_asked_again(monkeypatch):
    group = Group({CART: 7, FIRST: 3}, {CART: 7, FIRST: 3})
    now_s = 1_000.0
    monkeypatch.setattr(group_lag, "time", SimpleNamespace(monotonic=lambda: now_s))
    async with asking(group, monkeypatch) as lag:
        await asked(group)
        assert lag.records() == 0
        group.failure = KafkaConnectionError()
        await asked(group)
        now_s += KNOWN_S
        assert lag.records() == 0
        now_s += 0.1
        assert lag.records() is None
        group.failure = None
        await asked(group)
        assert lag.records() == 0
