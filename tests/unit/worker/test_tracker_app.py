"""What the app around the transport decides by itself."""

import logging

import pytest
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from stream.errors import KafkaRefused, KafkaUnavailable
from stream.worker import takeover, transport
from stream.worker.tracker_app import RepeatFilter, TrackerApp, WorkerOptions


def record(name, text, second):
    made = logging.LogRecord(name, logging.ERROR, "", 0, text, (second,), None)
    made.created = float(second)
    return made


def test_a_client_that_says_the_same_over_and_over_is_heard_once_in_30_seconds():
    quiet = RepeatFilter()
    heard = [second for second in range(0, 70, 5) if quiet.filter(record("aiokafka.conn", "away at %s", second))]
    assert heard == [0, 30, 60]


def test_another_message_or_one_of_ours_is_always_heard():
    quiet = RepeatFilter()
    quiet.filter(record("aiokafka.conn", "away at %s", 0))
    assert quiet.filter(record("aiokafka.conn", "back at %s", 1))
    assert all(quiet.filter(record("stream.worker", "away at %s", 1)) for _ in range(2))


async def no_page():
    return b""


class Start:
    """A worker that starts with a store and a Kafka that are there; notes who was asked, in order."""

    def __init__(self, monkeypatch, *answers):
        self.asked, self._answers = [], list(answers)
        self.app = TrackerApp(
            WorkerOptions("g", ("127.0.0.1:1",), "log"), self, metrics=no_page, prepare_log=self._prepare
        )
        monkeypatch.setattr(self.app.consumer, "_connect", self._connect)
        monkeypatch.setattr(takeover, "FIRST_PAUSE_S", 0.0)

    async def run(self):
        await self.app.consumer._start_when_available()
        await self.app.committer.stop()

    async def start(self):
        self.asked.append("store")

    async def stop(self):
        pass

    async def tick(self, lag):
        pass

    async def _prepare(self):
        self.asked.append(f"log, known is {self.app.outage.reason!r}")
        answer = self._answers.pop(0)
        if answer is not None:
            raise answer

    async def _connect(self):
        self.asked.append("kafka")


async def test_the_log_is_prepared_before_anything_is_read_and_waited_for_with_the_reason(monkeypatch):
    start = Start(monkeypatch, KafkaUnavailable("Kafka is away"), KafkaUnavailable("no topic orders is there"), None)
    await start.run()
    assert start.asked == [
        "store",
        "log, known is ''",
        "log, known is 'Kafka is away'",
        "log, known is 'no topic orders is there'",
        "kafka",
    ]
    assert start.app.outage.reason == ""


async def test_a_log_that_cannot_serve_ends_the_worker_before_it_joins_the_group(monkeypatch):
    refusal = KafkaRefused("repartition topic log has cleanup.policy=compact")
    start = Start(monkeypatch, refusal)
    await start.run()
    assert start.asked[-1] != "kafka"
    assert start.app.consumer.crash_reason is refusal


async def test_a_topic_of_somebody_else_is_not_prepared(monkeypatch):
    start = Start(monkeypatch)
    start.app.prepare_log = None
    await start.run()
    assert start.asked == ["store", "kafka"]


class Connected:
    """A Kafka client that connects, and fails when it is asked for the topics."""

    def __init__(self, error):
        self.error, self.is_stopped = error, False

    async def start(self):
        pass

    async def topics(self):
        raise self.error

    async def stop(self):
        self.is_stopped = True


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        pytest.param(KafkaError("Unable to get cluster metadata over all known brokers"), KafkaUnavailable, id="away"),
        pytest.param(TopicAuthorizationFailedError(), KafkaRefused, id="refused"),
    ],
)
async def test_a_broker_that_goes_away_while_it_is_connected_to_is_waited_for(monkeypatch, error, meaning):
    client = Connected(error)
    app = TrackerApp(WorkerOptions("g", ("127.0.0.1:1",), "log"), object(), metrics=no_page)
    monkeypatch.setattr(transport, "_new_consumer", lambda *_: client)
    with pytest.raises(meaning):
        await app.consumer._connect()
    assert client.is_stopped
