"""Readings of SPEC: what is meant where the counting rules are silent or two of them meet.

Each is a sentence and a case in the notation, with what the oracle says about it; a test holds them to it.
"""

from dataclasses import dataclass
from typing import Literal

from support.notation import LATE_MS
from support.options.attempts import Period


@dataclass(frozen=True)
class Reading:
    """A decision: what `outcomes` (or, about actors, `actors_of`) says of a path, in lines."""

    rule: str
    path: str
    funnel: str
    says: str
    as_of: int = LATE_MS
    periods: tuple[Period, ...] = ()
    about: Literal["attempts", "actors"] = "attempts"


TENS = ((0, 10), (10, 20), (20, 30))
EVER = ((-1000, 1000),)

# Alive, and the entry of an attempt

ALIVE = [
    Reading(
        "alive now: an event of the same instant could extend the chain; what else the instant holds has not broken it",
        "A@-6 A@3 B@4 A@5",
        "A>B>C/10 strict",
        "-6 dropped 2: e2 e3 / 3 dropped 2: e2 e3",
    ),
    Reading(
        "nor cleared it: an attempt opens with what the instant's events extend, and is excluded at that instant",
        "A@0 A@5 X@12 B@12",
        "A>B>C/10 exclude X",
        "0 dropped 1: e1 / 5 excluded 2: e2 e4",
    ),
    Reading(
        "a chain whose gap is not over is alive, and every start that could still matter counts for the entry",
        "A@0 A@8 B@11 A@12 B@14",
        "A>B not_before 5/10",
        "0 dropped 1: e1 / 8 converted 2: e2 e5",
    ),
    Reading(
        "of the starts whose gap is over only the latest is kept, as without a gap",
        "A@0 A@4 A@6 A@11",
        "A>B not_before 5/10",
        "0 dropped 1: e1 / 6 dropped 1: e3",
    ),
    Reading(
        "an attempt that opens on an older chain reports the kept one that reached its level first",
        "A@0 A@9 B@10 B@12",
        "A>B>C/10",
        "0 dropped 2: e2 e3 / 9 dropped 2: e2 e3",
    ),
    Reading(
        "where the next step has `within`, the kept one is that with the latest event: it lives longest",
        "A@0 A@9 B@10 B@12",
        "A>B>C within 3/10",
        "0 dropped 2: e2 e3 / 9 dropped 2: e2 e4",
    ),
    Reading(
        "an attempt's reported chain starts at or after its entry, whatever an older chain has in optional steps",
        "A@1 A@3 B@4 A@6 C@7 B@8 A@12 D@13",
        "A>B?>C?>D/10",
        "1 dropped 3: e2 e3 e5 / 6 converted 4: e4 3:e5 4:e8",
    ),
    Reading(
        "a broken strict chain ends no attempt: only the window, a conversion or an exclusion does",
        "A@0 X@1 A@9 B@10",
        "A>B>C/10 strict",
        "0 dropped 2: e3 e4",
    ),
]

# Strict order, optional steps

ORDER = [
    Reading(
        "`events:` names what breaks a strict chain besides the steps' own events",
        "A@0 C@1 B@2",
        "A>B>C/10 strict events X",
        "0 dropped 1: e1",
    ),
    Reading(
        "an exclusion that `events:` does not name breaks nothing outside its range",
        "A@0 X@1 B@2",
        "A>B>C/10 strict events Y exclude X 2..3",
        "0 dropped 2: e1 e3",
    ),
    Reading(
        "strict with optional steps: only an event of the step the chain stands at may lie between",
        "A@0 B@1 A@2 C@3",
        "A>B?>C/10 strict",
        "0 converted 3: e3 3:e4",
    ),
    Reading(
        "an optional step is a level of its own: an attempt can stop at it",
        "A@0 B@1",
        "A>B?>C/10",
        "0 dropped 2: e1 e2",
    ),
    Reading(
        "of as many optional steps, from the last step backwards, a step is better had than not",
        "A@0 B@1 C@1 D@2",
        "A>B?>C?>D/10 strict_time",
        "0 converted 4: e1 3:e3 4:e4",
    ),
    Reading(
        "more optional steps come before the latest start, but after the first completion",
        "A@0 B@1 A@2 C@3 B@4 C@5",
        "A>B?>C/10",
        "0 converted 3: e1 e2 e4",
    ),
]

