"""Which set of funnels may write in a namespace, and under which numbers their state is stored.

In:  the funnels this worker has, and the document in the store.
Out: the document that makes them the active set, or the reason why they may not be.

A set is known by a digest of its definitions. The newest set to start becomes active
and workers with an older one stop committing (SPEC section 7: a changed definition is a
new version). A set that was replaced does not come back by itself, so that a restart of
an old worker in the middle of a rolling deploy undoes nothing.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import msgspec

from stream.errors import StoreRefused, StoreUnavailable
from stream.ingest.identify import actor_key
from stream.model.funnel import Funnel
from stream.model.window import RollingWindow
from stream.settings.counting import CountingRules

REMEMBERED_SETS = 50

ROLLING, SECRET = "rolling", "secret"
_RULES = {
    ROLLING: "rolling windows {}, configured are {}",
    SECRET: "another actor_secret than the configured one",
}

_encoder = msgspec.json.Encoder(order="deterministic")


class ActiveSet(msgspec.Struct):
    """The document in the store. `numbers`: name@version -> number in stored state, of the active funnels.

    next_number: the lowest number that no funnel ever had. A funnel that is taken out and comes back gets a new one:
    its counts were deleted, so states under the old number would take back what is no longer counted.
    digests: name@version -> digest of its definition, of every funnel ever active. replaced: ids of earlier sets, and
    of earlier rules as a whole, newest last. rules: what stored counts depend on besides the funnels (`with_rules`).
    counting: the rules as a whole (`with_counting`), so that a switch of live can be taken back; null in documents of
    earlier releases. Not decoded with the rest: a release that cannot read it goes on counting.
    shown: breakdown values that all workers show by name (`worker.shown`), chosen in the hour of `shown_ms`, which is
    an `as_of`; None while none is.
    """

    id: str
    numbers: dict[str, int]
    digests: dict[str, str]
    replaced: list[str] = []
    shown: dict[str, dict[str, list[str]]] = {}
    shown_ms: int | None = None
    next_number: int = 0
    rules: dict[str, str] = {}
    counting: msgspec.Raw = msgspec.Raw(b"null")


class FunnelSetInactive(StoreUnavailable):
    """Another set of funnels is active: this worker waits until its own is, or until it is replaced."""

    def __init__(self, reason: str) -> None:
        super().__init__("activating the funnels", (), reason)


def funnel_set_id(funnels: Sequence[Funnel]) -> str:
    """Return the digest of a set of definitions, whatever their order."""
    return _digest(sorted(f"{funnel.key} {definition_id(funnel)}" for funnel in funnels))


def definition_id(funnel: Funnel) -> str:
    """Return the digest of what a definition counts; an option that it does not use does not change it."""
    return _digest(_used(funnel))


def rules_id(rules: CountingRules) -> str:
    """Return the digest of what rules count; how counts are shown or judged does not change it, nor where one began."""
    return _digest([
        funnel_set_id(rules.funnels),
        [_used(replace(source, start_from="")) for source in rules.sources],
        _windows(rules.rolling),
        _used(rules.age_matched),
        rules.bot_cap,
    ])  # fmt: skip


def _used(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        counting = [field for field in dataclasses.fields(value) if not field.metadata.get("is_export_only")]
        every = [(field, getattr(value, field.name)) for field in counting]
        return {field.name: _used(own) for field, own in every if own != field.default}
    return [_used(inner) for inner in value] if isinstance(value, tuple) else value


def _digest(value: object) -> str:
    return blake2b(_encoder.encode(value), digest_size=8).hexdigest()


def rules_of(rolling: Sequence[RollingWindow], actor_secret: str) -> dict[str, str]:
    """Return the rules of these settings, for `with_rules`; the secret only as a digest that does not give it away."""
    return {ROLLING: _windows(rolling) or "none", SECRET: actor_key("", actor_secret.encode()).hex()}


def _windows(rolling: Sequence[RollingWindow]) -> str:
    return " ".join(f"{window.name}/{window.slots}" for window in rolling)


def next_active_set(funnels: Sequence[Funnel], stored: ActiveSet | None, *, force: bool = False) -> ActiveSet:
    """Return the document under which `funnels` are active: `stored` itself if they are already.

    Raises FunnelSetInactive if this set was replaced by a newer one (unless `force`), or if a
    definition was changed without a new version.
    """
    own = funnel_set_id(funnels)
    digests = {funnel.key: definition_id(funnel) for funnel in funnels}
    if stored is None:
        numbers = {key: number for number, key in enumerate(sorted(digests))}
        return ActiveSet(own, numbers, digests, next_number=len(numbers))
    if stored.id == own:
        return stored
    if own in stored.replaced and not force:
        raise FunnelSetInactive(
            f"funnel set {own} was replaced by {stored.id}; restart this worker with the newer definitions, "
            "or start one worker with --activate to go back to these"
        )
    for key, digest in digests.items():
        known = stored.digests.get(key)
        if known is not None and known != digest:
            raise FunnelSetInactive(
                f"funnel {key} is counted with another definition already; give the changed one a new version"
            )
    numbers, next_number = {}, stored.next_number
    for key in sorted(digests):
        if key in stored.numbers:
            numbers[key] = stored.numbers[key]
        else:
            numbers[key], next_number = next_number, next_number + 1
    replaced = [known for known in stored.replaced if known != own]
    return msgspec.structs.replace(
        stored,
        id=own,
        numbers=numbers,
        digests={**stored.digests, **digests},
        replaced=[*replaced, stored.id][-REMEMBERED_SETS:],
        next_number=next_number,
    )


def counted_otherwise(funnels: Sequence[Funnel], active: ActiveSet) -> list[str]:
    """Return the keys of those funnels that are counted with another definition than theirs."""
    own = {funnel.key: definition_id(funnel) for funnel in funnels}
    return [key for key, digest in own.items() if active.digests.get(key, digest) != digest]


def with_rules(active: ActiveSet, rules: Mapping[str, str]) -> ActiveSet:
    """Return `active` with these rules: itself if it has them. Raises `StoreRefused` if it has others.

    Cells of rolling windows lie there by place in the list, and states by a key made with the secret: under
    other settings both would be taken for what they are not.
    """
    if active.rules == dict(rules):
        return active
    if not active.rules:
        return msgspec.structs.replace(active, rules=dict(rules))
    raise StoreRefused(
        "; ".join(
            f"this namespace is counted with {text.format(active.rules.get(name), rules.get(name))}"
            for name, text in _RULES.items()
            if active.rules.get(name) != rules.get(name)
        ),
        "set it back, or use a new namespace (redis.namespace) and count anew",
    )


def with_counting(active: ActiveSet, rules: CountingRules) -> ActiveSet:
    """Return `active` with these rules noted as a whole: itself if what they count is noted already."""
    known = counting_of(active)
    if known is not None and rules_id(known) == rules_id(rules):
        return active
    replaced = active.replaced if known is None else [*active.replaced, rules_id(known)][-REMEMBERED_SETS:]
    return msgspec.structs.replace(active, counting=msgspec.Raw(_encoder.encode(rules)), replaced=replaced)


def counting_of(active: ActiveSet) -> CountingRules | None:
    """Return the rules that this set counts by; None where another release noted them, or none did."""
    try:
        return msgspec.json.decode(active.counting, type=CountingRules | None)
    except msgspec.DecodeError:
        return None
