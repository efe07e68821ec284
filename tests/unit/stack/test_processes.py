"""A recorded process is recognised, and nothing else is taken for it."""

import os
import subprocess
import sys

import msgspec

from stream.stack.processes import dying_with_parent, is_running, mark, send, wait_gone

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_marked_process_is_running_until_it_ends():
    child = subprocess.Popen(SLEEP)
    marked = mark(child.pid)
    assert is_running(marked)
    child.kill()
    child.wait()
    assert not is_running(marked)


def test_a_zombie_counts_as_ended():
    child = subprocess.Popen([sys.executable, "-c", ""])
    marked = mark(child.pid)
    assert marked is None or wait_gone(marked, 30)  # nobody has collected it yet
    assert mark(child.pid) is None
    child.wait()


def test_another_process_under_the_same_pid_is_not_the_marked_one():
    me = mark(os.getpid())
    assert is_running(me)
    assert not is_running(msgspec.structs.replace(me, started="1"))
    assert not is_running(msgspec.structs.replace(me, boot="another boot"))


def test_a_signal_never_reaches_a_stranger_that_took_the_pid():
    child = subprocess.Popen(SLEEP)
    try:
        stale = msgspec.structs.replace(mark(child.pid), started="1")
        assert not send(stale, 9)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_process_with_blanks_and_brackets_in_its_name_is_read_right(tmp_path):
    program = tmp_path / "a) R b (c"
    program.symlink_to(sys.executable)
    child = subprocess.Popen([str(program), *SLEEP[1:]], env={**os.environ, "PYTHONHOME": sys.base_prefix})
    try:
        assert mark(child.pid) == mark(child.pid) is not None
        assert mark(child.pid).started.isdigit()
    finally:
        child.kill()
        child.wait()


def test_a_child_dies_with_its_parent_even_on_kill_9():
    code = (
        "import json, subprocess, sys, time\n"
        "from stream.stack.processes import dying_with_parent\n"
        "begin = [sys.executable, '-c', 'import time; print(flush=True); time.sleep(600)']\n"
        "child = subprocess.Popen(dying_with_parent(begin), stdout=subprocess.PIPE)\n"
        "child.stdout.readline()  # before that the kernel may not have been told yet\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with parent:
        child = mark(int(parent.stdout.readline()))
        assert is_running(child)
        if dying_with_parent(["x"]) == ["x"]:  # no such service from this kernel
            send(child, 9)
        parent.kill()
    assert wait_gone(child, 30)
