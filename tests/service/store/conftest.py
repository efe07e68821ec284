"""Redis servers of a test's own, for what must not happen to the shared one: kills, limits, roles, rights."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from stream.store.connect import RedisOptions
from stream.store.redis_store import RedisStore

START_S = 10.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RedisServer:
    """A redis-server on a free loopback port, with its data in a folder of its own."""

    def __init__(self, folder, settings):
        self.folder = folder
        self.settings = settings
        self.port = free_port()
        self.cluster_port = free_port()
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        listens = ["--port", str(self.port), "--bind", "127.0.0.1"]
        if "--cluster-enabled" in self.settings:  # its own default is port + 10000, which may not exist
            listens += ["--cluster-port", str(self.cluster_port)]
        command = ["redis-server", *listens, "--dir", str(self.folder), "--save", ""]
        self.process = subprocess.Popen([*command, *self.settings], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self.process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < deadline, "redis-server does not listen"

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


@pytest.fixture
def redis_server(tmp_path):
    """Start a server with these settings: `redis_server("--maxmemory", "4mb")`."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs the program redis-server (a Debian package)")
    servers = []

    def start(*settings):
        folder = tmp_path / f"redis-{len(servers)}"
        folder.mkdir()
        servers.append(RedisServer(folder, settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
async def open_store():
    """Open a store on a URL; it is closed with the test."""
    stores = []

    def start(url, **options):
        named = {name: options.pop(name) for name in ("namespace", "shards", "fold_at") if name in options}
        stores.append(RedisStore(RedisOptions(url, **options), **{"shards": 16, **named}))
        return stores[-1]

    yield start
    for store in stores:
        await store.close()
