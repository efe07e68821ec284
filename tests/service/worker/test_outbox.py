"""Dead letters on a real Kafka: there once `send` returns, and a topic that is missing is named."""

import json
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.errors import KafkaUnavailable
from stream.model.verdict import Verdict
from stream.worker import outbox
from stream.worker.outbox import DeadLetter, Outbox

pytestmark = pytest.mark.service


async def test_letters_are_there_once_send_returns_and_repeats_share_a_key(stack):
    topic = f"letters-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    box = Outbox({"bootstrap_servers": stack.kafka}, "clicks", topic)
    letters = [DeadLetter(0, n, 1, Verdict.LATE, "11 min late", b'{"user_id":"ann"}') for n in range(100)]
    try:
        await box.send([])
        await box.send(letters)
        await box.send(letters[:1])
    finally:
        await box.close()
    reader = AIOKafkaConsumer(bootstrap_servers=stack.kafka, auto_offset_reset="earliest")
    await reader.start()
    try:
        reader.assign([TopicPartition(topic, 0)])
        found = [await reader.getone() for _ in range(101)]
    finally:
        await reader.stop()
    assert [record.key for record in found] == [b"clicks/0/%d" % n for n in [*range(100), 0]]
    assert json.loads(found[7].value)["verdict"] == "late"
    assert b"ann" not in b"".join(record.value for record in found)


@pytest.mark.parametrize("missing", ["topic", "server"])
async def test_what_is_away_is_named(stack, monkeypatch, missing):
    monkeypatch.setattr(outbox, "SEND_TIMEOUT_S", 2.0)
    server = stack.kafka if missing == "topic" else "127.0.0.1:1"
    box = Outbox({"bootstrap_servers": server}, "clicks", "no topic of this name can be")
    try:
        with pytest.raises(KafkaUnavailable, match="no topic of this name can be"):
            await box.send([DeadLetter(0, 1, None, Verdict.INVALID, "no actor", None)])
    finally:
        await box.close()
