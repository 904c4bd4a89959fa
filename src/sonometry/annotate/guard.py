"""What stands before every request: whose host name was called, where a change comes from, how large it is.

A page of another site may send requests to a server on loopback. They are refused three times over: cookies are
SameSite=Strict, `Origin` must be this server, and changes carry a token that only our page can read. A foreign `Host`
is refused, so that no name of an attacker can be made to point here (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

MOST_BODY_BYTES = 256 * 1024
SAFE_METHODS = frozenset({"GET", "HEAD"})
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Guard:
    """ASGI middleware. hosts : names under which the server may be called, without a port."""

    def __init__(self, app: Any, hosts: frozenset[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refused(scope["method"], headers)
        if refused:
            await _answer(send, *refused)
            return
        limited = _Limited(receive)
        try:
            await self.app(scope, limited, _with_headers(send, scope["path"]))
        except BodyTooLargeError:
            await _answer(send, 413, "the request is too large")

    def _refused(self, method: str, headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get(_b("host"), "")
        if host_name(host) not in self.hosts:
            return 421, "this server is not called by that name"
        if method in SAFE_METHODS:
            return None
        if method not in ("POST", "DELETE"):
            return 405, "this method is not known here"
        if urlsplit(headers.get(_b("origin"), "")).netloc.lower() != host.lower():
            return 403, "the request comes from another site"
        if headers.get(_b("sec-fetch-site"), "same-origin") != "same-origin":
            return 403, "the request comes from another site"
        length = headers.get(_b("content-length"), "0")
        if not length.isdigit() or int(length) > MOST_BODY_BYTES:
            return 413, "the request is too large"
        if method == "POST" and headers.get(_b("content-type"), "").split(";")[0] != "application/json":
            return 415, "a change is sent as JSON"
        return None


class BodyTooLargeError(Exception):
    """More came than was announced."""


class _Limited:
    """The body of a request, up to its limit."""

    def __init__(self, receive: Receive) -> None:
        self.receive, self.n_bytes = receive, 0

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self.receive()
        self.n_bytes += len(message.get("body", b""))
        if self.n_bytes > MOST_BODY_BYTES:
            raise BodyTooLargeError
        return message


def host_name(host: str) -> str:
    """The name in a Host header, without the port; "" where it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether only this computer can call `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _b(name: str) -> Any:
    return name.encode()


def _with_headers(send: Send, path: str) -> Send:
    is_api = path.startswith("/api/")

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = [*HEADERS]
            if not any(name.lower() == b"cache-control" for name, _ in message["headers"]):
                own.append((b"cache-control", b"no-store" if is_api else b"no-cache"))
            message["headers"] = [*message["headers"], *own]
        await send(message)

    return sending


async def _answer(send: Send, status: int, error: str) -> None:
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
