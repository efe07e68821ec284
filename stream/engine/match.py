"""Which steps an event can serve, compiled once per set of funnels.

In:  funnel definitions, and the order in which the decoder hands over properties.
Out: for an event's kind, the funnels it matters to and its roles in them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from stream.engine.attribution import attributions_of, entry_touch
from stream.engine.option_fold import options_of
from stream.engine.ordered import FoldRules
from stream.engine.predicates import Test, test_of
from stream.engine.roles import BREAKS, excludes
from stream.engine.touches import Touches
from stream.engine.units import unit_rule_of
from stream.model.event import Kind, KindOf
from stream.model.funnel import Funnel, Order, Predicate

Served: TypeAlias = "tuple[tuple[CompiledFunnel, tuple[int, ...]], ...]"

MAX_KINDS = 10_000
"""Kinds whose steps are remembered; what more there are is worked out anew for each event."""


class Place(NamedTuple):
    """A role that events of a name (None: of any name) have in a funnel if they pass `test`.

    `role` None: they only matter by happening.
    """

    name: str | None
    role: int | None
    test: Test | None


class CompiledFunnel(FoldRules):
    """A funnel with everything the fold looks up precomputed.

    `number` names it in stored state, `slot` is its place among the funnels of its set, from 1. `options`: None
    for a plain funnel. `units`: None where an actor is the counted unit. `touch` says what an event says for
    breakdowns and values, `has_segments` whether events of these roles have breakdown values. `touch_of_chain`: the
    touch whose breakdown values count for a result that has nothing but its reported chain.
    """

    def __init__(self, funnel: Funnel, number: int, property_paths: Sequence[str] = (), slot: int = 1) -> None:
        super().__init__(funnel)
        self.definition = funnel
        self.number = number
        self.slot = slot
        self.options = options_of(funnel)
        column = {path: index for index, path in enumerate(property_paths)}
        self.units = unit_rule_of(funnel, column)
        self.places = tuple(_places(funnel, column))
        touches = Touches(funnel, column)
        self.has_touch = touches.says_any
        self.touch = touches.touch
        self.has_segments = touches.has_segments
        attributions = attributions_of(funnel)
        self.touch_of_chain = entry_touch if attributions is None else attributions.touch_of_chain


def _places(funnel: Funnel, column: Mapping[str, int]) -> Iterator[Place]:
    """Yield the roles that events can have."""

    def place(
        name: str | None, role: int | None, where: tuple[Predicate, ...] = (), needed: Iterable[str] = ()
    ) -> Place:
        return Place(name, role, test_of(where, column, tuple(needed)))

    session = [funnel.session.property] if funnel.session is not None and funnel.session.property else []
    held = [*session, *funnel.hold]
    for index, step in enumerate(funnel.steps):
        yield from (place(name, index, step.where, held) for name in step.events)
    for index, exclusion in enumerate(funnel.exclusions):
        yield from (place(name, excludes(index), exclusion.where, held) for name in exclusion.events)
    if funnel.order is Order.STRICT:
        breaking: Iterable[str | None] = (None,) if funnel.breaking is None else funnel.breaking
        yield from (place(name, BREAKS, (), session) for name in breaking)
    if funnel.session is not None and funnel.session.gap_ms is not None:
        yield place(None, None)


class Serving(dict[Kind, Served]):
    """What events of a kind are to which funnels.

    Kinds of names of which some places have tests are worked out when they are first asked for. `kinds`: by name,
    what tells the kind of an event by its properties. If any event matters, every name is in both.
    """

    def __init__(self, funnels: Iterable[CompiledFunnel]) -> None:
        super().__init__()
        every: list[_Placed] = []
        self._named: dict[str, list[_Placed]] = {}
        for funnel in funnels:
            for place in funnel.places:
                own = every if place.name is None else self._named.setdefault(place.name, [])
                own.append((funnel, place))
        self._every = every
        self.kinds: dict[str, KindOf] = {}
        for name, named in self._named.items():
            placed = [*named, *every]
            if any(place.test is not None for _, place in placed):
                self.kinds[name] = _kind_of(name, placed)
            else:
                self[name] = _served(placed)

    def __missing__(self, kind: Kind) -> Served:
        """Work out what an event is that passes the tests of these places."""
        if isinstance(kind, tuple):
            name, met = kind
            placed = [*self._named.get(name, ()), *self._every]
            served = _served([each for bit, each in enumerate(placed) if met >> bit & 1])
        else:
            served = () if kind in self.kinds else _served(self._every)
        if not served:
            raise KeyError(kind)
        if len(self) < MAX_KINDS:
            self[kind] = served
        return served


class ServingEvery(Serving):
    """A `Serving` of funnels to some of which any event matters."""

    def __init__(self, funnels: Iterable[CompiledFunnel]) -> None:
        super().__init__(funnels)
        if any(place.test is not None for _, place in self._every):
            self.kinds = _KindsOfEvery(self.kinds, lambda name: _kind_of(name, self._every))

    def __contains__(self, kind: object) -> bool:
        """Whatever happens matters to some funnel."""
        return True


class _KindsOfEvery(dict[str, KindOf]):
    """What tells an event's kind, for every name."""

    def __init__(self, named: Mapping[str, KindOf], kind_of: Callable[[str], KindOf]) -> None:
        super().__init__(named)
        self._kind_of_other = kind_of

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> KindOf:
        kind_of = self._kind_of_other(name)
        if len(self) < MAX_KINDS:
            self[name] = kind_of
        return kind_of


