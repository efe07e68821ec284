"""Replay: a named run beside live, from its plan to the switch."""
