"""Actor keys, event ids and record keys."""

import pytest

from stream.ingest.identify import ACTOR_KEY_BYTES, actor_key, fallback_id, key_names_actor


def test_an_actor_key_is_stable_and_needs_the_secret():
    key = actor_key("u1", b"secret")
    assert key.hex() == "cf8e8309fc72a93356df5ba5"
    assert len(key) == ACTOR_KEY_BYTES
    assert key != actor_key("u1", b"other")
    assert key != actor_key("u2", b"secret")


def test_a_secret_has_at_most_64_bytes():
    with pytest.raises(ValueError, match="64"):
        actor_key("u1", b"x" * 65)


def test_an_event_without_id_is_named_by_its_place():
    assert fallback_id("shop/3/", 17) == "shop/3/17"
    assert fallback_id("events.jsonl:", 4) == "events.jsonl:4"
    assert fallback_id("", "shop/3/17") == "shop/3/17"


@pytest.mark.parametrize(
    ("key", "actor", "expected"),
    [
        pytest.param(b"u1", "u1", True, id="plain-text"),
        pytest.param(b'"u1"', "u1", True, id="a-json-string"),
        pytest.param("é".encode(), "é", True, id="utf-8"),
        pytest.param('"é"'.encode(), "é", True, id="a-json-string-in-utf-8"),
        pytest.param(b'"\\u00e9"', "é", True, id="a-json-string-with-escapes"),
        pytest.param(b"42", "42", True, id="a-number"),
        pytest.param(b"u2", "u1", False, id="another-actor"),
        pytest.param(b"", "u1", False, id="an-empty-key"),
        pytest.param(None, "u1", False, id="no-key"),
    ],
)
def test_a_record_key_names_its_actor(key, actor, expected):
    assert key_names_actor(key, actor) is expected
