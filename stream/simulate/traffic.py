"""What the simulated traffic looks like: every share and speed, with the defaults of a plausible shop.

In:  plain numbers from the command line or a test.
Out: a `ShopTraffic` that is valid once constructed.

All shares are 0..1 and may be 0; times are milliseconds UTC unless the name says seconds.
"""

from dataclasses import dataclass, fields

from stream.errors import SimulateError

SHOP_STEPS = ("view_page", "view_product", "add_to_cart", "begin_checkout", "purchase")
"""The checkout funnel, in order."""

CONTENT_STEPS = (
    "see_ad",
    "read_article",
    "subscribe_newsletter",
    "compare_products",
    "open_pricing",
    "request_quote",
)
"""What leads to a first purchase in the marketers' stage models, in order."""

NOISE_EVENTS = ("scroll", "ping", "search")
"""Events that serve no step of any shipped funnel."""

DEVICES = {"mobile": 56, "desktop": 37, "tablet": 7}
COUNTRIES = {"DE": 38, "FR": 14, "AT": 10, "NL": 10, "IT": 8, "ES": 8, "PL": 5, "US": 7}
FIRST_CHANNELS = {"search": 36, "social": 22, "email": 4, "direct": 14, "ads": 24}
RETURN_CHANNELS = {"search": 20, "social": 10, "email": 28, "direct": 34, "ads": 8}
"""Who comes, from where and how: whole percents, together 100."""

SEGMENTS = {"device": tuple(DEVICES), "channel": tuple(FIRST_CHANNELS), "country": tuple(COUNTRIES)}
"""The properties of an event that tell visitors apart, with all their values."""

MAX_FAST_CLOCK_MS = 2_000
"""A fast phone is at most this far ahead: far inside every skew limit, so its events still count."""

FUTURE_AFTER_MS = 300_000
"""The default `max_future_skew` of the tracker; a record from the future is further ahead than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopTraffic:
    """Settings of one simulation; equal settings give equal bytes.

    Raises `SimulateError` for a value out of range, naming the setting.
    """

    seed: int = 1
    start_ms: int = 1_767_225_600_000  # 2026-01-01T00:00:00Z
    events_per_second: float = 100.0
    think_seconds: float = 5.0  # median pause of a visitor between two events
    max_visitors: int = 20_000  # how many are remembered and may come back; bounds memory

    returning_share: float = 0.4  # of visits: by somebody who has been here
    content_share: float = 0.3  # of visits: start with an ad or an article
    noise_share: float = 0.3  # of events: serve no step
    login_share: float = 0.5  # of check-outs and of returns: the visitor is known from there on
    second_device_share: float = 0.1  # of logins: an account that already has another device

    duplicate_share: float = 0.02  # of records: sent twice, identical
    offline_share: float = 0.08  # of a phone's records: held back while it has no network
    late_share: float = 0.002  # of records: arrive behind `allowed_lateness_ms`
    future_share: float = 0.001  # of records: a clock more than 5 min ahead
    junk_share: float = 0.005  # of records: damaged so that no event can be read
    fast_clock_share: float = 0.03  # of devices: up to 2 s ahead
    allowed_lateness_ms: int = 600_000  # only the late ones take longer than this to arrive

    drop_step: str | None = None  # the step whose conversion collapses ...
    drop_from_ms: int = 0  # ... from this moment on ...
    drop_factor: float = 0.2  # ... to this part of what it was ...
    drop_segment: tuple[str, str] | None = None  # ... for visitors with this property and value; None: for all

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        for name in share_names():
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise SimulateError(f"{name}: {share} is not a share (it must be between 0 and 1)")
        for name in ("noise_share", "duplicate_share"):
            if getattr(self, name) > 0.9:
                raise SimulateError(f"{name}: {getattr(self, name)} leaves too little traffic (at most 0.9)")
        fates = self.offline_share + self.late_share + self.future_share + self.junk_share
        if fates > 1:
            raise SimulateError(f"offline, late, future and junk share add up to {fates:g} (together at most 1)")
        for name in ("events_per_second", "think_seconds", "max_visitors", "allowed_lateness_ms"):
            if not getattr(self, name) > 0:
                raise SimulateError(f"{name}: {getattr(self, name)} must be above 0")
        self._check_drop()

    def _check_drop(self) -> None:
        if not 0 <= self.drop_factor <= 1:
            raise SimulateError(f"drop_factor: {self.drop_factor} must be between 0 and 1")
        steps = SHOP_STEPS[1:] + CONTENT_STEPS[1:]
        if self.drop_step is not None and self.drop_step not in steps:
            raise SimulateError(
                f'drop_step: "{self.drop_step}" is no step people convert to (one of {", ".join(steps)})'
            )
        if self.drop_segment is None:
            return
        name, value = self.drop_segment
        if value not in SEGMENTS.get(name, ()):
            known = "; ".join(f"{name}={'|'.join(values)}" for name, values in SEGMENTS.items())
            raise SimulateError(f'drop_segment: no visitor has "{name}={value}" (there are {known})')


def share_names() -> list[str]:
    """Return the names of all settings that are shares."""
    return [field.name for field in fields(ShopTraffic) if field.name.endswith("_share")]
