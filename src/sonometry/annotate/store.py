"""Marks: every action is one row, written in one transaction before the browser hears that it is saved.

A mark has a place (scope, target, slot) and a version there. Whoever writes says which version he saw; if another one
has been written since, `Conflict` carries it and nothing is written. Sending an action twice, as a browser does that
lost the answer, writes it once. Nothing is ever rewritten: taking back is one more row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from sonometry.annotate.marks import Slot
from sonometry.annotate.tables import MARKS, make_tables
from sonometry.core.errors import UsageError
from sonometry.data.schema import explained, reading

_KEY_COLUMNS = ("list_name", "reader", "round", "target", "slot")


@dataclass(frozen=True)
class Scope:
    """Whose marks: a list read together has one set of them (no reader, round 1), else each reader and round has one.

    list_name "" holds what is known of a clip in every list that is worked on together.
    """

    list_name: str = ""
    reader: str = ""
    round: int = 1


@dataclass(frozen=True)
class Mark:
    """The mark at a place. value None: it was taken away."""

    mark_id: int
    scope: Scope
    target: str
    slot: str
    structure: str
    frame: int | None
    version: int
    author: str
    time: str
    value: dict[str, Any] | None
    undoes: int | None = None

    def as_json(self) -> dict[str, Any]:
        """What a page needs."""
        return {
            "target": self.target,
            "slot": self.slot,
            "version": self.version,
            "author": self.author,
            "time": self.time,
            "value": self.value,
        }


class Conflict(UsageError):
    """Somebody wrote at this place after the version that was seen; `current` is what stands there now."""

    def __init__(self, current: Mark) -> None:
        super().__init__("this was changed meanwhile; choose which of the two stays")
        self.current = current


class NothingToUndo(UsageError):
    """There is no action of this person left in the list."""


class MarkStore:
    """Marks in the database of `engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        with explained(engine):
            make_tables(engine)

    def put(
        self,
        scope: Scope,
        target: str,
        slot: Slot,
        value: dict[str, Any] | None,
        *,
        author: str,
        seen_version: int,
        action_id: str,
        undoes: int | None = None,
    ) -> Mark:
        """Write one action and return it; the same `action_id` again returns what it wrote. Raises Conflict."""
        with self._writing() as connection:
            if before := _by_action(connection, action_id):
                return _same_action(before, scope, target, slot, author)
            current = _current(connection, scope, target, slot.text)
            if seen_version != (current.version if current else 0):
                raise Conflict(current) if current else UsageError("a mark that is new has version 0")
            values = {
                "action_id": action_id,
                "list_name": scope.list_name,
                "reader": scope.reader,
                "round": scope.round,
                "target": target,
                "slot": slot.text,
                "structure": slot.structure,
                "frame": slot.frame,
                "version": seen_version + 1,
                "author": author,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "value": None if value is None else json.dumps(value, allow_nan=False),
                "undoes": undoes,
            }
            try:
                with connection.begin_nested():
                    connection.execute(insert(MARKS).values(values))
            except IntegrityError:  # a server without one writer at a time, and somebody was faster
                if before := _by_action(connection, action_id):
                    return before
                current = _current(connection, scope, target, slot.text)
                if current is None:
                    raise
                raise Conflict(current) from None
            return _mark(connection.execute(select(MARKS).where(MARKS.c.action_id == action_id)).one())

    def undo(self, scopes: Iterable[Scope], *, author: str, action_id: str) -> Mark:
        """Take back the last action of `author` in these scopes that still stands; again, the one before it.

        Raises NothingToUndo, and Conflict where another person has written at that place since.
        """
        with explained(self.engine), reading(self.engine).begin() as connection:
            last = _last_standing(connection, list(scopes), author)
            if last is None:
                raise NothingToUndo("there is nothing left to undo in this list")
            history = _history(connection, last.scope, last.target, last.slot)
        undone = {mark.undoes for mark in history}
        standing = [m for m in history if m.undoes is None and m.mark_id not in undone]
        if standing[-1].mark_id != last.mark_id:
            raise Conflict(standing[-1])
        value = standing[-2].value if len(standing) > 1 else None
        return self.put(
            last.scope,
            last.target,
            Slot(last.slot, last.structure, last.frame),
            value,
            author=author,
            seen_version=history[-1].version,
            action_id=action_id,
            undoes=last.mark_id,
        )

    def current(self, scope: Scope, target: str) -> dict[str, Mark]:
        """The newest mark of every slot of a target, those taken away too, since a writer must name their version."""
        with explained(self.engine), reading(self.engine).begin() as connection:
            rows = connection.execute(
                select(MARKS).where(*_in_scope(scope), MARKS.c.target == target).order_by(MARKS.c.version)
            )
            return {mark.slot: mark for mark in map(_mark, rows)}

    def standing(self, scope: Scope, structures: Iterable[str] | None = None) -> list[Mark]:
        """The newest mark at every place of a scope, without those that were taken away, in order of first writing."""
        conditions = [*_in_scope(scope)]
        if structures is not None:
            conditions.append(MARKS.c.structure.in_(list(structures)))
        return self._newest(conditions)

    def touched(self, scope: Scope) -> list[Mark]:
        """As `standing`, with those that were taken away."""
        return self._newest(list(_in_scope(scope)), with_removed=True)

    def of_list(self, list_name: str) -> list[Mark]:
        """The newest mark at every place of a list, of all readers and rounds."""
        return self._newest([MARKS.c.list_name == list_name])

    def _newest(self, conditions: list[Any], *, with_removed: bool = False) -> list[Mark]:
        with explained(self.engine), reading(self.engine).begin() as connection:
            rows = connection.execute(select(MARKS).where(*conditions).order_by(MARKS.c.mark_id))
            last = {(m.scope, m.target, m.slot): m for m in map(_mark, rows)}
        return [mark for mark in last.values() if with_removed or mark.value is not None]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with explained(self.engine), self.engine.begin() as connection:
            yield connection


def _in_scope(scope: Scope) -> tuple[Any, ...]:
    return (MARKS.c.list_name == scope.list_name, MARKS.c.reader == scope.reader, MARKS.c.round == scope.round)


def _current(connection: Connection, scope: Scope, target: str, slot: str) -> Mark | None:
    place = (*_in_scope(scope), MARKS.c.target == target, MARKS.c.slot == slot)
    row = connection.execute(select(MARKS).where(*place).order_by(MARKS.c.version.desc()).limit(1)).first()
    return _mark(row) if row else None


def _history(connection: Connection, scope: Scope, target: str, slot: str) -> list[Mark]:
    place = (*_in_scope(scope), MARKS.c.target == target, MARKS.c.slot == slot)
    return list(map(_mark, connection.execute(select(MARKS).where(*place).order_by(MARKS.c.version))))


def _by_action(connection: Connection, action_id: str) -> Mark | None:
    row = connection.execute(select(MARKS).where(MARKS.c.action_id == action_id)).first()
    return _mark(row) if row else None


def _same_action(before: Mark, scope: Scope, target: str, slot: Slot, author: str) -> Mark:
    if (before.scope, before.target, before.slot, before.author) != (scope, target, slot.text, author):
        raise UsageError("the number of this action is taken by another one")
    return before


def _last_standing(connection: Connection, scopes: list[Scope], author: str) -> Mark | None:
    rows = [
        row
        for scope in scopes
        for row in connection.execute(
            select(MARKS.c.mark_id, MARKS.c.undoes).where(*_in_scope(scope), MARKS.c.author == author)
        )
    ]
    undone = {row.undoes for row in rows}
    candidates = [row.mark_id for row in rows if row.undoes is None and row.mark_id not in undone]
    if not candidates:
        return None
    return _mark(connection.execute(select(MARKS).where(MARKS.c.mark_id == max(candidates))).one())


def _mark(row: Any) -> Mark:
    return Mark(
        row.mark_id,
        Scope(row.list_name, row.reader, row.round),
        row.target,
        row.slot,
        row.structure,
        row.frame,
        row.version,
        row.author,
        row.time,
        None if row.value is None else json.loads(row.value),
        row.undoes,
    )
