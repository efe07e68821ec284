"""Numbers and labels are written so that Prometheus reads the same value back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from stream.metrics.exposition import amount, labels, seconds


@pytest.mark.parametrize(
    ("time_ms", "text"), [(0, "0"), (1, "0.001"), (1_500, "1.500"), (-1, "-0.001"), (-2_000, "-2"), (7_000, "7")]
)
def test_milliseconds_are_written_as_exact_seconds(time_ms, text):
    assert seconds(time_ms) == text


@given(st.integers(-(10**14), 10**14))
def test_every_instant_survives(time_ms):
    assert float(seconds(time_ms)) == time_ms / 1000


@pytest.mark.parametrize(
    ("total", "text"),
    [("1234.50", "1234.5"), ("-0.1", "-0.1"), ("1E+3", "1000.0"), ("1e400", None), ("-1e400", None), ("NaN", None)],
)
def test_a_sum_is_a_finite_float_or_absent(total, text):
    assert amount(Decimal(total)) == text


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_label_survives_whatever_it_holds(value):
    (family,) = text_string_to_metric_families(f"x{{{labels(segment=value)}}} 1\n")
    assert family.samples[0].labels == {"segment": value}
