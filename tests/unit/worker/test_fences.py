"""A partition that another worker has taken is left alone until Kafka has spoken, or has had the time to."""

from stream.worker import fences as module
from stream.worker.fences import FENCE_S, Fences


def test_an_overtaken_partition_is_left_alone_for_a_while_and_no_longer():
    fences = Fences()
    fences.put_up(3, 100.0)
    fences.put_up(3, 104.0)
    assert fences.standing([1, 2, 3], 100.0) == [3]
    assert fences.standing([1, 2, 3], 100.0 + FENCE_S - 0.01) == [3]
    assert fences.standing([1, 2, 3], 100.0 + FENCE_S) == []


def test_kafkas_word_ends_it_at_once():
    fences = Fences()
    fences.put_up(3, 100.0)
    fences.take_down([1, 3])
    assert fences.standing([3], 100.0) == []


def test_a_partition_that_nobody_has_taken_is_free_whatever_the_clock_says(monkeypatch):
    monkeypatch.setattr(module, "FENCE_S", 1.6)  # 1036.69 - (1036.69 - 1.6) is less than that
    assert Fences().standing([3], 1036.69) == []
