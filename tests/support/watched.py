"""Shops as Prometheus sees them: series drawn from a seed, tick by tick, and what promtool says to the rules.

Who reaches step 1 goes on with some probability, after a time that is uniform within the age, and counts in the slot
in which it reached the step. So windows slide over slots as they do in a worker, and what happens to a site at one
moment touches those who were about to go on.
"""

import random
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from pathlib import Path
from typing import Any

import yaml

from stream.alerts.rules import text
from stream.model.funnel import Breakdown, Funnel, Step
from stream.model.window import Age
from stream.settings.alerts import with_alert_windows
from stream.settings.tracker import DEFAULT_ROLLING, SourceSettings, TrackerSettings

MINUTE_S, HOUR_S, DAY_S, WEEK_S = 60, 3_600, 86_400, 604_800
AGE_S = 300
AGES = (Age("5m", AGE_S * 1_000),)
STEPS = (Step("cart", ("cart",)), Step("pay", ("pay",)))
FUNNEL = Funnel("shop", 1, STEPS, HOUR_S * 1_000, breakdowns=(Breakdown("device", ("device",)),))
SETTINGS = TrackerSettings(
    (SourceSettings("shop", ("clicks",), is_keyed_by_actor=True),),
    "unused",
    rolling=with_alert_windows(DEFAULT_ROLLING, AGES, {}),
    age_matched=AGES,
)
DEVICES = ("mobile", "desktop")
RECORDS_PER_VISIT = 4

# A number at a time in seconds, and a series with its value at each tick.
At = Callable[[float], float]
Series = tuple[str, Sequence[float]]


def always(value: float) -> At:
    return lambda _: value


def since(at_s: float, after: float, before: float) -> At:
    return lambda now_s: before if now_s < at_s else after


def between(start_s: float, end_s: float, inside: float, outside: float) -> At:
    return lambda now_s: inside if start_s <= now_s < end_s else outside


NEVER, SELDOM, USUAL, ONE, HUNDRED, LONG_AGO = map(always, (0, 0.001, 0.4, 1, 100, -HOUR_S))


@dataclass(frozen=True)
class Shop:
    """One funnel: how many reach step 1 a minute, which share goes on, and the factor on that of mobile visitors.

    target: of step 1, at all and within the age, and of the whole funnel; None for none. matured, step_matured: decided
    conversion of the funnel and of step 1.
    """

    visits: At = HUNDRED
    share: At = USUAL
    mobile: At = ONE
    target: float | None = 0.4
    matured: At = USUAL
    step_matured: At = USUAL


@dataclass(frozen=True)
class Story:
    """What Prometheus scrapes every `tick_s` from two workers that see the same; rules are looked at every `look_s`.

    judged_s: how long at the end counts; None for all. closed: 1 while nothing happens anywhere. late, invalid: of the
    records. lag, stale: seconds. moves: 0 while no event is new enough for the watermark. up: 0 while no worker
    answers. started: when the youngest worker did.
    """

    seconds: int
    shops: Mapping[str, Shop] = field(default_factory=lambda: {"shop": Shop()})
    tick_s: int = 60
    look_s: int = 60
    judged_s: int | None = None
    closed: At = NEVER
    late: At = SELDOM
    invalid: At = NEVER
    lag: At = NEVER
    stale: At = SELDOM
    moves: At = ONE
    up: At = ONE
    started: At = LONG_AGO
    seed: int = 1

    @property
    def times(self) -> range:
        """The instant of each tick."""
        return range(0, self.seconds + 1, self.tick_s)


