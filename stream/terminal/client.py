"""Ask a worker or `funnel serve` for its numbers, over the JSON API (docs/api.md).

In:  its URL; a token, where it wants one.
Out: the API's documents; or an error that says what is wrong and what would be right.
"""

import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from stream.errors import ServerSilent, TopError
from stream.terminal.picks import Picks, pick
from stream.web.forms import ErrorDoc, FunnelInfoDoc, FunnelsDoc, HealthDoc, ViewDoc

TIMEOUT_S = 2.0
UNAUTHORIZED = 401
TOKEN_VARIABLE = "FUNNEL_WEB_TOKEN"  # noqa: S105 - the name of a variable

Document = TypeVar("Document", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a server says at `at_s` (monotonic seconds). views: of the picked funnels, in their order."""

    at_s: float
    funnels: list[FunnelInfoDoc]
    views: list[tuple[FunnelInfoDoc, ViewDoc]]
    health: HealthDoc


class Client:
    """The API at `url`. Every method raises `ServerSilent` if nobody answers, and `TopError` if the answer is no."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise TopError(f"{url} is no URL of a server (try http://127.0.0.1:9108)")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"  # a page's choice, behind ?, is its own
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def look(self, picks: Picks) -> Looked:
        """Return the numbers of the picked funnels, and how they are kept up."""
        at_s = time.monotonic()
        funnels = self._read("funnels", FunnelsDoc).funnels
        views = [(info, self._view(info, picks)) for info in pick(picks, funnels)]
        return Looked(at_s, funnels, views, self.health())

    def health(self) -> HealthDoc:
        """Return how the numbers are kept up."""
        return self._read("health", HealthDoc)

    def _view(self, info: FunnelInfoDoc, picks: Picks) -> ViewDoc:
        query = urlencode(picks.query(info))
        return self._read(f"funnels/{quote(info.funnel, safe='')}/{info.version}?{query}", ViewDoc)

    def _read(self, path: str, form: type[Document]) -> Document:
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", headers=self._headers)  # noqa: S310 - http(s)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                return msgspec.json.decode(answer.read(), type=form)
        except urllib.error.HTTPError as refusal:
            raise self._refused(refusal) from None
        except OSError as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise ServerSilent(f"{self.url} does not answer ({reason}): is a worker or `funnel serve` running there? "
                               "--url names another place") from None  # fmt: skip
        except msgspec.MsgspecError as error:
            raise TopError(f"{self.url} answers, but not as a tracker of this release does ({error}): "
                           "--url is that of a worker's /metrics port, or of `funnel serve`") from None  # fmt: skip

    def _refused(self, refusal: urllib.error.HTTPError) -> TopError:
        if refusal.code == UNAUTHORIZED:
            return TopError(f"{self.url} wants its token: set {TOKEN_VARIABLE} to the tracker's web.token")
        try:
            document = msgspec.json.decode(refusal.read(), type=ErrorDoc)
        except (msgspec.MsgspecError, OSError):
            return TopError(f"{self.url} answers {refusal.code} {refusal.reason}: "
                            "--url is that of a worker's /metrics port, or of `funnel serve`")  # fmt: skip
        allowed = f" (there are {', '.join(document.allowed)})" if document.allowed else ""
        return TopError(f"{self.url}: {document.error}{allowed}")
