"""People and their logins. Passwords are kept as argon2id hashes, logins as digests of a secret only the browser has.

A workspace without people is used by one person, who comes in with the key that the terminal shows at each start.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, update

from sonometry.annotate.tables import PEOPLE, SESSIONS, make_tables
from sonometry.core.errors import MissingExtraError, UsageError
from sonometry.data.schema import explained, reading

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 256
#: A login ends after this time without use, and after this time in any case, s.
IDLE_S, LONGEST_S = 8 * 3600.0, 24 * 3600.0
#: Wrong passwords that are free, then the wait doubles from one second to a quarter of an hour.
_FREE_FAILURES, _LONGEST_WAIT_S, _MOST_REMEMBERED = 5, 900.0, 10_000


class LoginRefused(UsageError):
    """Wrong name or password, or the login has ended."""


class TooManyLogins(UsageError):
    """Wait before the next try."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = max(1, round(wait_s))
        super().__init__(f"too many wrong passwords; try again in {self.wait_s} s")


@dataclass(frozen=True)
class Person:
    """Who is logged in. csrf : what a page must send with every change."""

    name: str
    is_admin: bool
    csrf: str = ""


class People:
    """Accounts and logins in the database of the workspace. clock : seconds since 1970."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self.engine, self.clock = engine, clock
        self.limiter = LoginLimiter(clock)
        with explained(engine):
            make_tables(engine)

    def names(self) -> list[dict[str, Any]]:
        """All people, without their passwords."""
        with explained(self.engine), reading(self.engine).begin() as connection:
            rows = connection.execute(select(PEOPLE.c.name, PEOPLE.c.is_admin).order_by(PEOPLE.c.name))
            return [{"name": row.name, "is_admin": row.is_admin} for row in rows]

    def add(self, name: str, password: str, *, is_admin: bool) -> None:
        """Add a person; the first is an administrator in any case. UsageError says what is wrong."""
        _check(name, password)
        hashed = self.hasher.hash(password)
        with explained(self.engine), self.engine.begin() as connection:
            taken = {one.casefold() for one in connection.execute(select(PEOPLE.c.name)).scalars()}
            if name.casefold() in taken:
                raise UsageError("somebody of this name is there already")
            values = {"name": name, "password_hash": hashed, "is_admin": is_admin or not taken}
            connection.execute(insert(PEOPLE).values(values))

    def set_password(self, name: str, password: str) -> None:
        """Give a new password and end all logins of the person."""
        _check(name, password)
        hashed = self.hasher.hash(password)
        with explained(self.engine), self.engine.begin() as connection:
            changed = connection.execute(update(PEOPLE).where(PEOPLE.c.name == name).values(password_hash=hashed))
            if not changed.rowcount:
                raise UsageError("there is nobody of this name")
            connection.execute(delete(SESSIONS).where(SESSIONS.c.name == name))

    def remove(self, name: str) -> None:
        """Take away an account; marks of the person stay. The last administrator stays too."""
        with explained(self.engine), self.engine.begin() as connection:
            admins = set(connection.execute(select(PEOPLE.c.name).where(PEOPLE.c.is_admin)).scalars())
            if admins == {name}:
                raise UsageError("the last administrator cannot be removed")
            if not connection.execute(delete(PEOPLE).where(PEOPLE.c.name == name)).rowcount:
                raise UsageError("there is nobody of this name")
            connection.execute(delete(SESSIONS).where(SESSIONS.c.name == name))

    @functools.cached_property
    def hasher(self) -> Any:
        """argon2id with the library's recommended cost. Raises MissingExtraError."""
        return _hasher()

    @functools.cached_property
    def _no_hash(self) -> str:
        """Checked where the name is unknown, so that the answer takes as long."""
        return str(self.hasher.hash(secrets.token_hex(8)))

    def is_empty(self) -> bool:
        with explained(self.engine), reading(self.engine).begin() as connection:
            return not connection.scalar(select(func.count()).select_from(PEOPLE))

    def log_in(self, name: str, password: str, *, address: str) -> tuple[str, Person]:
        """The secret of a new login. Raises LoginRefused, TooManyLogins."""
        keys = (f"name {name[:64].casefold()}", f"address {address}")
        self.limiter.check(keys)
        with explained(self.engine), reading(self.engine).begin() as connection:
            row = connection.execute(select(PEOPLE).where(PEOPLE.c.name == name)).first()
        if (
            not _is_right(self.hasher, row.password_hash if row else self._no_hash, password[:LONGEST_PASSWORD])
            or not row
        ):
            self.limiter.failed(keys)
            raise LoginRefused("name or password is wrong")
        self.limiter.succeeded(keys)
        return self.open_session(row.name, is_admin=row.is_admin)

    def open_session(self, name: str, *, is_admin: bool) -> tuple[str, Person]:
        """A login without a password, for the one person with the key of the terminal."""
        secret, csrf, now = secrets.token_urlsafe(32), secrets.token_urlsafe(32), self.clock()
        with explained(self.engine), self.engine.begin() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.started_s < now - LONGEST_S))
            values = {"digest": _digest(secret), "name": name, "csrf": csrf, "started_s": now, "seen_s": now}
            connection.execute(insert(SESSIONS).values(values))
        return secret, Person(name, is_admin, csrf)

    def session(self, secret: str, *, alone: str = "") -> Person:
        """Who has this login. alone : name of the one person while there are no accounts. Raises LoginRefused."""
        now, digest = self.clock(), _digest(secret)
        with explained(self.engine), reading(self.engine).begin() as connection:
            row = connection.execute(select(SESSIONS).where(SESSIONS.c.digest == digest)).first()
            person = row and connection.execute(select(PEOPLE).where(PEOPLE.c.name == row.name)).first()
            is_alone = not connection.scalar(select(func.count()).select_from(PEOPLE))
        if row is None or now - row.started_s > LONGEST_S or now - row.seen_s > IDLE_S:
            raise LoginRefused("the login has ended; log in again")
        if person is None and not (is_alone and alone and row.name == alone):
            raise LoginRefused("the login has ended; log in again")
        if now - row.seen_s > 60:
            with explained(self.engine), self.engine.begin() as connection:
                connection.execute(update(SESSIONS).where(SESSIONS.c.digest == digest).values(seen_s=now))
        return Person(row.name, person.is_admin if person else True, row.csrf)

    def log_out(self, secret: str) -> None:
        with explained(self.engine), self.engine.begin() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == _digest(secret)))


