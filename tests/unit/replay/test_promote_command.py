"""What `funnel replay promote` and `rollback` say."""

import pytest

from stream.cli.main import main
from stream.cli.replay_promote import _told
from stream.replay.promote import Side, Switch


def test_when_each_partition_was_taken_over_is_told_and_who_to_ask_if_it_was_not(capsys):
    switch = Switch(Side("", None), Side("r", None), {0: 7, 1: 7, 2: 7}, 0, {})
    assert _told(switch, {0: 0.26, 1: 0.31, 2: 0.31}, 15.0) == 0
    assert capsys.readouterr().out.splitlines()[0] == "partition 0: a worker has taken it over after 0.3 s"
    assert _told(switch, {1: 0.31}, 15.0) == 1
    assert capsys.readouterr().out.splitlines()[1] == (
        "no worker has taken over partitions 0, 2 within 15 s: the switch is made, and workers follow as soon as they "
        "run and reach the store; /readyz of each says what it waits for"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("promote",), "the following arguments are required: --name", id="which-run"),
        pytest.param(("promote", "--name", "r", "--max-lag", "-1"), '"-1" is no number of records', id="no-lag"),
        pytest.param(("rollback", "--wait", "soon"), '"soon" is no number of seconds (try 30)', id="no-time"),
    ],
)
def test_a_wrong_command_line_is_told(capsys, words, said):
    with pytest.raises(SystemExit):
        main(["replay", *words])
    assert said in capsys.readouterr().err
