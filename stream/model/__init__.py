"""Frozen values that every room shares: valid once constructed, no I/O, no clock."""
