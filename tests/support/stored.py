"""What an actor's stored bytes hold, for tests that look into a store."""

from stream.engine.codec import decode_states


def numbers_in(blob: bytes) -> set[int]:
    """Return the numbers of the funnels that the bytes have a part of."""
    found: set[int] = set()
    decode_states(blob, {}, found)
    return found