# Any order

ANY = [
    Reading(
        "in any order a chain is its events in order of time; which step each serves is not reported",
        "B@0 A@1",
        "A>B>C/10 any",
        "0 dropped 2: e1 e2",
    ),
    Reading(
        "an attempt that opens on older events takes the latest of each step",
        "A@0 B@5 B@8 C@12",
        "A>B>C>D/10 any",
        "0 dropped 2: e1 e2 / 8 dropped 2: e3 e4",
    ),
    Reading(
        "strict_time in any order: no two of the events share an instant",
        "A@0 B@0",
        "A>B/10 any strict_time",
        "0 dropped 1: e1",
    ),
    Reading(
        "an exclusion in any order clears every set that began before it, and none that begins with it",
        "A@0 B@5 X@6 C@6",
        "A>B>C>D/10 any exclude X",
        "0 excluded 3: e1 e2 e4",
    ),
]

# Open funnels

OPEN = [
    Reading(
        "one event opens one chain, at the lowest step it serves that no live chain waits for",
        "A@0",
        "A>A/10 open",
        "0 dropped 1: e1",
    ),
    Reading(
        "a chain waits for an event although its gap is not over; the event then opens nothing",
        "A@0 B@2",
        "A>B not_before 5/10 open",
        "0 dropped 1: e1",
    ),
    Reading(
        "a chain of the same instant waits too, also where strict_time keeps the event from joining it",
        "A@0 B@0",
        "A>B/10 open strict_time",
        "0 dropped 1: e1",
    ),
    Reading(
        "an optional step opens no chain",
        "B@0 C@1",
        "A>B?>C/10 open",
        "1 converted 3: 3:e2",
    ),
    Reading(
        "a chain that may skip to a step waits for it",
        "A@0 C@1",
        "A>B?>C/10 open",
        "0 converted 3: e1 3:e2",
    ),
    Reading(
        "there is one attempt at a time, and its entry step is that of its reported chain",
        "A@0 C@1",
        "A>B>C/10 open",
        "0 converted 3: 3:e2",
    ),
    Reading(
        "what a conversion consumed waits for nothing",
        "A@0 B@1 B@2",
        "A>B/10 open",
        "0 converted 2: e1 e2 / 2 converted 2: 2:e3",
    ),
    Reading(
        "in a strict open funnel a repeated event opens anew, for it has broken the chain before it",
        "A@0 B@1 B@2 C@3",
        "A>B>C/10 strict open",
        "0 converted 3: 2:e3 3:e4",
    ),
]

# Exclusions

EXCLUSIONS = [
    Reading(
        "an exclusion that finds no live chain excludes nothing",
        "A@0 X@5",
        "A>B within 3>C/10 exclude X",
        "0 dropped 1: e1",
    ),
    Reading(
        "nor after a foreign event has broken a strict chain",
        "A@0 Y@1 X@2",
        "A>B/10 strict exclude X",
        "0 dropped 1: e1",
    ),
    Reading(
        "what is left is judged with all that the instant breaks and clears",
        "A@0 B@1 A@1 X@2 A@3",
        "A>B>C/10 strict exclude X 2..3",
        "0 excluded 2: e3 e2 / 3 dropped 1: e5",
    ),
    Reading(
        "the best level is reached again when any chain comes to it; it is cleared when no live one is left at it",
        "A@0 B@1 X@2 A@3 B@4 B@5",
        "A>B>C/10 exclude X 2..3",
        "0 dropped 2: e1 e2",
    ),
    Reading(
        "a level reached at an exclusion's own instant counts, and is cleared at once if its range began before",
        "A@0 B@2 X@2",
        "A>B>C/10 exclude X",
        "0 excluded 2: e1 e2",
    ),
    Reading(
        "the last ms of the window still clears",
        "A@0 X@10",
        "A>B/10 exclude X",
        "0 excluded 1: e1",
    ),
    Reading(
        "an event may be a step's and an exclusion's at once; it is then both",
        "A@0 B@1 B@2 C@3",
        "A>B>C/10 exclude B 1..3",
        "0 excluded 2: e1 e2",
    ),
    Reading(
        "of several effects the stronger counts: of what cleared the best level for good and what closed the attempt",
        "A@0 B@1 X@2 Y@3 A@20",
        "A>B>C/10 exclude X 2..3 remove_actor exclude Y",
        "20 dropped 1: e5",
    ),
    Reading(
        "an actor that one clean chain keeps is reported by the usual rule, a cleared chain of its depth included",
        "A@0 X@5 A@20",
        "A>B/10 exclude X remove_actor",
        "-1000 1: e1",
        periods=EVER,
        about="actors",
    ),
    Reading(
        "a start that a later one replaced is not clean: the level's latest start is what must leave its window",
        "A@0 A@8 X@12",
        "A>B/10 exclude X remove_actor",
        "-1000 removed",
        periods=EVER,
        about="actors",
    ),
    Reading(
        "a chain leaves its life also by `within` or by a strict break",
        "A@0 Y@1 X@2",
        "A>B/10 strict exclude X remove_actor",
        "-1000 1: e1",
        periods=EVER,
        about="actors",
    ),
    Reading(
        "only exclusions that remove the actor are ignored when its deepest level is looked for",
        "A@0 B@1 Y@2 C@3",
        "A>B>C/10 exclude X remove_actor exclude Y",
        "-1000 2: e1 e2",
        periods=EVER,
        about="actors",
    ),
]

