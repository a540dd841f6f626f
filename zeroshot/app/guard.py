"""Who may speak to the page's server: the browser that was opened with its address, and nobody else.

A page of another site can send requests to this machine, and its name can be made to point here (DNS rebinding): so
every request must bring the token, in the address at first and then in a cookie that other sites cannot send, must
call the server by its own name, and must not come from another page.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOT_YOURS = "This page opens with the address that 'zeroshot app' has printed.\n"
#: Nothing is fetched from elsewhere, nothing is sent there, nobody frames the page, and no text in it becomes a script.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets through what has the token, the right host and no foreign origin.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    token : str
        What the address carries.
    port : int
        Where the server listens.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        # Cookies do not tell ports apart.
        self._cookie = f"zeroshot-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        in_address = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        is_first = self._is_token(in_address)
        in_cookie = cookie_parser(headers.get("cookie", "")).get(self._cookie, "")
        if not self._is_from_here(headers) or not (is_first or self._is_token(in_cookie)):
            await PlainTextResponse(_NOT_YOURS, 403, _HEADERS)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added: dict[str, Any] = dict(_HEADERS)
                if is_first:
                    added["set-cookie"] = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in added.items()),
                ]
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _is_from_here(self, headers: dict[str, str]) -> bool:
        """Whether a request names this server, and comes from its page or from nobody's."""
        if headers.get("host", "").lower() not in self._hosts:
            return False
        origin = headers.get("origin")
        return origin is None or origin.lower().removeprefix("http://") in self._hosts