def series_of(story: Story) -> Iterator[Series]:
    """Yield all series; a value is None where no worker answers."""
    rng = random.Random(story.seed)
    shown: list[Series] = []
    visits = [0] * len(story.times)
    for name, shop in story.shops.items():
        slots = _slots(story, shop, rng)
        shown += _of_shop(story, name, shop, slots)
        visits = [sum(each) for each in zip(visits, *(reached for reached, _ in slots.values()), strict=True)]
    shown += _of_workers(story, visits)
    up = [story.up(now_s) for now_s in story.times]
    for instance in ("a", "b"):
        own = f'job="funnel",instance="{instance}"'
        yield f"up{{{own}}}", up
        for series, values in shown:
            name, _, labels = series.partition("{")
            answered = [value if is_up else None for value, is_up in zip(values, up, strict=True)]
            yield f"{name}{{{own},{labels}" if labels else f"{name}{{{own}}}", answered


def _slots(story: Story, shop: Shop, rng: random.Random) -> dict[str, tuple[list[int], list[int]]]:
    """Return by device how many reached step 1 in each tick, and how many of those went on within the age."""
    slots: dict[str, tuple[list[int], list[int]]] = {device: ([], []) for device in DEVICES}
    for now_s in story.times:
        mean = 0 if story.closed(now_s) else shop.visits(now_s) * story.tick_s / MINUTE_S / len(DEVICES)
        for device, (reached, went_on) in slots.items():
            count = poisson(rng, mean)
            reached.append(count)
            went_on.append(sum(_goes_on(story, shop, device, now_s, rng) for _ in range(count)))
    return slots


def _goes_on(story: Story, shop: Shop, device: str, now_s: float, rng: random.Random) -> bool:
    then_s = now_s + rng.random() * AGE_S
    factor = shop.mobile(then_s) if device == "mobile" else 1
    return rng.random() < shop.share(then_s) * factor and not story.closed(then_s)


