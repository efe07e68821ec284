"""From the bytes of a record to an event with a verdict: no I/O, no clock, and no exception on data."""
