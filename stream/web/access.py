"""Who may see the numbers.

In:  the settings `web`, the address that is listened on, a request.
Out: the request's answer; or why there is none.

Where a token or a proxy's header is configured, one of them is needed. Where neither is, only the loopback address
serves, and only under a name of its own, so that a page from elsewhere cannot reach it by a DNS name of theirs
(rebinding). The page's own files hold no number and are served to all.
"""

import hmac
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from stream.errors import FunnelError, RequestRefused
from stream.settings.tracker import WebSettings, is_loopback
from stream.web.forms import ErrorDoc

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Access:
    """Judges requests to one address; `settings` says what lets them in."""

    def __init__(self, settings: WebSettings, host: str) -> None:
        self._settings, self._host = settings, host

    def guarded(self, handler: Handler) -> Handler:
        """Return the handler behind the rules; what it refuses, or the store cannot say now, is answered as JSON."""

        async def guard(request: web.Request) -> web.StreamResponse:
            try:
                self.admit(request)
                return await handler(request)
            except RequestRefused as refused:
                return refusal(refused)
            except FunnelError as error:
                return refusal(RequestRefused(503, str(error)))

        return guard

    def admit(self, request: web.Request) -> None:
        """Raise `RequestRefused` unless the request may see numbers."""
        token, header = self._settings.token, self._settings.trusted_header
        if not token and not header:
            self._admit_local(request)
            return
        if header and request.headers.get(header):
            return
        if token and hmac.compare_digest(_bearer(request).encode(errors="surrogateescape"), token.encode()):
            return
        how = " or ".join([*(["the token as `Authorization: Bearer ...`"] if token else []),
                           *([f"the header {header}, which the proxy in front sets"] if header else [])])  # fmt: skip
        raise RequestRefused(401, f"these numbers are not for everybody: the request needs {how}")

    def _admit_local(self, request: web.Request) -> None:
        if not is_loopback(self._host):
            raise RequestRefused(
                403,
                f"the page is off, because {self._host} is no loopback address and neither web.token nor "
                "web.trusted_header is configured (docs/api.md)",
            )
        try:
            name = request.url.host or ""
        except ValueError:  # a port that is none, say
            name = request.host
        if not is_loopback(name):
            raise RequestRefused(403, f'this address is not known under the name "{name}" (use 127.0.0.1 or localhost)')


def refusal(refused: RequestRefused) -> web.Response:
    """Return the answer to a refused request."""
    headers = {**HEADERS, "Cache-Control": "no-store"}
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode(ErrorDoc(error=refused.text, allowed=list(refused.allowed)))
    return web.Response(body=body, status=refused.status, content_type="application/json", headers=headers)


def _bearer(request: web.Request) -> str:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""
