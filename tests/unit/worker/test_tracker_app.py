"""What the app around the transport decides by itself."""

import logging

from stream.worker.tracker_app import RepeatFilter


def record(name, text, second):
    made = logging.LogRecord(name, logging.ERROR, "", 0, text, (second,), None)
    made.created = float(second)
    return made


def test_a_client_that_says_the_same_over_and_over_is_heard_once_in_30_seconds():
    quiet = RepeatFilter()
    heard = [second for second in range(0, 70, 5) if quiet.filter(record("aiokafka.conn", "away at %s", second))]
    assert heard == [0, 30, 60]


def test_another_message_or_one_of_ours_is_always_heard():
    quiet = RepeatFilter()
    quiet.filter(record("aiokafka.conn", "away at %s", 0))
    assert quiet.filter(record("aiokafka.conn", "back at %s", 1))
    assert all(quiet.filter(record("stream.worker", "away at %s", 1)) for _ in range(2))
