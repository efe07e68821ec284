"""The repartition topic: made if it is missing, and looked at before anything is written to it.

In:  aiokafka's connection arguments, the topic's name, its partition count.
Out: what the topic takes; or `KafkaRefused` with what an operator has to do.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    InvalidTimestampError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    SaslAuthenticationFailed,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from stream.errors import FunnelError, KafkaRefused, KafkaUnavailable
from stream.worker.takeover import kafka_error

log = logging.getLogger(__name__)

BROKER_DEFAULT = -1
"""Replication factor: as the broker is configured."""

TOPIC_CONFIG = {
    # A record keeps the time it had at its source: lateness and clock skew are judged by it.
    "message.timestamp.type": "CreateTime",
    # Brokers refuse records an hour ahead by default, but a bad clock must not stop the log: the verdict is `future`.
    "message.timestamp.after.max.ms": str((1 << 63) - 1),
    # A source may take large records, and an envelope adds to them.
    "max.message.bytes": str(16 << 20),
}
KNOWN_TRIES, KNOWN_PAUSE_S = 50, 0.1
DEFAULT_MAX_MESSAGE_BYTES = 1_048_588  # Kafka's own, where the topic's may not be asked for


_NO_RIGHTS = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
)


class LogTopic(NamedTuple):
    """What the topic takes: `max_record_bytes` of key and value together."""

    partitions: int
    max_record_bytes: int


async def topic_partitions(connection: Mapping[str, Any]) -> dict[str, int]:
    """Return how many partitions each topic has that this user may see. Raises `KafkaUnavailable`, `KafkaRefused`."""
    admin = AIOKafkaAdminClient(**connection)
    try:
        await admin.start()
        topics = await admin.describe_topics()
    except (KafkaError, OSError) as error:
        raise meaning_of(error, "asking which topics there are") from error
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in topics if not topic["error_code"]}


async def ensure_log_topic(
    connection: Mapping[str, Any], topic: str, partitions: int, existing: Collection[str]
) -> LogTopic:
    """Return what `topic` takes; make it with `partitions` partitions unless it is in `existing`.

    Raises `KafkaUnavailable`, and `KafkaRefused` if it is missing and may not be made, or cannot serve as a log.
    """
    admin = AIOKafkaAdminClient(**connection)
    try:
        await admin.start()
        if topic not in existing:
            await _create(admin, topic, partitions)
        found = await _partitions_of(admin, topic)
        config = await _config_of(admin, topic)
    except (KafkaError, OSError) as error:
        raise meaning_of(error, f"looking at repartition topic {topic}") from error
    finally:
        await admin.close()
    _check(topic, config)
    return LogTopic(found, _record_limit(int(config.get("max.message.bytes", DEFAULT_MAX_MESSAGE_BYTES))))


async def _create(admin: AIOKafkaAdminClient, topic: str, partitions: int) -> None:
    # An empty assignment, not a missing one: only then aiokafka lets the broker choose the replication factor.
    wanted = NewTopic(topic, partitions, BROKER_DEFAULT, replica_assignments={}, topic_configs=TOPIC_CONFIG)
    answer = await admin.create_topics([wanted])
    for _, code, *rest in answer.topic_errors:
        failure = for_code(code)
        if failure is TopicAlreadyExistsError:  # another worker was quicker
            return
        if code:
            said = (rest[0] if rest else None) or failure.__name__
            raise KafkaRefused(
                f"repartition topic {topic} does not exist and cannot be made: {said.rstrip('.')}. "
                f"Grant this user CREATE on it, or make it: {create_command(topic, partitions)}"
            )
    log.info("made repartition topic %s with %d partitions", topic, partitions)


def create_command(topic: str, partitions: int) -> str:
    """Return the command line that makes the topic with Kafka's own tool."""
    configs = " ".join(f"--config {name}={value}" for name, value in TOPIC_CONFIG.items())
    return f"kafka-topics.sh --create --topic {topic} --partitions {partitions} {configs} (and --bootstrap-server)"


async def _partitions_of(admin: AIOKafkaAdminClient, topic: str) -> int:
    """Return the topic's partition count; brokers learn of a new topic a little later than the one that made it."""
    for _ in range(KNOWN_TRIES):
        for found in await admin.describe_topics():
            if found["topic"] == topic and found["partitions"] and not found["error_code"]:
                return len(found["partitions"])
        await asyncio.sleep(KNOWN_PAUSE_S)
    raise KafkaUnavailable(f"repartition topic {topic} was made, but the brokers do not know it yet")


async def _config_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    """Return the topic's settings; empty if this user may not ask."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    config: dict[str, str] = {}
    for answer in answers:
        for code, _message, _kind, _name, entries in answer.resources:
            if code:
                log.warning(
                    "settings of repartition topic %s cannot be read (%s): they must be as docs/sources.md says",
                    topic,
                    for_code(code).__name__,
                )
            config.update({entry[0]: entry[1] for entry in entries})
    return config


def _check(topic: str, config: Mapping[str, str]) -> None:
    """Raise `KafkaRefused` if the topic's settings would change the log."""
    stamps = config.get("message.timestamp.type", "CreateTime")
    if stamps != "CreateTime":
        raise KafkaRefused(
            f"repartition topic {topic} has message.timestamp.type={stamps}: it would replace the record times "
            "that lateness is judged by (set it to CreateTime)"
        )
    if "compact" in config.get("cleanup.policy", ""):
        raise KafkaRefused(
            f"repartition topic {topic} has cleanup.policy={config['cleanup.policy']}: of each actor only the last "
            "record would stay (set it to delete)"
        )


def meaning_of(error: BaseException, doing: str) -> FunnelError:
    """Return what an error of aiokafka asks for: waiting and a new session, unless only an operator can help."""
    if isinstance(error, FunnelError):
        return error
    if isinstance(error, _NO_RIGHTS):
        return kafka_error(error, doing)
    if isinstance(error, OffsetOutOfRangeError):
        places = ", ".join(f"{tp.topic}/{tp.partition}/{offset}" for tp, offset in dict(error.args[0]).items())
        return KafkaRefused(
            f"the sources' logs no longer have (or never had) {places}: records were deleted before they were "
            "repartitioned (make retention longer), or a topic was made anew. To go on with what is there, "
            "set the group's offsets there (kafka-consumer-groups.sh --reset-offsets)"
        )
    if isinstance(error, InvalidTimestampError):
        return KafkaRefused(
            f"Kafka refuses the record times of the sources ({doing}): a producer's clock must not stop it; set the "
            f"topic's message.timestamp.after.max.ms and message.timestamp.before.max.ms to {(1 << 63) - 1}"
        )
    if isinstance(error, MessageSizeTooLargeError):
        return KafkaRefused(
            f"Kafka refuses a record as too large ({doing}): raise the topic's max.message.bytes ({error})"
        )
    said = str(error) or type(error).__name__
    # A wrong login looks the same to aiokafka as a server that is down.
    hint = (
        "; are the servers up, and address, protocol and login right?"
        if isinstance(error, KafkaConnectionError)
        else ""
    )
    return KafkaUnavailable(f"Kafka is away ({doing}): {said}{hint}")


def _record_limit(max_message_bytes: int) -> int:
    # The broker's limit is for a compressed record batch: its frame, and what lz4 adds to what it cannot compress.
    return max_message_bytes - max_message_bytes // 256 - 512
