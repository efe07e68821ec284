"""Who visits the shop: devices with habits, remembered up to a bound, so that some come back.

In:  a seeded `random.Random`.
Out: `Visitor`s; the same draws give the same people.
"""

from dataclasses import dataclass
from math import exp
from random import Random
from statistics import NormalDist

from stream.simulate.traffic import COUNTRIES, DEVICES, MAX_FAST_CLOCK_MS, ShopTraffic


def spread(weights: dict[str, int]) -> tuple[str, ...]:
    """Lay names out by weight (whole percents, together 100), so that one draw of `int(random() * 100)` picks."""
    return tuple(name for name, percent in weights.items() for _ in range(percent))


def log_normal(median: float, sigma: float, cap: float) -> tuple[int, ...]:
    """Tabulate 2 048 equally likely values, at least 1: a draw is an index, far cheaper than a logarithm."""
    normal = NormalDist(0.0, sigma)
    return tuple(max(1, int(min(cap, median * exp(normal.inv_cdf((i + 0.5) / DRAWS))))) for i in range(DRAWS))


DRAWS = 2_048
_DEVICES = spread(DEVICES)
_COUNTRIES = spread(COUNTRIES)


@dataclass(slots=True)
class Visitor:
    """One device and what it remembers between visits; `anonymous_id` never changes, `user_id` comes with a login."""

    anonymous_id: str
    account_id: str
    device: str
    country: str
    ahead_ms: int
    user_id: str | None = None
    content_step: int = 0
    basket_cents: int = 0
    free_from_ms: int = 0


class Population:
    """The visitors who may come back: at most `max_visitors`, a new one replaces a random one."""

    def __init__(self, draw: Random, traffic: ShopTraffic) -> None:
        self._draw = draw
        self._traffic = traffic
        self._known: list[Visitor] = []

    def next_visitor(self, begin_ms: int) -> Visitor:
        """Pick who starts a visit now: somebody known who is not here at the moment, or somebody new."""
        random = self._draw.random
        if self._known and random() < self._traffic.returning_share:
            visitor = self._known[int(random() * len(self._known))]
            if visitor.free_from_ms <= begin_ms:
                if visitor.user_id is None and random() < self._traffic.login_share:
                    self.log_in(visitor)
                return visitor
        return self._newcomer()

    def log_in(self, visitor: Visitor) -> None:
        """Make the visitor known, now and then under the account of somebody else's device."""
        random = self._draw.random
        if random() < self._traffic.second_device_share and self._known:
            visitor.account_id = self._known[int(random() * len(self._known))].account_id
        visitor.user_id = visitor.account_id

    def _newcomer(self) -> Visitor:
        random, bits = self._draw.random, self._draw.getrandbits
        is_fast = random() < self._traffic.fast_clock_share
        visitor = Visitor(
            anonymous_id=f"d-{bits(64):016x}",
            account_id=f"u-{bits(40):010x}",
            device=_DEVICES[int(random() * 100)],
            country=_COUNTRIES[int(random() * 100)],
            ahead_ms=1 + int(random() * MAX_FAST_CLOCK_MS) if is_fast else 0,
        )
        if len(self._known) < self._traffic.max_visitors:
            self._known.append(visitor)
        else:
            self._known[int(random() * len(self._known))] = visitor
        return visitor
