"""The server of `sonometry annotate`: uvicorn on loopback, or on another address for several people with passwords."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sonometry.annotate.desk import Desk
from sonometry.annotate.guard import is_loopback
from sonometry.core.errors import MissingExtraError, OutputError, UsageError


@dataclass(frozen=True)
class Served:
    """What to tell the user: the address to open, and whether people log in with passwords."""

    url: str
    is_alone: bool


def serve(
    desk: Desk,
    *,
    host: str = "127.0.0.1",
    port: int = 8642,
    names: tuple[str, ...] = (),
    reader: str = "reader",
    told: Callable[[Served], None] = lambda served: None,
) -> None:
    """Serve until interrupted. names : further host names under which the server is called (of a proxy).

    port 0 takes a free one. Raises UsageError where others could reach a server without passwords, OutputError where
    the port is taken, MissingExtraError.
    """
    try:
        import argon2  # noqa: F401  (needed at the first login; told now)
        import uvicorn

        from sonometry.annotate.web import Access, create_app
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "service", "sonometry annotate") from error
    if not is_loopback(host) and desk.people.is_empty():
        raise UsageError(
            f"--host {host} can be reached by others, and nobody has a password yet; "
            "first run sonometry annotate people --name NAME"
        )
    listening = _listen(host, port)
    bound = int(listening.getsockname()[1])
    allowed = {"127.0.0.1", "localhost", "::1", *(name.lower() for name in names)}
    if host not in ("0.0.0.0", "::"):
        allowed.add(host.lower())
    access = Access(bound, frozenset(allowed), reader)
    is_alone = desk.people.is_empty()
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{bound}/" + (f"#key={access.key}" if is_alone else "")
    config = uvicorn.Config(
        create_app(desk, access),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=3,
    )
    told(Served(url, is_alone))
    _run(uvicorn.Server(config), listening)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or "it is no port"
        raise OutputError(f"--port {port} of {host} cannot be used: {reason}; choose another --port, or 0") from error
    return listening


def _run(server: Any, listening: socket.socket) -> None:
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # Ctrl-C is how a server ends
        return
    finally:
        listening.close()
