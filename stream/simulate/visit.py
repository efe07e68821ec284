"""What one visitor does in one visit, moment by moment.

In:  a visitor, the moment the visit begins, a seeded `random.Random`.
Out: the planned events of the visit in time order; the visitor keeps basket, content step and login.

Moments are true time in milliseconds UTC; what a wrong clock or a slow network makes of them comes later.
"""

from random import Random
from typing import NamedTuple

from stream.simulate.people import DRAWS, Population, Visitor, log_normal, spread
from stream.simulate.traffic import CONTENT_STEPS, FIRST_CHANNELS, NOISE_EVENTS, RETURN_CHANNELS, ShopTraffic

CHANCES = {
    "view_product": 0.68,
    "add_to_cart": 0.24,
    "begin_checkout": 0.58,
    "purchase": 0.68,
    "read_article": 0.62,
    "subscribe_newsletter": 0.45,
    "compare_products": 0.55,
    "open_pricing": 0.58,
    "request_quote": 0.42,
}
"""Chance to take the step, before device and channel; about 5 % of shop visits end in a purchase."""

DEVICE_FACTORS = {"mobile": 0.85, "desktop": 1.15, "tablet": 0.95}
CHANNEL_FACTORS = {"search": 1.0, "social": 0.75, "email": 1.25, "direct": 1.1, "ads": 0.8}
_FIRST_CHANNELS = spread(FIRST_CHANNELS)
_RETURN_CHANNELS = spread(RETURN_CHANNELS)

_CATALOGUE = (
    ("espresso-machine", "Espresso machine", 34_900),
    ("coffee-grinder", "Coffee grinder", 12_995),
    ("cafe-creme-1kg", "Café crème 1 kg", 1_899),
    ("espresso-beans-500g", "Espresso beans 500 g", 1_250),
    ("milk-jug", "Milk jug", 1_495),
    ("tamper", "Tamper 58 mm", 2_790),
    ("filter-papers", "Filter papers", 449),
    ("kuehlbox", "Kühlbox 24 l", 8_900),
    ("travel-mug", "Travel mug", 2_250),
    ("kitchen-scale", "Kitchen scale", 3_999),
    ("cleaning-tabs", "Cleaning tabs", 875),
    ("gift-card", "Gift card", 5_000),
)
PAGES = ('"url":"/"', '"url":"/sale"', '"url":"/coffee"', '"url":"/machines"')
ALMOST_SURE = 0.97
MAX_PRODUCTS_SEEN = 5


def decimal(cents: int) -> str:
    """Write an amount as a JSON number with exactly two digits."""
    return f"{cents // 100}.{cents % 100:02d}"


PRODUCTS = tuple(
    (f'"url":"/p/{slug}","product":"{name}","price":{decimal(cents)}', cents) for slug, name, cents in _CATALOGUE
)


class Planned(NamedTuple):
    """One event of a visit before it meets a clock and a network; `identity` and `place` are JSON members."""

    moment_ms: int
    visit: "Visit"
    identity: str
    event: str
    place: str


class Visit:
    """One visit in the making; keeps what all its records share."""

    __slots__ = ("_planner", "ahead_ms", "currency", "events", "id_head", "is_mobile", "key", "now_ms", "tail", "who")

    def __init__(self, planner: "Planner", visitor: Visitor, channel: str, begin_ms: int) -> None:
        bits = planner.draw.getrandbits
        self._planner = planner
        self.key = visitor.anonymous_id.encode()
        self.ahead_ms = visitor.ahead_ms
        self.is_mobile = visitor.device == "mobile"
        self.currency = "USD" if visitor.country == "US" else "EUR"
        self.id_head = f"{bits(32):08x}-{bits(16):04x}-4{bits(12):03x}-a{bits(12):03x}-"
        self.tail = (
            f'"session_id":"s-{bits(48):012x}","properties":{{'
            f'"device":"{visitor.device}","channel":"{channel}","country":"{visitor.country}",'
        )
        self.who = ""
        self.now_ms = begin_ms
        self.events: list[Planned] = []
        self.recognise(visitor)

    def recognise(self, visitor: Visitor) -> None:
        """Carry the user id from here on, if the visitor has one; the anonymous id stays."""
        user = f'"user_id":"{visitor.user_id}",' if visitor.user_id else ""
        self.who = f'{user}"anonymous_id":"{visitor.anonymous_id}"'

    def happen(self, event: str, place: str) -> None:
        """Add the event now, perhaps some noise, and let the visitor think."""
        planner = self._planner
        random, think = planner.draw.random, planner.think_ms
        self.events.append(Planned(self.now_ms, self, self.who, event, place))
        while random() < planner.noise_share:
            self.now_ms += think[int(random() * DRAWS)] // 4
            noise = NOISE_EVENTS[int(random() * 3)]
            self.events.append(Planned(self.now_ms, self, self.who, noise, place))
        self.now_ms += think[int(random() * DRAWS)]


