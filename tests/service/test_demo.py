"""The demo ends by itself with equal numbers, says so if they are not, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

pytestmark = [pytest.mark.service, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0
OWN_SERVERS = ("KAFKA_BOOTSTRAP_SERVERS", "REDIS_URL", "PROMETHEUS_URL", "ALERTMANAGER_URL")


@pytest.fixture
def start():
    """Start a demo on the servers of a stack, or on servers of its own; what is missing there it brings along."""
    started = []

    def run(stack, *arguments):
        environ = {name: value for name, value in os.environ.items() if name not in OWN_SERVERS}
        if stack is not None:
            environ |= {"KAFKA_BOOTSTRAP_SERVERS": stack.kafka, "REDIS_URL": stack.redis_url}
        command = [sys.executable, "-m", "stream", "demo", "--rate", "300", *arguments]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def read_until(process, pattern):
    """Return what the first line that matches says in its group."""
    for line in process.stdout:
        found = re.search(pattern, line)
        if found:
            return found.group(1)
    raise AssertionError(f"the demo ended without saying {pattern}")


def processes_with(*texts):
    """Ids of processes whose command line holds every text."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if all(text in line for text in texts):
                found.append(int(folder.name))
    return found


def wait_until(is_so):
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline


def test_on_servers_of_its_own_it_ends_by_itself_with_equal_numbers(start):
    process = start(None, "--seconds", "8")
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert output.count("\nholds  ") == 4
    assert output.splitlines()[-1] == "equal"
    folder = re.search(r"^logs +(\S+)/demo$", output, flags=re.MULTILINE).group(1)
    assert not Path(folder).exists()
    assert not processes_with(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["ctrl-c", "term", "kill"])
def test_nothing_is_left_running_after(stack, start, number):
    process = start(stack)
    folder = Path(read_until(process, r"^logs +(\S+)"))
    read_until(process, r"(checkout: view_page [1-9])")
    assert len(processes_with(str(folder), "worker")) == 2
    process.send_signal(number)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 0), output
    wait_until(lambda: not processes_with(str(folder.parent)))
    wait_until(lambda: not folder.exists())


async def topics(kafka):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def test_on_the_users_servers_it_removes_its_topics_and_state(stack, start):
    before = await topics(stack.kafka)
    process = start(stack)
    topic = read_until(process, r"^Kafka .* topic (\S+)")
    namespace = topic.removesuffix("-clicks")
    read_until(process, r"(checkout: view_page [1-9])")
    store = redis.Redis.from_url(stack.redis_url)
    assert {topic, f"{namespace}-dead-letters"} <= await topics(stack.kafka)
    assert store.keys(f"*{namespace}*")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    assert not {topic, f"{namespace}-dead-letters"} & await topics(stack.kafka)
    assert before <= await topics(stack.kafka)
    assert not store.keys(f"*{namespace}*")
    store.close()


async def delete_first_records(kafka, topic):
    """Delete the first ten records of a partition, once there are more."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    deadline = time.monotonic() + DEADLINE_S
    while (await consumer.end_offsets([partition]))[partition] < 20:
        assert time.monotonic() < deadline
    await consumer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.delete_records({partition: RecordsToDelete(10)})
    await admin.close()


async def test_numbers_that_differ_from_the_topic_fail_the_demo(stack, start):
    process = start(stack, "--seconds", "4")
    topic = read_until(process, r"^Kafka .* topic (\S+)")
    read_until(process, r"(checkout: view_page [1-9])")
    await delete_first_records(stack.kafka, topic)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1, output
    assert re.search(r"FAILS  consumed .*\n +the topic holds .* records, the verdicts add up to", output)
    assert re.search(r"FAILS  live == funnel analyze .*\n +\S+ .*: live \d+, analysis \d+", output)
    assert "holds  conservation laws" in output
    assert output.splitlines()[-1] == "NOT EQUAL"


def test_a_worker_that_is_killed_ends_the_demo_which_names_it(stack, start):
    process = start(stack)
    folder = read_until(process, r"^logs +(\S+)")
    read_until(process, r"(checkout: view_page [1-9])")
    os.kill(min(processes_with(folder, "worker")), signal.SIGKILL)
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1, output
    assert re.search(r"funnel: worker-[12] \(pid \d+\) was killed by SIGKILL; the end of its log:\n.*INFO", output)
    wait_until(lambda: not processes_with(folder))


def test_a_run_whose_check_was_interrupted_does_not_look_as_if_it_had_passed(stack, start):
    process = start(stack, "--seconds", "600")
    read_until(process, r"(checkout: view_page [1-9])")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
