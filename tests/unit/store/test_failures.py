"""An error of Redis is either an outage to wait out or a refusal that an operator must clear."""

import pytest
from redis import exceptions as redis_errors

from stream.errors import StoreRefused, StoreUnavailable
from stream.store.failures import failure_of


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (redis_errors.ConnectionError("Connection lost"), "ConnectionError: Connection lost"),
        (redis_errors.TimeoutError("Timeout reading"), "TimeoutError: Timeout reading"),
        (OSError(104, "reset"), "reset"),
        (redis_errors.OutOfMemoryError("command not allowed"), "raise maxmemory"),
        (redis_errors.ReadOnlyError("You can't write"), "read-only replica"),
        (redis_errors.ResponseError("MISCONF Redis is configured to save"), "cannot save to its disk"),
        (redis_errors.ResponseError("BUSY Redis is busy"), "somebody's long script"),
        (redis_errors.ClusterDownError("Hash slot not served"), "slots without a node"),
        (redis_errors.RedisClusterException("Please provide at least one reachable node"), "reachable node"),
        (
            redis_errors.ResponseError(
                "Error running script (call to f_1f): @user_script:30: @user_script: 30: -OOM command not allowed"
            ),
            "raise maxmemory",
        ),
    ],
)
def test_what_may_pass_is_an_outage(error, text):
    failure = failure_of("commit", (1, 2), error)
    assert isinstance(failure, StoreUnavailable)
    assert (failure.operation, failure.partitions) == ("commit", (1, 2))
    assert str(failure).startswith("store: commit of partitions 1, 2 got no clear answer: ")
    assert text in str(failure)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (redis_errors.AuthenticationError("WRONGPASS"), "correct user and password"),
        (redis_errors.NoPermissionError("no permissions to run the 'hset' command"), "'hset'"),
        (redis_errors.ResponseError("The user executing the script can't run this command"), "lacks a right"),
        (
            redis_errors.ResponseError(
                "ERR Error running script (call to f_1f): @user_script:3: -NOPERM this user has no"
            ),
            "lacks a right",
        ),
        (redis_errors.ResponseError("WRONGTYPE Operation against a key"), "holds another type"),
        (redis_errors.ResponseError("FUNNEL head was written with 4 shards"), "written with 4 shards"),
        (redis_errors.MovedError("1 127.0.0.1:7000"), "set cluster: true"),
        (redis_errors.RedisClusterException("Cluster mode is not enabled on this node"), "set cluster: false"),
        (redis_errors.ResponseError("ERR unknown command 'EVALSHA'"), "docs/state.md says which Redis is needed"),
    ],
)
def test_what_stays_wrong_is_refused_with_what_would_be_right(error, text):
    failure = failure_of("commit", (1,), error)
    assert isinstance(failure, StoreRefused)
    assert text in str(failure)