# Whose events, and when

UNITS = [
    Reading(
        "an event without a held property breaks a strict chain of every value",
        "A@0{p=a} X@1 B@2{p=a}",
        "A>B/10 strict hold p",
        "a: 0 dropped 1: e1",
    ),
    Reading(
        "one with another value is another unit's and breaks nothing",
        "A@0{p=a} X@1{p=b} B@2{p=a}",
        "A>B/10 strict hold p",
        "a: 0 converted 2: e1 e3",
    ),
    Reading(
        "an exclusion without the property, or with another value, excludes nothing",
        "A@0{p=a} X@1 X@2{p=b} B@3{p=a}",
        "A>B/10 hold p exclude X",
        "a: 0 converted 2: e1 e4",
    ),
    Reading(
        "an event without a session id is in no session, so it breaks none",
        "A@0{s=1} X@1 B@2{s=1}",
        "A>B/10 strict session s",
        "1: 0 converted 2: e1 e3",
    ),
    Reading(
        "the gap rule asks all the actor's events, those without a held property or with another value too",
        "A@0{p=a} X@5 X@9{p=b} B@13{p=a}",
        "A>B/20 hold p gap 5",
        "0,a: 0 converted 2: e1 e4",
    ),
    Reading(
        "entry: first anchors per counted unit",
        "A@0{p=a} A@1{p=b} A@2{p=b} B@3{p=b}",
        "A>B/10 first hold p",
        "a: 0 dropped 1: e1 / b: 1 converted 2: e2 e4",
        periods=TENS,
    ),
    Reading(
        "a period keeps its anchor although a conversion consumed it",
        "A@0 B@1 A@2 B@3",
        "A>B/10 first",
        "0 converted 2: e1 e2",
        periods=TENS,
    ),
    Reading(
        "a step-1 event that is no anchor may serve another step, and breaks no strict chain at step 1",
        "A@0 A@1 B@2",
        "A>B/10 strict first",
        "0 converted 2: e1 e3",
        periods=TENS,
    ),
    Reading(
        "an event counts as of T if its floored time does: an instant is known whole or not at all",
        "A@0 B@19",
        "A>B/50 granularity 10",
        "0 converted 2: e1 e2",
        as_of=15,
    ),
    Reading(
        "gaps between events are those of the floored times, in the session rule too",
        "A@0 B@19",
        "A>B/50 gap 10 granularity 10",
        "0: 0 converted 2: e1 e2",
    ),
    Reading(
        "the window, `within` and `not_before` are not floored",
        "A@9 B@20",
        "A>B/15 granularity 10",
        "0 dropped 1: e1",
    ),
]

READINGS = [*ALIVE, *ORDER, *ANY, *OPEN, *EXCLUSIONS, *UNITS]
