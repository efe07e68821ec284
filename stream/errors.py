"""Every exception of the project: an operator or a programmer must act.

Bad data never raises; it is a verdict (`stream.model.verdict`).
"""


class FunnelError(Exception):
    """Base of all; its text says what is wrong, where, and what would be right."""


class StackError(FunnelError):
    """The local stack (Kafka, Redis, Prometheus) could not be started, found or changed."""


class SimulateError(FunnelError):
    """The simulator was asked for traffic it cannot make, or cannot write where it was told to."""
