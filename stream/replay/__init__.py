"""Replays beside live numbers: plan, run, compare, promote."""
