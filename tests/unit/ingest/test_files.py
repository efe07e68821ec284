"""Rows of CSV files as records."""

from decimal import Decimal

import pytest

from stream.ingest.decode import EventDecoder, Invalid, Reason
from stream.ingest.files import csv_row_to_record
from stream.ingest.mapping import Mapping
from stream.model.event import Event

HEADER = ["user_id", "time", "event", "id", "total", "país"]
DECODER = EventDecoder(Mapping(), ("total", "país"))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(
            ["u1", "1764000000123", "buy", "e1", "12.30", "Perú"],
            Event("u1", 1_764_000_000_123, "buy", "e1", ("12.30", "Perú")),
            id="times-and-amounts-in-text-form",
        ),
        pytest.param(
            ["u1", "2025-11-24T16:00:00.123Z", "buy", "", "", ""],
            Event("u1", 1_764_000_000_123, "buy", None, (None, None)),
            id="empty-cells-are-absent",
        ),
        pytest.param(["u1", "5", "buy"], Event("u1", 5, "buy", None, (None, None)), id="so-are-missing-ones"),
        pytest.param(["", "5", "buy"], Invalid(Reason.NO_ACTOR), id="no-actor"),
        pytest.param([], Invalid(Reason.NO_ACTOR), id="an-empty-row"),
        pytest.param(["u1", "5", "buy", "e1", "1", "FR", "?"], Invalid(Reason.NOT_AN_OBJECT), id="one-cell-too-many"),
        pytest.param(["\udcff", "5", "buy"], Invalid(Reason.BAD_ACTOR), id="a-byte-that-was-no-utf-8"),
        pytest.param(
            ["u1", "5", "buy", "", "", "x\udcff"], Event("u1", 5, "buy", None, (None, "x\ufffd")), id="marked"
        ),
    ],
)
def test_a_row_means(row, expected):
    assert DECODER.decode(csv_row_to_record(HEADER, row)) == expected


def test_seconds_in_text_form_are_exact():
    decoder = EventDecoder(Mapping.preset("flat", unit="s"))
    assert decoder.decode(csv_row_to_record(HEADER, ["u", "1764000000.123", "buy"])).time_ms == 1_764_000_000_123


def test_an_amount_in_text_form_is_a_number_without_loss():
    (total, _) = DECODER.decode(csv_row_to_record(HEADER, ["u", "5", "buy", "", "12.30"])).properties
    assert Decimal(total) == Decimal("12.30")
