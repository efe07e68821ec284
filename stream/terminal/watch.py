"""Look at a server's numbers again and again, show them, follow the keys.

In:  a client of the API, what to show first.
Out: the live view on a console, until `q` or Ctrl-C.
"""

from collections import deque
from typing import NamedTuple

from rich.console import Console, RenderableType
from rich.text import Text

from stream.errors import ServerSilent
from stream.terminal.client import Client, Looked
from stream.terminal.keys import keys
from stream.terminal.picks import Picks, press
from stream.terminal.screen import screen
from stream.terminal.view import Row, health_rows, keys_row, live_view, plain_line

LOOK_S = 0.5
RATE_OVER_LOOKS = 6
"""Looks that events/s are taken over, 3 s: from one to the next it jumps with every batch."""


class _Moment(NamedTuple):
    looked: Looked
    before: Looked | None
    trouble: str


def watch(client: Client, picks: Picks, console: Console) -> None:
    """Show until `q`. Raises `TopError` if there is nothing to show; once shown, it waits for a server that is away."""
    looks = deque([client.look(picks)], maxlen=RATE_OVER_LOOKS)
    trouble = ""

    def picture(moment: _Moment) -> RenderableType:
        return live_view(moment.looked, _rows(client, moment), console.height)

    with keys() as next_key, screen(console, picture, _line) as show:
        while True:
            show(_Moment(looks[-1], looks[0], trouble))
            key = next_key(LOOK_S)
            if key == "q":
                return
            picks = press(picks, key, looks[-1].funnels, looks[-1].views[0][1].choice)
            try:
                looks.append(client.look(picks))
                trouble = ""
            except ServerSilent as error:
                trouble = str(error)


def _rows(client: Client, moment: _Moment) -> list[Row]:
    health = moment.looked.health
    about = Text(moment.trouble, style="red") if moment.trouble else "ready" if health.ready else health.reason
    return [*health_rows(moment.looked, moment.before), ("from", Text.assemble(client.url, " ", about)), keys_row()]


def _line(moment: _Moment) -> str:
    return moment.trouble or plain_line(moment.looked, moment.before)
