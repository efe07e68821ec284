"""Free ports are free, different, and safe from outgoing connections."""

import socket
from pathlib import Path

import pytest

from stream.errors import StackError
from stream.stack import ports
from stream.stack.ports import FIRST_PORT, LAST_PORT, LOOPBACK, free_ports


def test_chosen_ports_are_different_and_can_be_bound():
    chosen = free_ports(20)
    assert len(set(chosen)) == 20
    for port in chosen:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, port))


def test_a_port_that_somebody_listens_on_is_not_chosen(monkeypatch):
    with socket.socket() as busy:
        busy.bind((LOOPBACK, 0))
        busy.listen()
        port = busy.getsockname()[1]
        monkeypatch.setattr(ports, "FIRST_PORT", port)
        monkeypatch.setattr(ports, "LAST_PORT", port)
        with pytest.raises(StackError, match="no free port"):
            free_ports(1)


def test_a_port_of_another_stack_is_not_chosen_even_while_nobody_listens(monkeypatch):
    monkeypatch.setattr(ports, "FIRST_PORT", 20_500)
    monkeypatch.setattr(ports, "LAST_PORT", 20_519)
    taken = range(20_500, 20_518)
    assert set(free_ports(1, taken)) <= {20_518, 20_519}


def test_ports_lie_outside_the_range_of_outgoing_connections():
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(path.read_text().split()[0]) if path.exists() else 32_768
    assert FIRST_PORT < LAST_PORT < max(first, 32_768)