class Planner:
    """Plans visits one after the other from one source of chance."""

    def __init__(self, draw: Random, traffic: ShopTraffic, population: Population) -> None:
        self.draw = draw
        self.noise_share = traffic.noise_share
        self.think_ms = log_normal(traffic.think_seconds * 1_000, 0.9, 600_000)
        self._traffic = traffic
        self._population = population
        self._chances = {
            (device, channel): {
                step: min(ALMOST_SURE, chance * by_device * by_channel) for step, chance in CHANCES.items()
            }
            for device, by_device in DEVICE_FACTORS.items()
            for channel, by_channel in CHANNEL_FACTORS.items()
        }
        self._chance = self._chances["mobile", "search"]
        self._drop_step: str | None = None

    def plan(self, begin_ms: int) -> list[Planned]:
        """Choose who comes and return what happens, in time order; never empty."""
        random = self.draw.random
        visitor = self._population.next_visitor(begin_ms)
        channels = _RETURN_CHANNELS if visitor.free_from_ms else _FIRST_CHANNELS
        channel = channels[int(random() * 100)]
        reads = random() < self._traffic.content_share
        if reads and visitor.content_step == 0:
            channel = "ads"
        self._chance = self._chances[visitor.device, channel]
        self._drop_step = self._traffic.drop_step if self._is_hit(visitor, channel) else None
        visit = Visit(self, visitor, channel, begin_ms)
        if not reads or self._reads(visit, visitor):
            self._shops(visit, visitor)
        visitor.free_from_ms = visit.now_ms
        # The events refer to the visit; a visit that kept them would be a cycle, left to the garbage collector.
        events, visit.events = visit.events, []
        return events

    def _is_hit(self, visitor: Visitor, channel: str) -> bool:
        """Tell whether a drop is about this visit."""
        if self._traffic.drop_segment is None:
            return True
        name, value = self._traffic.drop_segment
        return value == (channel if name == "channel" else getattr(visitor, name))

    def _goes_on(self, visit: Visit, step: str) -> bool:
        chance = self._chance[step]
        if step == self._drop_step and visit.now_ms >= self._traffic.drop_from_ms:
            chance *= self._traffic.drop_factor
        return self.draw.random() < chance

    def _reads(self, visit: Visit, visitor: Visitor) -> bool:
        """Walk the content steps from where the visitor stood last time; return whether they shop now."""
        visit.happen(CONTENT_STEPS[visitor.content_step], f'"url":"/magazine/{visitor.content_step}"')
        for number in range(visitor.content_step + 1, len(CONTENT_STEPS)):
            if not self._goes_on(visit, CONTENT_STEPS[number]):
                return self.draw.random() < 0.3
            visit.happen(CONTENT_STEPS[number], f'"url":"/magazine/{number}"')
            visitor.content_step = number
        visitor.content_step = 0
        return True

    def _shops(self, visit: Visit, visitor: Visitor) -> None:
        random = self.draw.random
        visit.happen("view_page", PAGES[int(random() * len(PAGES))])
        has_basket = visitor.basket_cents > 0 and random() < 0.5
        if not has_basket and not self._goes_on(visit, "view_product"):
            return
        if not has_basket and not self._fills_basket(visit, visitor):
            return
        if self._goes_on(visit, "begin_checkout"):
            self._checks_out(visit, visitor)

    def _fills_basket(self, visit: Visit, visitor: Visitor) -> bool:
        random = self.draw.random
        for _ in range(MAX_PRODUCTS_SEEN):
            product, cents = PRODUCTS[int(random() * len(PRODUCTS))]
            visit.happen("view_product", product)
            if self._goes_on(visit, "add_to_cart"):
                visit.happen("add_to_cart", product)
                visitor.basket_cents += cents
                if random() < 0.75:
                    return True
            elif random() < 0.5:
                return False
        return visitor.basket_cents > 0

    def _checks_out(self, visit: Visit, visitor: Visitor) -> None:
        visit.happen("begin_checkout", '"url":"/checkout"')
        if visitor.user_id is None and self.draw.random() < self._traffic.login_share:
            self._population.log_in(visitor)
            visit.recognise(visitor)
        if not self._goes_on(visit, "purchase"):
            return
        revenue = decimal(visitor.basket_cents)
        visit.happen("purchase", f'"url":"/checkout/thanks","revenue":{revenue},"currency":"{visit.currency}"')
        visitor.basket_cents = 0
