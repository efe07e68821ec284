"""Every exception of the project: an operator or a programmer must act.

Bad data never raises; it is a verdict (`stream.model.verdict`).
"""


class FunnelError(Exception):
    """Base of all; its text says what is wrong, where, and what would be right."""
