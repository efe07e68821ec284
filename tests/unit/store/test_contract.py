"""Heads and commits that cannot be are refused where they are made."""

import pytest

from stream.store.contract import Commit, PartitionHead, Position


@pytest.mark.parametrize(
    ("expected", "head"),
    [
        pytest.param((5, 1), PartitionHead(9, epoch=1), id="moves-on"),
        pytest.param((5, 1), PartitionHead(5, epoch=1), id="a-timer-stays"),
        pytest.param(Position(5, 1), PartitionHead(0, epoch=2), id="goes-back-under-a-higher-epoch"),
    ],
)
def test_a_commit_moves_on_or_raises_the_epoch(expected, head):
    assert Commit(0, expected, head).head.position == head.position


@pytest.mark.parametrize(
    ("expected", "head"),
    [
        pytest.param((5, 1), PartitionHead(4, epoch=1), id="goes-back-under-the-same-epoch"),
        pytest.param((5, 1), PartitionHead(9, epoch=0), id="lowers-the-epoch"),
        pytest.param((-1, -1), PartitionHead(9), id="expects-no-head"),
    ],
)
def test_a_commit_that_returns_to_an_earlier_position_is_refused(expected, head):
    with pytest.raises(ValueError, match="partition 0"):
        Commit(0, expected, head)


@pytest.mark.parametrize("wrong", [{"next_offset": -1}, {"next_offset": 0, "verdicts": (0,) * 6 + (-1,)}])
def test_a_head_holds_no_negative_count(wrong):
    with pytest.raises(ValueError, match="no negative count or offset"):
        PartitionHead(**wrong)


def test_a_head_has_one_count_for_each_verdict():
    with pytest.raises(ValueError, match="verdicts has 6 counts, one for each of 7"):
        PartitionHead(0, verdicts=(0,) * 6)


def test_times_before_1970_are_times():
    assert PartitionHead(0, watermark_ms=-1, as_of_ms=0).watermark_ms == -1
