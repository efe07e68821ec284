"""What an actor table holds in memory."""

from collections.abc import Iterator

from stream.engine.state import FunnelState
from stream.engine.table import ActorTable


def states_in(table: ActorTable) -> Iterator[tuple[str, dict[int, FunnelState]]]:
    """Yield each actor with its states by funnel number; not of funnels that count units."""
    funnels = table.funnels.funnels
    for actor, record in table._actors.items():
        yield actor, {each.number: FunnelState(record[each.slot]) for each in funnels if record[each.slot] is not None}
