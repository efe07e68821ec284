import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.settings import durations


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("250ms", 250),
        ("90s", 90_000),
        ("15m", 900_000),
        ("1h", 3_600_000),
        ("7d", 604_800_000),
        ("400d", 34_560_000_000),
        ("2w", 1_209_600_000),
        ("0s", 0),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, expected_ms):
    assert durations.to_ms(text) == expected_ms


@pytest.mark.parametrize("text", ["3 dys", "1.5h", "h", "", "-1s", "01h", "1h\n", "1h30m", "90", "1H", "\u0661h"])
def test_anything_else_is_refused_with_a_suggestion_that_is_accepted(text):
    with pytest.raises(ValueError, match="is not a duration"):
        durations.to_ms(text)
    assert durations.to_ms(durations.suggest(text)) > 0


@pytest.mark.parametrize(
    ("written", "suggested"),
    [
        pytest.param("3 dys", "3d", id="a-slip-of-the-unit"),
        pytest.param(90, "90s", id="a-bare-number-means-seconds"),
        pytest.param("1.5h", "90m", id="a-fraction-becomes-a-smaller-unit"),
        pytest.param("1h30m", "90m", id="two-units-become-one"),
        pytest.param("2 minutes", "2m", id="a-whole-word"),
        pytest.param("1 month", "30d", id="a-month-is-thirty-days"),
        pytest.param("soon", "15m", id="no-number-gives-an-example"),
        pytest.param("1" * 400 + "h", "15m", id="a-number-beyond-all-time-gives-an-example"),
        pytest.param("0.0001ms", "15m", id="nothing-rounds-to-an-example"),
    ],
)
def test_what_was_probably_meant(written, suggested):
    assert durations.suggest(written) == suggested


@given(st.integers(0, 10**12))
def test_text_and_milliseconds_say_the_same(duration_ms):
    assert durations.to_ms(durations.to_text(duration_ms)) == duration_ms


@given(st.text())
def test_every_suggestion_is_a_duration(text):
    assert durations.to_ms(durations.suggest(text)) > 0
