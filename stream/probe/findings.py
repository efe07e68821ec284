"""What a probe found, as plain values: `funnel probe --json` prints them as they are (docs/probe.md).

Shares are 0..1, times in ms; what cannot be told is None.
"""

import msgspec

VERSION = 1


class Field(msgspec.Struct):
    """One path: the share of readable records that hold a value there, JSON types, shapes of texts.

    `role`: what the mapping reads there. `example`: empty unless values may be shown.
    """

    path: str
    share: float
    types: dict[str, int]
    shapes: list[str]
    role: str = ""
    example: str = ""


class Reading(msgspec.Struct):
    """One mapping that was tried: a preset, the paths that differ from it, and the share of records it reads."""

    preset: str
    fields: dict[str, list[str]]
    time_unit: str
    share: float
    is_configured: bool


class StepMatches(msgspec.Struct):
    """A step's events, and how many events of the sample serve it; of none: `did_you_mean`, names close to them."""

    name: str
    events: list[str]
    matches: int
    did_you_mean: list[str]


class FunnelMatches(msgspec.Struct):
    """A configured funnel (name@version) and its steps."""

    key: str
    steps: list[StepMatches]


class Percentiles(msgspec.Struct):
    """Nearest-rank percentiles in ms of `count` values; negative where a clock is fast."""

    count: int
    p50: int
    p90: int
    p99: int
    p999: int
    max: int


class Findings(msgspec.Struct):
    """Everything about one sample."""

    origin: str
    is_topic: bool
    partitions: int
    total_records: int | None
    records: int
    readings: list[Reading]
    mapped: int
    invalid: dict[str, int]
    fields: list[Field]
    names: dict[str, int]
    funnels: list[FunnelMatches]
    key_is_actor_share: float | None
    key_field: str | None
    duplicate_share: float | None
    future_share: float | None
    delay: Percentiles | None
    behind: Percentiles | None
    allowed_lateness: str | None
    late_share: float | None
    notes: list[str]
    config: str = ""
    version: int = VERSION

    @property
    def reading(self) -> Reading:
        """The mapping that all figures are of."""
        return self.readings[0]
