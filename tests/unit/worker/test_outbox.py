"""A dead letter says where and why, and nothing about whom."""

import asyncio
import json

import pytest

from stream.model.verdict import Verdict
from stream.worker import outbox
from stream.worker.outbox import PAYLOAD_BYTES, DeadLetter, Outbox, shape_of


def body(value, **options):
    letter = DeadLetter(3, 42, 1_000, Verdict.INVALID, "no actor", value)
    outbox = Outbox({}, "clicks", "letters", **options)
    return outbox._key(letter), json.loads(outbox._body(letter))


def test_a_letter_is_keyed_by_its_coordinates_and_repeats_them():
    key, letter = body(b'{"user_id":"ann@example.org"}')
    assert key == b"clicks/3/42"
    assert letter == {
        "topic": "clicks", "partition": 3, "offset": 42, "record_time_ms": 1_000, "verdict": "invalid",
        "reason": "no actor", "payload_bytes": 29, "payload_shape": {"user_id": "text(15)"},
    }  # fmt: skip


def test_the_payload_is_added_only_on_request_and_cut():
    _, letter = body(b"\xff" + b"x" * 9_000, with_payload=True)
    assert letter["payload"] == "\ufffd" + "x" * (PAYLOAD_BYTES - 1)
    assert letter["payload_is_cut"]


@pytest.mark.parametrize(("value", "shape"), [
    pytest.param(None, "null record", id="null"),
    pytest.param(b"", "empty", id="empty"),
    pytest.param(b"\xff\x00", "not JSON", id="bytes"),
    pytest.param(b"[" * 100_000, "not JSON", id="too-deep"),
    pytest.param(b"x" * (2 << 20), "too large to look into", id="large"),
    pytest.param(b'[1,"a"]', ["array(2)", "integer"], id="array-shows-its-first"),
    pytest.param(b'{"a":{"b":1.5,"c":null,"d":true}}', {"a": {"b": "number", "c": "null", "d": "boolean"}}, id="deep"),
    pytest.param(b'{"ann@example.org":1,"12345678":2,"id_1":3}',
                 {"<field 1>": "integer", "<field 2>": "integer", "id_1": "integer"}, id="ids-as-names-are-hidden"),
    pytest.param(b'{"a":{"a":{"a":{"a":{"a":1}}}}}', {"a": {"a": {"a": {"a": "object(1)"}}}}, id="depth-is-bounded"),
])  # fmt: skip
def test_shapes_hold_no_values(value, shape):
    assert shape_of(value) == shape


def test_a_wide_record_is_cut():
    shape = shape_of(json.dumps({f"f{number % 100}{'x' * (number // 100)}": 1 for number in range(500)}).encode())
    assert shape["..."] == 460


class Producer:
    """What the outbox needs of Kafka; counts how many are connected."""

    connected = 0

    def __init__(self, **_connection):
        pass

    async def start(self):
        await asyncio.sleep(0)
        Producer.connected += 1

    async def stop(self):
        Producer.connected -= 1

    async def send(self, *_args, **_record):
        sent = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent


async def test_groups_that_are_sent_beside_each_other_share_a_connection_and_none_is_left(monkeypatch):
    monkeypatch.setattr(outbox, "AIOKafkaProducer", Producer)
    box = Outbox({}, "clicks", "letters")
    await asyncio.gather(*[box.send([DeadLetter(number, 0, 0, Verdict.LATE, "", b"")]) for number in range(3)])
    assert Producer.connected == 1
    await box.close()
    assert Producer.connected == 0