class LoginLimiter:
    """Makes guessing slow: after some failures of a name or an address the next try has to wait, ever longer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._failures: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def check(self, keys: tuple[str, ...]) -> None:
        """Raises TooManyLogins."""
        with self._lock:
            wait_s = max((self._until(key) for key in keys), default=0.0) - self.clock()
        if wait_s > 0:
            raise TooManyLogins(wait_s)

    def failed(self, keys: tuple[str, ...]) -> None:
        with self._lock:
            while len(self._failures) > _MOST_REMEMBERED:
                self._failures.pop(next(iter(self._failures)))
            for key in keys:
                number, _ = self._failures.pop(key, (0, 0.0))
                self._failures[key] = (number + 1, self.clock())

    def succeeded(self, keys: tuple[str, ...]) -> None:
        with self._lock:
            for key in keys:
                self._failures.pop(key, None)

    def _until(self, key: str) -> float:
        number, last_s = self._failures.get(key, (0, 0.0))
        return last_s + min(2.0 ** (number - _FREE_FAILURES), _LONGEST_WAIT_S) if number >= _FREE_FAILURES else 0.0


def same_secret(given: str, expected: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def _hasher() -> Any:
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise MissingExtraError("argon2-cffi", "service", "sonometry annotate") from error
    return PasswordHasher()


def _is_right(hasher: Any, hashed: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return bool(hasher.verify(hashed, password))
    except (VerificationError, InvalidHashError):
        return False


def _check(name: str, password: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError("a name is at most 32 letters, digits, '.', '_' and '-'; initials do, no full names needed")
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise UsageError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
