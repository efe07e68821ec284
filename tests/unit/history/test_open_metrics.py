"""The text of some hours is OpenMetrics as its own parser reads it."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from stream.history.open_metrics import OpenMetricsText
from stream.metrics import names


def parsed(text):
    return {
        family.name: (
            family.type,
            [(each.name, each.labels, each.value, float(each.timestamp)) for each in family.samples],
        )
        for family in text_string_to_metric_families("".join(text.lines()))
    }


def test_families_lie_together_and_a_series_follows_itself_in_time(series):
    text = OpenMetricsText()
    entered, settled = series(), series(names.SETTLED, outcome="dropped", step="1")
    text.add(60_000, [(settled, "3"), (entered, "7")])
    text.add(120_500, [(settled, "4"), (entered, "0.125")])
    found = parsed(text)
    assert found["funnel_entered"] == (
        "gauge",
        [("funnel_entered", entered.labels, 7.0, 60.0), ("funnel_entered", entered.labels, 0.125, 120.5)],
    )
    kind, samples = found["funnel_settled_attempts"]
    assert kind == "counter"
    assert [(name, value, at) for name, _, value, at in samples] == [
        ("funnel_settled_attempts_total", 3.0, 60.0),
        ("funnel_settled_attempts_total", 4.0, 120.5),
    ]
    assert text.size == 4


def test_a_histogram_is_told_instant_by_instant(series):
    text = OpenMetricsText()
    name = names.CONVERT_TIME.name
    parts = [series(names.CONVERT_TIME, f"{name}_bucket", le=bound) for bound in ("1.0", "+Inf")]
    parts += [series(names.CONVERT_TIME, f"{name}_{part}") for part in ("count", "sum")]
    for at_ms, values in ((0, "1221"), (60_000, "2442")):
        text.add(at_ms, list(zip(parts, values, strict=True)))
    head, *samples, _ = text.lines()
    assert [tuple(line.split()[-2:]) for line in samples] == [
        *[("1", "0"), ("2", "0"), ("2", "0"), ("1", "0")],
        *[("2", "60"), ("4", "60"), ("4", "60"), ("2", "60")],
    ]
    # The parser takes what a histogram says at a second instant for repeated: it is asked instant by instant.
    for at, first in ((0, 0), (60, 4)):
        (family,) = text_string_to_metric_families("".join([head, *samples[first : first + 4], "# EOF\n"]))
        assert (family.name, family.type) == (name, "histogram")
        assert {float(sample.timestamp) for sample in family.samples} == {at}


def test_nothing_is_an_empty_text():
    assert list(OpenMetricsText().lines()) == ["# EOF\n"]
