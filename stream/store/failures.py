"""What an error from Redis means to a worker: wait and read again, or an operator must act."""

import re

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)

from stream.errors import FunnelError, StoreRefused, StoreUnavailable

# What the client and its sockets raise; RedisClusterException has no base of its own.
REDIS_FAILURES = (RedisError, RedisClusterException, OSError)

# Redis may take the same command later without anybody changing a setting of ours.
_TRANSIENT = {
    "OOM": "Redis has reached maxmemory and refused to write; raise maxmemory or make room",
    "READONLY": "this Redis is a read-only replica; name the primary, or wait for the failover to end",
    "MISCONF": "Redis cannot save to its disk and refuses to write; see its log",
    "NOREPLICAS": "too few replicas are connected to Redis (min-replicas-to-write)",
    "BUSY": "Redis runs somebody's long script; SCRIPT KILL ends one that has not written",
    "LOADING": "Redis is loading its data",
    "CLUSTERDOWN": "the Redis Cluster has slots without a node",
    "TRYAGAIN": "the Redis Cluster is moving this slot",
    "MASTERDOWN": "the replica has lost its primary",
    "UNKILLABLE": "Redis is held by a script that has written",
}
# What it finds wrong as long as nobody changes anything, and what would be right.
_LASTING = {
    "NOPERM": ("the Redis user lacks a right", "docs/state.md lists the rights needed"),
    "FUNNEL": ("the partition was written in another way", "configure what its head was written with"),
    "WRONGTYPE": ("a key of ours holds another type", "name a namespace that nothing else writes"),
}
_WRONG_SERVER: tuple[tuple[type[Exception], str, str, str], ...] = (
    (AuthenticationError, "", "Redis refused the login", "correct user and password"),
    (AuthorizationError, "", "Redis refused the login", "correct user and password"),
    (RedisClusterException, "invalid username-password", "Redis refused the login", "correct user and password"),
    (RedisClusterException, "Authentication required", "Redis refused the login", "correct user and password"),
    (MovedError, "", "this Redis is a node of a cluster", "set cluster: true"),
    # redis-py says this too when the user may not ask.
    (
        RedisClusterException,
        "not enabled",
        "this Redis is no cluster, or its user has no right to CLUSTER SLOTS",
        "set cluster: false, or a user with the right +cluster|slots,",
    ),
)
# redis-py takes the code off the text of an error it has a class for.
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (OutOfMemoryError, "OOM"),
    (ReadOnlyError, "READONLY"),
    (NoPermissionError, "NOPERM"),
    (TryAgainError, "TRYAGAIN"),
    (ClusterDownError, "CLUSTERDOWN"),
)
# Before 7.0 an error inside a script arrives as "ERR Error running script (...): ...: -OOM command not allowed".
_INSIDE_SCRIPT = re.compile(r"^ERR Error running script.*?-([A-Z]+) |^Error running script.*?-([A-Z]+) ", re.DOTALL)


def failure_of(operation: str, partitions: tuple[int, ...], error: Exception) -> FunnelError:
    """Return what to raise for `error`, which Redis or the way to it gave to `operation`."""
    for kind, sign, found, remedy in _WRONG_SERVER:
        if isinstance(error, kind) and sign in str(error):
            return StoreRefused(f"{found} ({error})", f"{remedy} in the Redis settings")
    if not isinstance(error, ResponseError):
        return StoreUnavailable(operation, partitions, f"{type(error).__name__}: {error}")
    code = _code_of(error)
    if code in _TRANSIENT:
        return StoreUnavailable(operation, partitions, f"{_TRANSIENT[code]} ({error})")
    found, remedy = _LASTING.get(code, ("Redis does not do what is needed", "docs/state.md says which Redis is needed"))
    return StoreRefused(f"{operation}: {found} ({error})", remedy)


def _code_of(error: ResponseError) -> str:
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    text = str(error)
    if "The user executing the script" in text:  # 7.0 says ERR for a right that is missing inside a script
        return "NOPERM"
    inside = _INSIDE_SCRIPT.match(text)
    if inside is not None:
        return inside[1] or inside[2]
    return text.partition(" ")[0]
