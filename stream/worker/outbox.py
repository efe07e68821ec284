"""Send dead letters to their Kafka topic, acknowledged before the batch they come from is stored.

In:  records with the verdict that kept them from counting.
Out: one JSON record each, keyed `topic/partition/offset`, so that a reader can drop the repeats that a
     crash between sending and storing makes.

A letter holds no personal data unless asked to: instead of the payload it shows its shape, the JSON
structure with names of fields kept and every value replaced by its type and length. Names that do not look
like names (they could be ids used as keys) are replaced too. With `payload` the payload itself is added,
cut to 4 KiB.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from stream.errors import KafkaRefused, KafkaUnavailable
from stream.model.verdict import Verdict
from stream.worker.takeover import kafka_error

PAYLOAD_BYTES = 4096
REASON_CHARACTERS = 500
SHAPE_DEPTH = 4
SHAPE_FIELDS = 40
SHAPE_MAX_INPUT = 1 << 20  # parsing more for its shape would cost more than the letter is worth
SEND_TIMEOUT_S = 15.0
_FIELD_NAME = re.compile(r"[A-Za-z_$][A-Za-z_$.\- ]{0,39}[0-9]{0,2}")


class DeadLetter(NamedTuple):
    """A record that did not count, and why. `reason` is for people and names no values of the record."""

    partition: int
    offset: int
    record_ms: int | None
    verdict: Verdict
    reason: str
    value: bytes | None


class Outbox:
    """Dead letters of one source topic. `connection` holds aiokafka's arguments for servers and security."""

    def __init__(
        self, connection: Mapping[str, Any], source_topic: str, letters_topic: str, *, with_payload: bool = False
    ) -> None:
        self._connection = dict(connection)
        self._source, self._topic = source_topic, letters_topic
        self._with_payload = with_payload
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Send the letters and wait until Kafka has them on all in-sync replicas.

        Raises `KafkaUnavailable` (nothing is known to be sent: send again) or `KafkaRefused`.
        """
        if not letters:
            return
        doing = f"sending dead letters to topic {self._topic}"
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                producer = await self._started()
                waiting = [
                    await producer.send(self._topic, value=self._body(letter), key=self._key(letter))
                    for letter in letters
                ]
                await asyncio.gather(*waiting)
        except TimeoutError as error:
            raise KafkaUnavailable(
                f"Kafka does not take the dead letters within {SEND_TIMEOUT_S:.0f} s: it must be up, and topic "
                f"{self._topic} must exist (create it, or name another under dead_letter.topic)"
            ) from error
        except MessageSizeTooLargeError as error:
            raise KafkaRefused(
                f"topic {self._topic} must take records of {4 * PAYLOAD_BYTES} bytes: {error}"
            ) from error
        except KafkaError as error:
            raise kafka_error(error, doing) from error

    async def close(self) -> None:
        """Disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:  # groups of batches are sent beside each other
            if self._producer is None:
                self._producer = await self._start()
            return self._producer

    async def _start(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._connection,
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            request_timeout_ms=int(SEND_TIMEOUT_S * 1000),
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    def _key(self, letter: DeadLetter) -> bytes:
        return f"{self._source}/{letter.partition}/{letter.offset}".encode()

    def _body(self, letter: DeadLetter) -> bytes:
        body = {
            "topic": self._source,
            "partition": letter.partition,
            "offset": letter.offset,
            "record_time_ms": letter.record_ms,
            "verdict": letter.verdict.label,
            "reason": letter.reason[:REASON_CHARACTERS],
            "payload_bytes": None if letter.value is None else len(letter.value),
            "payload_shape": shape_of(letter.value),
        }
        if self._with_payload and letter.value is not None:
            cut = letter.value[:PAYLOAD_BYTES]
            body["payload"] = cut.decode("utf-8", errors="replace")
            body["payload_is_cut"] = len(cut) < len(letter.value)
        return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode()


def shape_of(value: bytes | None) -> Any:
    """Return the structure of a JSON payload without any of its values; a word if it is no JSON."""
    if value is None:
        return "null record"
    if not value:
        return "empty"
    if len(value) > SHAPE_MAX_INPUT:
        return "too large to look into"
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return "not JSON"
    shape = _shape(parsed, SHAPE_DEPTH)
    return shape if len(json.dumps(shape)) <= PAYLOAD_BYTES else f"JSON {type(parsed).__name__}, too large to show"


def _shape(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        if depth == 0:
            return f"object({len(value)})"
        fields: dict[str, Any] = {}
        for index, (name, inner) in enumerate(list(value.items())[:SHAPE_FIELDS]):
            shown = name if _FIELD_NAME.fullmatch(name) else f"<field {index + 1}>"
            fields[shown] = _shape(inner, depth - 1)
        if len(value) > SHAPE_FIELDS:
            fields["..."] = len(value) - SHAPE_FIELDS
        return fields
    if isinstance(value, list):
        return [f"array({len(value)})", *(_shape(inner, depth - 1) for inner in value[:1] if depth)]
    if isinstance(value, str):
        return f"text({len(value)})"
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    return "number" if isinstance(value, float) else "integer"
