"""Where a run begins and ends: what `--from` and `--to` may say, and how far before its start a run reads."""

from dataclasses import replace

import pytest

from stream.errors import ReplayError
from stream.model.funnel import Funnel, Period, PeriodUnit, Step
from stream.replay.plan import Word, from_of, reads_from_ms, to_of
from stream.settings.counting import CountingRules
from stream.settings.tracker import SourceSettings

HOUR_MS = 3_600_000
NOON_MS = 1_769_860_800_000  # 2026-01-31T12:00:00Z
FUNNEL = Funnel("f", 1, (Step("a", ("A",)), Step("b", ("B",))), HOUR_MS)
SOURCE = SourceSettings("shop", ("shop",), allowed_lateness_ms=600, max_future_skew_ms=30)


@pytest.mark.parametrize(("text", "expected"), [
    ("earliest", Word.EARLIEST),
    ("live", Word.LIVE),
    ("2026-01-31T12:00:00Z", NOON_MS),
    ("2026-01-31T12:00:00", NOON_MS),
    ("2026-01-31T13:00+01:00", NOON_MS),
    ("2026-01-31 12", NOON_MS),
    ("2026-01-31", NOON_MS - 12 * HOUR_MS),
    ("1970-01-01T00:00:00Z", 0),
    ("0:1200,1:980", {0: 1200, 1: 980}),
    ("3:0", {3: 0}),
])  # fmt: skip
def test_what_from_may_say(text, expected):
    assert from_of(text) == expected


CHOICES = "is none of earliest, live, 2026-01-31T12:00:00Z, or 0:1200,1:980 (partition:offset)"


@pytest.mark.parametrize(("text", "expected"), [
    ("", f'--from "" {CHOICES}'),
    ("now", f'--from "now" {CHOICES}'),
    ("Earliest", f'--from "Earliest" {CHOICES}'),
    ("yesterday", f'--from "yesterday" {CHOICES}'),
    ("1769860800", f'--from "1769860800" {CHOICES}'),
    ("2026-02-30", f'--from "2026-02-30" {CHOICES}'),
    ("0:-1", f'--from "0:-1" {CHOICES}'),
    ("0:1,", f'--from "0:1," {CHOICES}'),
    ("0:\u0661", f'--from "0:\u0661" {CHOICES}'),
    ("0:1,00:2", "--from 0:1,00:2 names a partition twice"),
])  # fmt: skip
def test_what_from_may_not_say(text, expected):
    with pytest.raises(ReplayError) as raised:
        from_of(text)
    assert str(raised.value) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("now", Word.NOW),
    ("follow", Word.FOLLOW),
    ("2026-01-31T12:00:00Z", NOON_MS),
    ("2026-01-31T11:59:59.999Z", NOON_MS - 1),
])  # fmt: skip
def test_what_to_may_say(text, expected):
    assert to_of(text, NOON_MS) == expected


AHEAD = "2026-01-31T12:00:00.001Z"


@pytest.mark.parametrize(("text", "expected"), [
    ("earliest", '--to "earliest" is none of now, follow, or 2026-01-31T12:00:00Z'),
    ("0:12", '--to "0:12" is none of now, follow, or 2026-01-31T12:00:00Z'),
    (AHEAD, f"--to {AHEAD} lies in the future: --to follow reads on, --to now ends at what is there"),
])  # fmt: skip
def test_what_to_may_not_say(text, expected):
    with pytest.raises(ReplayError) as raised:
        to_of(text, NOON_MS)
    assert str(raised.value) == expected


FIRST_OF_DAY = replace(FUNNEL, entry_first=True)


@pytest.mark.parametrize(("funnels", "before_ms"), [
    pytest.param([FUNNEL], HOUR_MS + 630, id="window-lateness-and-skew"),
    pytest.param([replace(FUNNEL, granularity_ms=1000)], HOUR_MS + 999 + 630, id="and-what-times-are-floored-by"),
    pytest.param([FUNNEL, replace(FUNNEL, window_ms=5 * HOUR_MS)], 5 * HOUR_MS + 630, id="the-longest-of-all-funnels"),
    pytest.param([FIRST_OF_DAY], 12 * HOUR_MS + 630, id="first-of-a-day-from-its-midnight"),
    pytest.param([replace(FIRST_OF_DAY, window_ms=13 * HOUR_MS)], 13 * HOUR_MS + 630, id="or-longer"),
    pytest.param([replace(FIRST_OF_DAY, period=Period(zone="Asia/Kathmandu"))], 17.75 * HOUR_MS + 630, id="of-a-zone"),
    pytest.param([replace(FIRST_OF_DAY, period=Period(PeriodUnit.HOUR))], HOUR_MS + 630, id="first-of-an-hour"),
])  # fmt: skip
def test_how_far_before_its_start_a_run_reads(funnels, before_ms):
    rules = CountingRules(tuple(funnels), (SOURCE,), (), (), 1000)
    assert NOON_MS - reads_from_ms(rules, NOON_MS) == before_ms
