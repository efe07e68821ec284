"""Missing programs are installed, replaced by Docker, or named."""

import stat

import pytest

from stream.errors import StackError
from stream.stack import programs
from stream.stack.programs import Backend, Programs, java_major, missing_programs, missing_text, prepare

ALL = ("kafka", "redis", "prometheus", "alertmanager", "chromium", "npm")
EVERYTHING = Programs("java", "mvn", "redis-server", "prometheus", "alertmanager", "chromium", "npm")


@pytest.mark.parametrize(
    ("text", "major"),
    [
        pytest.param('openjdk version "17.0.15" 2025-04-15', 17, id="seventeen"),
        pytest.param('openjdk version "21" 2023-09-19', 21, id="no-minor"),
        pytest.param('java version "1.8.0_392"', 8, id="the-old-scheme"),
        pytest.param("command not found", None, id="no-java"),
    ],
)
def test_java_version(text, major):
    assert java_major(text) == major


@pytest.mark.parametrize(
    ("services", "found", "have_kafka", "expected"),
    [
        pytest.param(ALL, EVERYTHING, False, [], id="all-there"),
        pytest.param(ALL, Programs(), False, list(programs.PACKAGES), id="nothing-there"),
        pytest.param(("kafka",), Programs(java="java"), True, [], id="maven-is-not-needed-once-the-jars-are-there"),
        pytest.param(("redis",), Programs(), False, ["redis-server"], id="only-what-the-services-need"),
    ],
)
def test_what_is_missing(services, found, have_kafka, expected):
    assert missing_programs(services, found, have_kafka=have_kafka) == expected


def test_the_message_names_each_program_and_each_way_out():
    text = missing_text(["java", "redis-server"])
    for part in ("Java 17", "redis-server", "apt-get install", "openjdk-17-jre-headless", "Docker", "REDIS_URL"):
        assert part in text


@pytest.fixture
def bare_machine(tmp_path, monkeypatch):
    """Make a machine without the programs and without apt; returns the folder of its only programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(programs, "find_programs", Programs)
    return folder


def put(folder, name, script):
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_docker_is_used_where_its_engine_answers(bare_machine, tmp_path):
    put(bare_machine, "docker", "exit 0")
    assert prepare(ALL, tmp_path)[0] is Backend.DOCKER


@pytest.mark.parametrize(
    "script",
    [
        pytest.param('[ "$1" = compose ]', id="no-engine"),
        pytest.param('[ "$1" = info ]', id="no-compose"),
    ],
)
def test_docker_alone_is_not_enough(bare_machine, tmp_path, script):
    put(bare_machine, "docker", script)
    with pytest.raises(StackError, match="missing on this machine: Java"):
        prepare(ALL, tmp_path)


def test_without_root_apt_is_not_tried(bare_machine, tmp_path, monkeypatch):
    put(bare_machine, "apt-get", f"touch {tmp_path}/called")
    monkeypatch.setattr(programs.os, "geteuid", lambda: 1000)
    with pytest.raises(StackError, match="done by itself when run as root"):
        prepare(ALL, tmp_path)
    assert not (tmp_path / "called").exists()


def test_root_installs_what_is_missing_while_no_service_may_start(bare_machine, tmp_path, monkeypatch):
    policy = tmp_path / "policy-rc.d"
    calls = tmp_path / "calls"
    put(bare_machine, "apt-get", f'if [ -e {policy} ]; then p=held; else p=free; fi; echo "$p $*" >> {calls}')
    put(bare_machine, "apt-cache", 'if [ "$2" = openjdk-17-jre-headless ]; then exit 0; fi; echo "  Candidate: 1"')
    monkeypatch.setattr(programs, "POLICY", policy)
    monkeypatch.setattr(programs.os, "geteuid", lambda: 0)
    answers = iter([Programs(), EVERYTHING])
    monkeypatch.setattr(programs, "find_programs", lambda: next(answers))
    assert prepare(("kafka", "redis"), tmp_path) == (Backend.LOCAL, EVERYTHING)
    update, install = calls.read_text().splitlines()
    assert update.startswith("free ")
    assert update.endswith(" update")
    assert install.startswith("held ")
    assert install.endswith("install -y --no-install-recommends openjdk-21-jre-headless maven redis-server")
    assert not policy.exists()


def test_a_policy_of_the_machine_is_left_as_it_is(bare_machine, tmp_path, monkeypatch):
    policy = tmp_path / "policy-rc.d"
    policy.write_text("theirs")
    put(bare_machine, "apt-get", "exit 0")
    put(bare_machine, "apt-cache", "exit 0")
    monkeypatch.setattr(programs, "POLICY", policy)
    programs._install(["redis-server"])
    assert policy.read_text() == "theirs"


def test_a_failed_install_shows_what_apt_said(bare_machine, monkeypatch, tmp_path):
    put(bare_machine, "apt-get", "echo E: no space left; exit 100")
    monkeypatch.setattr(programs, "POLICY", tmp_path / "policy-rc.d")
    with pytest.raises(StackError, match=r"exit code 100[\s\S]*no space left"):
        programs._install(["redis-server"])
