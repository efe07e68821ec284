"""Junk: each kind is unreadable for its own reason, and never contradicts its key."""

import json
from random import Random

import pytest

from stream.simulate.damage import DAMAGES, damaged

GOOD = (
    b'{"id":"1","user_id":"u-1","anonymous_id":"d-1","event":"purchase","time":"2026-01-01T00:00:00.000Z",'
    b'"session_id":"s-1","properties":{"url":"/"}}'
)


def reason(value: bytes) -> str:
    """Name what a careful reader trips over first."""
    try:
        fields = json.loads(value.decode())
    except UnicodeDecodeError:
        return "invalid UTF-8"
    except ValueError:
        return "truncated JSON"
    if fields is None:
        return "null value"
    findings = {
        "missing actor": "anonymous_id" not in fields and "user_id" not in fields,
        "missing time": "time" not in fields,
        "null time": fields.get("time", "") is None,
        "NaN time": isinstance(fields.get("time"), float),
        "time of a wrong type": isinstance(fields.get("time"), dict),
        "event of a wrong type": not isinstance(fields["event"], str),
    }
    return ", ".join(kind for kind, is_found in findings.items() if is_found)


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999_999])
def test_it_is_broken_as_it_says(kind, chance):
    broken = DAMAGES[kind](GOOD, chance)
    assert reason(broken) == kind
    assert b"\n" not in broken


def test_a_truncated_record_never_looks_complete():
    assert not any(DAMAGES["truncated JSON"](GOOD, n / 1_000).endswith(b"}") for n in range(1_000))


def test_all_kinds_occur_and_only_a_missing_actor_takes_the_key():
    draw = Random(1)
    found = [damaged(draw, b"d-1", GOOD) for _ in range(500)]
    assert {reason(value) for _, value in found} == set(DAMAGES)
    assert all((key is None) == (reason(value) == "missing actor") for key, value in found)
