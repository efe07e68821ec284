"""The choices at the top of the dashboards, the ways between them, and what they have in common.

In:  what is known of the funnels.
Out: variables and links.

`$job` and `$instance` are only on Pipeline health. The series of a funnel are the same on every worker: to choose one
there would change nothing, or hide the numbers when that worker ends.
"""

from stream.dashboards.known import Known
from stream.dashboards.panel import Link, Order, Variable
from stream.dashboards.queries import ATTEMPTS, FUNNEL, SIDE_BY_SIDE
from stream.metrics import names

FUNNEL_UID = "funnel-overview"
COMPARE_UID = "funnel-compare"
BUSINESS_UID = "funnel-business"
HEALTH_UID = "funnel-health"

_ENTERED = names.ENTERED.name
_INFO = names.STEP_INFO.name
_PARTITIONS = names.WORKER_PARTITIONS.name


def links(about: Known, here: str) -> tuple[Link, ...]:
    """Return the ways from the dashboard `here` to the others."""
    every = {FUNNEL_UID: "Funnel", COMPARE_UID: "Compare", BUSINESS_UID: "Business", HEALTH_UID: "Pipeline health"}
    return tuple(
        Link(title, uid) for uid, title in every.items() if uid != here and (uid != BUSINESS_UID or about.has_value)
    )


def which_funnel(funnel: str, version: str) -> tuple[Variable, ...]:
    """Return the choice of a funnel and its version."""
    return (
        Variable("funnel", "Funnel", "Which funnel.", f"label_values({_INFO}, funnel)", default=funnel),
        Variable("version", "Version", "Which definition of it; the newest at first.",
                 f'label_values({_INFO}{{funnel="$funnel"}}, version)', default=version,
                 order=Order.NEWEST_NUMBER_FIRST),
    )  # fmt: skip


def which_entrants(window: str) -> tuple[Variable, ...]:
    """Return the choice of attempts or people, of the window and its form; `window` is empty if none rolls."""
    place = f'{FUNNEL},counts="$counts"'
    return (
        Variable("counts", "Count", "attempts: each try of an actor, by rolling windows. people: actors, each once in "
                 "an entry period.", options=("attempts", "people"), default="attempts" if window else "people"),
        Variable("window", "Window", "Of attempts a rolling window by entry time; of people the entry period.",
                 f"label_values({_ENTERED}{{{place}}}, window)", default=window, order=Order.NATURAL),
        Variable("form", "Form", "rolling: so far, the newest entrants, some still pending. matured: the same length "
                 "of window, shifted back until all are decided. current, previous: entry period of people.",
                 f'label_values({_ENTERED}{{{place},window="$window"}}, form)',
                 default="rolling" if window else "current"),
    )  # fmt: skip


def which_breakdown() -> Variable:
    """Return the choice of a breakdown."""
    return Variable("breakdown", "Breakdown", "By which property segments are told apart.",
                    f'label_values({_ENTERED}{{{FUNNEL},breakdown!=""}}, breakdown)')  # fmt: skip


def which_segment() -> Variable:
    """Return the choice of a segment, or of all."""
    return Variable("segment", "Segment", "One segment of the breakdown, or all together.",
                    f"label_values({_ENTERED}{{{FUNNEL},{SIDE_BY_SIDE}}}, segment)", all_value="^$")  # fmt: skip


def which_control() -> Variable:
    """Return the choice of the segment that others are compared with."""
    return Variable("control", "Control", "The segment that the others are compared with.",
                    f"label_values({_ENTERED}{{{FUNNEL},{SIDE_BY_SIDE}}}, segment)")  # fmt: skip


def which_cohort(window: str) -> Variable:
    """Return the choice of the length of entry cohorts."""
    return Variable("cohort", "Cohort", "Length of entry cohorts, and window of age-matched conversion: a rolling "
                    "window of attempts.", f"label_values({_ENTERED}{{{ATTEMPTS}}}, window)", default=window,
                    order=Order.NATURAL)  # fmt: skip


def which_worker() -> tuple[Variable, ...]:
    """Return the choice of workers."""
    return (
        Variable("job", "job", "Prometheus' job of the workers.", f"label_values({_PARTITIONS}, job)", all_value=".+",
                 several=True),
        Variable("instance", "instance", "Which workers.", f'label_values({_PARTITIONS}{{job=~"$job"}}, instance)',
                 all_value=".+", several=True),
    )  # fmt: skip
