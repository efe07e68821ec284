"""Real stacks: several at once, killed and restarted, and nothing left behind."""

import asyncio
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from stream.errors import StackError
from stream.stack import Stack
from stream.stack.processes import is_running, mark, wait_gone
from stream.stack.state import read_state

pytestmark = [pytest.mark.service, pytest.mark.timeout(240)]

SECONDS = 60
NOTHING: dict[str, str] = {}  # an environment that names no servers


def name(text):
    return f"test-{text}-{os.getpid()}"


def wait_for(condition):
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def processes_of(stack_name):
    state = read_state(stack_name)
    return [state.supervisor, *(service.process for service in state.services.values())]


def client(stack):
    return redis.Redis.from_url(stack.redis_url, decode_responses=True)


async def write_and_read(bootstrap, topic, values, *, creates):
    """Produce `values` and return everything the topic holds."""
    if creates:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)
    found = []
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        [partition] = consumer.assignment()
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            found.append((await consumer.getone()).value)
    return found


@pytest.fixture(scope="module")
def stack():
    with Stack.running(name("shared"), environ=NOTHING) as running:
        yield running


@pytest.fixture
def page():
    """Serve one gauge on a port of its own; returns host:port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(b"funnel_test_gauge 42\n")

        def log_message(self, *_):
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_all_services_are_ready_when_start_returns(stack):
    assert {service.name for service in stack.status().services if service.is_ready} == {"kafka", "redis", "prometheus"}
    assert client(stack).ping()
    assert asyncio.run(write_and_read(stack.kafka, "first", [b"a", b"b"], creates=True)) == [b"a", b"b"]


def test_records_of_10_megabytes_pass(stack):
    async def send_large():
        async with AIOKafkaProducer(bootstrap_servers=stack.kafka, max_request_size=12_000_000) as producer:
            return await producer.send_and_wait("large", b"x" * 10_000_000)

    assert asyncio.run(write_and_read(stack.kafka, "large", [], creates=True)) == []
    assert asyncio.run(send_large()).offset == 0


def test_redis_runs_with_the_settings_that_the_store_needs(stack):
    wanted = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "hash-max-listpack-entries": "512",
        "hash-max-listpack-value": "512",
        "save": "",
    }
    found = client(stack).config_get(*wanted)
    assert found == wanted


def test_everything_listens_on_loopback_only(stack):
    inodes = set()
    for process in processes_of(stack.name):
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            if descriptor.is_symlink():
                inodes.add(str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    listening = [row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes]
    assert len(listening) == 4  # broker, controller, Redis, Prometheus
    assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, also as IPv6 writes it


def test_two_stacks_at_once_share_nothing(stack):
    with Stack.running(name("second"), environ=NOTHING) as second:
        assert not set(second.addresses.values()) & set(stack.addresses.values())
        client(second).set("only", "here")
        assert client(stack).get("only") is None
        assert asyncio.run(write_and_read(second.kafka, "alone", [b"x"], creates=True)) == [b"x"]
        left = processes_of(second.name)
        folder = second.directory
    assert not any(is_running(process) for process in left)
    assert not folder.exists()
    assert read_state(second.name) is None
    assert client(stack).ping()


def test_a_name_that_is_taken_is_refused(stack):
    with pytest.raises(StackError, match="already running"):
        Stack.start(stack.name, environ=NOTHING)
    assert client(stack).ping()


def test_redis_killed_and_restarted_keeps_port_and_data(stack):
    connection = client(stack)
    connection.set("kept", "yes")
    wait_for(lambda: connection.info("persistence")["aof_pending_bio_fsync"] == 0)
    before, address = stack.pid("redis"), stack.redis_url
    stack.kill("redis")
    assert [service.is_ready for service in stack.status().services if service.name == "redis"] == [False]
    stack.restart("redis")
    assert stack.pid("redis") != before
    assert stack.redis_url == address
    assert client(stack).get("kept") == "yes"


def test_kafka_killed_and_restarted_keeps_port_and_data(stack):
    asyncio.run(write_and_read(stack.kafka, "kept", [b"1"], creates=True))
    stack.kill("kafka")
    stack.restart("kafka")
    assert asyncio.run(write_and_read(stack.kafka, "kept", [b"2"], creates=False)) == [b"1", b"2"]


def test_a_frozen_service_does_not_answer_until_it_goes_on(stack):
    frozen = redis.Redis.from_url(stack.redis_url, socket_timeout=0.2)
    stack.kill("redis", signal.SIGSTOP)
    with pytest.raises(redis.exceptions.TimeoutError):
        frozen.ping()
    stack.kill("redis", signal.SIGCONT)
    assert client(stack).ping()
    frozen.close()


def asked(stack, path):
    with urllib.request.urlopen(f"{stack.prometheus_url}/api/v1/{path}", timeout=10) as answer:  # noqa: S310 - ours
        return json.load(answer)["data"]


def scraped(stack):
    return [sample["value"][1] for sample in asked(stack, "query?query=funnel_test_gauge")["result"]]


def test_targets_change_while_prometheus_runs(stack, page):
    stack.set_targets([page])
    assert wait_for(lambda: scraped(stack)) == ["42"]
    stack.set_targets([])
    wait_for(lambda: not scraped(stack))


@pytest.fixture
def owner():
    """Start a process that owns a stack of Redis and Prometheus; returns it and the stack's processes."""
    started = []

    def start(stack_name):
        code = (
            "import signal, sys, time\n"
            "from stream.stack import Stack\n"
            # A shell's background jobs begin with SIGINT ignored, and hand that on.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "stack = Stack.start(sys.argv[1], services=('redis', 'prometheus', 'kafka'), environ={})\n"
            "print(stack.directory, flush=True)\n"
            "time.sleep(600)\n"
        )
        process = subprocess.Popen([sys.executable, "-c", code, stack_name], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, Path(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_owner_that_is_killed_leaves_nothing(owner, number):
    process, folder = owner(name("owned"))
    left = processes_of(name("owned"))
    assert all(is_running(one) for one in left)
    process.send_signal(number)
    process.wait(SECONDS)
    assert all(wait_gone(one, SECONDS) for one in left)
    assert not folder.exists()
    assert read_state(name("owned")) is None


def test_an_owner_killed_while_it_starts_leaves_nothing(tmp_path):
    code = "import sys; from stream.stack import Stack; Stack.start(sys.argv[1], environ={}, outlives=True)"
    process = subprocess.Popen([sys.executable, "-c", code, name("early")], env={**os.environ, "TMPDIR": str(tmp_path)})
    state = wait_for(lambda: read_state(name("early")))
    process.kill()
    process.wait()
    left = [state.supervisor, *(service.process for service in state.services.values() if service.process)]
    assert all(wait_gone(one, SECONDS) for one in left)
    assert list(tmp_path.glob("funnel-*")) == []


def test_a_service_that_fails_is_named_with_its_log_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    rules = tmp_path / "broken.yml"
    rules.write_text("groups: [{name: x, rules: [{record: y, expr: 'sum('}]}]")
    with pytest.raises(StackError, match=r"prometheus ended at once \(exit code \d+\)[\s\S]*unclosed left parenthesis"):
        Stack.start(name("broken"), services=("redis", "prometheus"), rule_files=[rules], environ=NOTHING)
    assert read_state(name("broken")) is None
    assert [path.name for path in tmp_path.iterdir()] == ["broken.yml"]


def test_data_in_a_given_folder_is_found_again(tmp_path):
    for expected in (None, "here"):
        with Stack.running(name("kept"), services=("redis",), directory=tmp_path, environ=NOTHING) as kept:
            assert client(kept).get("word") == expected
            client(kept).set("word", "here")
    assert (tmp_path / "redis.log").exists()


def test_the_environment_wins_and_is_left_alone(stack):
    environ = {"KAFKA_BOOTSTRAP_SERVERS": stack.kafka, "REDIS_URL": stack.redis_url}
    with Stack.running(name("external"), environ=environ) as mixed:
        assert (mixed.kafka, mixed.redis_url) == (stack.kafka, stack.redis_url)
        assert mixed.prometheus_url not in (None, stack.prometheus_url)
        assert [mixed.owns(service) for service in ("kafka", "redis", "prometheus")] == [False, False, True]
        for change in (mixed.kill, mixed.restart, mixed.pid):
            with pytest.raises(StackError, match="comes from the environment"):
                change("redis")
    assert client(stack).ping()


def test_with_everything_from_the_environment_nothing_is_started(stack):
    with Stack.running(name("nothing"), environ=stack.environ) as borrowed:
        assert borrowed.status().is_running
        assert all(service.is_ready and service.is_external for service in borrowed.status().services)
        assert read_state(borrowed.name) is None
    assert stack.status().is_running


def test_alertmanager_comes_when_asked_for_and_prometheus_knows_it():
    services = ("prometheus", "alertmanager")
    with Stack.running(name("alerts"), services=services, environ=NOTHING) as alerting:

        def known():
            return [one["url"] for one in asked(alerting, "alertmanagers")["activeAlertmanagers"]]

        assert wait_for(known) == [f"{alerting.alertmanager_url}/api/v2/alerts"]
        with pytest.raises(StackError, match="without redis"):
            _ = alerting.redis_url


def test_a_supervisor_that_is_killed_takes_its_services_along_and_its_name_is_free_again():
    first = Stack.start(name("orphan"), services=("redis",), environ=NOTHING)
    supervisor, service = processes_of(first.name)
    os.kill(supervisor.pid, signal.SIGKILL)
    assert wait_gone(service, SECONDS)
    assert Stack.find(first.name) is None
    first.stop()
    assert not first.directory.exists()
    with Stack.running(name("orphan"), services=("redis",), environ=NOTHING) as again:
        assert client(again).ping()
    assert mark(supervisor.pid) is None
