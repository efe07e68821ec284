"""How a sample is shared out over partitions, and what the Kafka client is told."""

import pytest
from aiokafka import AIOKafkaConsumer
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import SettingsError
from stream.probe.read_topic import plan
from stream.settings.clients import kafka_arguments
from stream.settings.tracker import KafkaSecurity, KafkaSettings

SPANS = st.dictionaries(
    st.integers(0, 20), st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda two: (two[0], sum(two)))
)


@given(SPANS, st.integers(1, 500))
def test_a_plan_takes_as_many_records_as_asked_for_and_none_twice(spans, count):
    heads, tails = plan(spans, count)
    taken = [
        (partition, offset)
        for ends in (heads, tails)
        for partition, (first, end) in ends.items()
        for offset in range(first, end)
    ]
    assert len(taken) == min(count, sum(end - first for first, end in spans.values()))
    assert len(set(taken)) == len(taken)
    assert all(spans[partition][0] <= offset < spans[partition][1] for partition, offset in taken)


@pytest.mark.parametrize(
    ("spans", "count", "heads", "tails"),
    [
        pytest.param({0: (5, 105)}, 10, {0: (5, 10)}, {0: (100, 105)}, id="both-ends-of-a-large-partition"),
        pytest.param({0: (5, 9)}, 10, {0: (5, 9)}, {}, id="a-small-partition-once"),
        pytest.param(
            {0: (0, 100), 1: (0, 2), 2: (7, 7)},
            12,
            {0: (0, 5), 1: (0, 2)},
            {0: (95, 100)},
            id="what-is-left-over-goes-on",
        ),
        pytest.param({}, 12, {}, {}, id="no-partitions"),
    ],
)
def test_plans(spans, count, heads, tails):
    assert plan(spans, count) == (heads, tails)


def test_plain_text_needs_servers_only():
    assert kafka_arguments(KafkaSettings("a:1,b:2")) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
    }


async def test_user_and_password_are_passed_on_as_the_client_takes_them():
    security = KafkaSecurity("sasl_plaintext", "SCRAM-SHA-256", "funnel", "secret")
    found = kafka_arguments(KafkaSettings(security=security))
    assert found["security_protocol"] == "SASL_PLAINTEXT"
    assert [found[f"sasl_{name}"] for name in ("mechanism", "plain_username", "plain_password")] == [
        "SCRAM-SHA-256",
        "funnel",
        "secret",
    ]
    await AIOKafkaConsumer(**found).stop()


def test_tls_checks_certificates():
    found = kafka_arguments(KafkaSettings(security=KafkaSecurity("ssl")))
    assert found["ssl_context"].check_hostname
    assert "sasl_mechanism" not in found


def test_a_certificate_that_cannot_be_loaded_is_said(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(SettingsError, match=r"kafka\.security: .*PEM"):
        kafka_arguments(KafkaSettings(security=KafkaSecurity("ssl", ca_file=path)))