_Placed: TypeAlias = "tuple[CompiledFunnel, Place]"


def _served(placed: Iterable[_Placed]) -> Served:
    roles: dict[CompiledFunnel, set[int]] = {}
    for funnel, place in placed:
        own = roles.setdefault(funnel, set())
        if place.role is not None:
            own.add(place.role)
    return tuple((funnel, _without_repeats(own)) for funnel, own in roles.items())


def _without_repeats(roles: set[int]) -> tuple[int, ...]:
    """Return roles in order; what serves a step breaks chains of others without saying so."""
    return tuple(sorted(roles - {BREAKS} if max(roles, default=-1) >= 0 else roles))


def _kind_of(name: str, placed: Sequence[_Placed]) -> KindOf:
    tests = [(1 << bit, place.test) for bit, (_, place) in enumerate(placed) if place.test is not None]
    always = sum(1 << bit for bit, (_, place) in enumerate(placed) if place.test is None)

    def kind_of(properties: Sequence[Any]) -> Kind | None:
        met = always
        for bit, test in tests:
            if test(properties):
                met |= bit
        return (name, met) if met else None

    return kind_of


class FunnelSet:
    """All funnels on one stream: names any of them can use, and each funnel compiled.

    `property_paths` is what the decoder must hand over, in this order. `numbers` gives each
    `name@version` the number under which its state is stored. `serving`: for an event's kind, each
    funnel it matters to and its roles there. An event's kind is its name; where a role of that name has conditions,
    `kinds` tells it by the properties, None where it matters to no funnel.
    """

    def __init__(self, funnels: Sequence[Funnel], numbers: dict[str, int] | None = None) -> None:
        self.property_paths: tuple[str, ...] = tuple(
            sorted({path for funnel in funnels for path in funnel.needed_properties})
        )
        numbers = numbers if numbers is not None else {funnel.key: n for n, funnel in enumerate(funnels)}
        self.funnels = tuple(
            CompiledFunnel(funnel, numbers[funnel.key], self.property_paths, slot)
            for slot, funnel in enumerate(funnels, start=1)
        )
        self.by_number = {compiled.number: compiled for compiled in self.funnels}
        is_every = any(place.name is None for funnel in self.funnels for place in funnel.places)
        self.serving = ServingEvery(self.funnels) if is_every else Serving(self.funnels)
        self.kinds = self.serving.kinds

    def served(self, name: str, properties: Sequence[Any]) -> Served:
        """Return the roles of an event, by funnel; () if it has none."""
        if name in self.kinds:
            kind = self.kinds[name](properties)
            return () if kind is None else self.serving[kind]
        return self.serving[name] if name in self.serving else ()  # noqa: SIM401 (it works out what it does not hold)