def poisson(rng: random.Random, mean: float) -> int:
    """Draw from Poisson's distribution; above 50 from the normal one that is near it."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, mean**0.5)))
    count, product, least = 0, rng.random(), exp(-mean)
    while product > least:
        count, product = count + 1, product * rng.random()
    return count


def _of_shop(
    story: Story, name: str, shop: Shop, slots: Mapping[str, tuple[Sequence[int], Sequence[int]]]
) -> Iterator[Series]:
    same = [1] * len(story.times)
    funnel, step = f'funnel="{name}",version="1"', f'funnel="{name}",version="1",step="1"'
    yield f'funnel_step_info{{{step},step_name="cart"}}', same
    if shop.target is not None:
        yield f'funnel_step_target_ratio{{{step},age="{AGES[0].name}"}}', [shop.target for _ in same]
        yield f'funnel_step_target_ratio{{{step},age=""}}', [shop.target for _ in same]
        yield f"funnel_target_ratio{{{funnel}}}", [shop.target for _ in same]
    reached, went_on = ([sum(each) for each in zip(*both, strict=True)] for both in zip(*slots.values(), strict=True))
    for rolling in SETTINGS.rolling:
        for alert in rolling.alerts:
            if alert.window_ms < story.tick_s * 1_000:
                continue
            labels = f'{step},window="{alert.name}",age="{AGES[0].name}"'
            yield from _ages(story, labels, alert.window_ms, reached, went_on)
            for device in DEVICES if alert.segment_age else ():
                yield from _ages(
                    story, f'{labels},breakdown="device",segment="{device}"', alert.window_ms, *slots[device]
                )
    attempts = f'{funnel},counts="attempts"'
    for rolling in SETTINGS.rolling[:2]:
        labels = f'{attempts},window="{rolling.name}",form="rolling"'
        yield f"funnel_entered{{{labels}}}", _sums(reached, rolling.window_ms // 1_000 // story.tick_s)
    yield f'funnel_entered{{{attempts},window="24h",form="matured"}}', [5_000 for _ in same]
    yield f'funnel_reached{{{attempts},window="24h",form="matured",step="1"}}', [5_000 for _ in same]
    for what, at, share in (("", "", shop.matured), ("step_", ',step="1"', shop.step_matured)):
        labels = f'{attempts},window="24h",form="matured"{at}'
        yield f"funnel_{what}conversion_ratio{{{labels}}}", [share(now_s) for now_s in story.times]


def _ages(
    story: Story, labels: str, window_ms: int, reached: Sequence[int], went_on: Sequence[int]
) -> Iterator[Series]:
    length, shift = max(1, window_ms // 1_000 // story.tick_s), -(-AGE_S // story.tick_s)
    for name, slots in (("reached", reached), ("went_on", went_on)):
        sums = _sums(slots, length)
        yield f"funnel_age_matched_{name}{{{labels}}}", ([0] * shift + sums)[: len(sums)]


def _sums(slots: Sequence[int], length: int) -> list[int]:
    """Return the sum of the last `length` slots at each."""
    sums, total = [], 0
    for at, count in enumerate(slots):
        total += count - (slots[at - length] if at >= length else 0)
        sums.append(total)
    return sums


def _of_workers(story: Story, visits: Sequence[int]) -> Iterator[Series]:
    counted = {"accepted": [0.0], "late": [0.0], "invalid": [0.0]}
    marks = [0.0]
    for now_s, count in zip(story.times[1:], visits[1:], strict=True):
        late, invalid, records = story.late(now_s), story.invalid(now_s), RECORDS_PER_VISIT * count
        for values, share in zip(counted.values(), (1 - late - invalid, late, invalid), strict=True):
            values.append(values[-1] + records * share)
        marks.append(now_s if records and story.moves(now_s) else marks[-1])
    for verdict, values in counted.items():
        yield f'funnel_records_total{{verdict="{verdict}"}}', [round(value) for value in values]
    yield 'funnel_worker_watermark_seconds{partition="0"}', marks
    yield "funnel_as_of_seconds", story.times
    yield 'funnel_worker_lag_seconds{partition="0"}', [story.lag(now_s) for now_s in story.times]
    yield 'funnel_worker_rollup_age_seconds{partition="0"}', [story.stale(now_s) for now_s in story.times]
    yield "funnel_worker_partitions", [1 for _ in story.times]
    yield "process_start_time_seconds", [story.started(now_s) for now_s in story.times]


def rules_of(story: Story) -> str:
    """Return the rule file for the shops of a story."""
    return text([FUNNEL for _ in story.shops], SETTINGS)


def fired(folder: Path, story: Story, expected: Collection[Mapping[str, str]], *labels: str) -> str:
    """Have promtool hold what fired in a story, by `labels`, against what is expected; returns what it says if not."""
    judged = f"{story.judged_s or story.seconds}s"
    expr = f'group by ({", ".join(labels)}) (count_over_time(ALERTS{{alertstate="firing"}}[{judged}]))'
    series = {
        series: " ".join("_" if value is None else f"{value:.10g}" for value in values)
        for series, values in series_of(story)
    }
    return promtool(folder, rules_of(story), series, (story.tick_s, story.look_s, story.seconds), expr, expected)


def selector(labels: Mapping[str, str]) -> str:
    """Write labels as PromQL does."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def promtool(  # noqa: PLR0917
    folder: Path,
    rules: str,
    series: Mapping[str, str],
    times_s: tuple[int, int, int],
    expr: str = "",
    expected: Collection[Mapping[str, str]] = (),
    *,
    alerts: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Have promtool look whether `expr` is 1 for exactly these labels, or these are the alerts; returns its complaint.

    times_s: of a tick, between two evaluations of the rules, and at which to look.
    """
    tick_s, look_s, at_s = times_s
    samples = [{"labels": selector(each), "value": 1} for each in expected]
    test = {
        "interval": f"{tick_s}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": f"{at_s}s", "exp_samples": samples}] if expr else [],
        "alert_rule_test": list(alerts),
    }
    file = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{look_s}s",
        "group_eval_order": [group["name"] for group in yaml.load(rules, yaml.CSafeLoader)["groups"]],  # else random
        "tests": [test],
    }
    (folder / "rules.yml").write_text(rules)
    (folder / "test.yml").write_text(yaml.dump(file, Dumper=yaml.CSafeDumper))
    command = ["promtool", "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr
