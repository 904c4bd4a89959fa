"""Work lists: what is to be read, by whom, how often and in which order; and how far it has come."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, func, insert, select, update

from sonometry.annotate.store import Mark, MarkStore, Scope
from sonometry.annotate.structures import CONTOURS, DONE, SCORE, UNUSABLE, VIEW
from sonometry.annotate.surveys import Survey
from sonometry.annotate.tables import LISTS
from sonometry.core.errors import UsageError
from sonometry.data.catalogue import FILTERS, Catalogue, Clip
from sonometry.data.schema import explained, reading

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,47}")
MOST_ROUNDS = 5
#: Label of a clip that was cut out of another one; it is not read again.
PART_OF = "part_of"


class Work(StrEnum):
    """What a list asks for."""

    VIEWS = "views"
    CONTOURS = "contours"
    SCORES = "scores"


@dataclass(frozen=True)
class WorkList:
    """One list.

    is_blind : each reader works alone, in an order of his own, and sees nothing of the others; else all work on one
    set of marks. rounds : readings of a blind list; each has a new order. survey : of a list of scores. structures :
    contours to draw. is_exam : targets are examinations and not clips. chosen : values of catalogue columns.
    """

    name: str
    work: Work
    is_blind: bool = False
    rounds: int = 1
    survey: str = ""
    structures: tuple[str, ...] = ()
    is_exam: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError("a list has a name of at most 48 letters, digits, spaces, _ and -")
        if not 1 <= self.rounds <= MOST_ROUNDS or (self.rounds > 1 and not self.is_blind):
            raise UsageError(f"a list has 1 to {MOST_ROUNDS} rounds, more than one only where readers are blind")
        if (self.work is Work.SCORES) != bool(self.survey):
            raise UsageError("a list of scores, and only that, needs a survey")
        if self.is_exam and self.work is not Work.SCORES:
            raise UsageError("only scores are given to a whole exam")
        unknown = set(self.structures) - {one.name for one in CONTOURS}
        if unknown or (self.work is Work.CONTOURS) != bool(self.structures):
            raise UsageError(f"a list of contours names some of: {', '.join(one.name for one in CONTOURS)}")
        if set(self.chosen) - set(FILTERS) or any(not isinstance(v, str) for v in self.chosen.values()):
            raise UsageError(f"clips are chosen by: {', '.join(FILTERS)}")

    def scope(self, reader: str, round_: int) -> Scope:
        """Whose marks a reader sees and writes. UsageError for a round that there is not."""
        if not 1 <= round_ <= self.rounds:
            raise UsageError(f"this list has rounds 1 to {self.rounds}")
        if self.is_blind:
            return Scope(self.name, reader, round_)
        return Scope("", "", 1) if self.work is not Work.SCORES else Scope(self.name, "", 1)

    def is_done(self, marks: Iterable[Mark], survey: Survey | None) -> bool:
        """Whether the standing marks of a target are all that the list asks for."""
        by_structure = defaultdict(list)
        for mark in marks:
            by_structure[mark.structure].append(mark)
        if UNUSABLE in by_structure:
            return True
        if self.work is Work.VIEWS:
            segments = by_structure[VIEW][-1].value["segments"] if by_structure[VIEW] else []  # type: ignore[index]
            return bool(segments) and all(segment["label"] for segment in segments)
        if self.work is Work.CONTOURS:
            return DONE in by_structure
        return survey is not None and {m.slot for m in by_structure[SCORE]} >= {f"score:{i.id}" for i in survey.items}

    @property
    def finishing(self) -> tuple[str, ...]:
        """Structures that decide whether a target is done."""
        return {Work.VIEWS: (VIEW, UNUSABLE), Work.CONTOURS: (DONE, UNUSABLE), Work.SCORES: (SCORE, UNUSABLE)}[
            self.work
        ]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "work": str(self.work)}


@dataclass(frozen=True)
class Target:
    """One thing to read, with its clips."""

    key: str
    clips: tuple[Clip, ...]


DEFAULT_LISTS = (
    WorkList("Views", Work.VIEWS),
    WorkList("Heart contours", Work.CONTOURS, structures=("lv_endocardium", "lv_epicardium", "left_atrium")),
    WorkList("Muscle and tendon contours", Work.CONTOURS, structures=("muscle_boundary", "tendon_region")),
    WorkList("Achilles healing", Work.SCORES, is_blind=True, rounds=2, survey="achilles", is_exam=True),
)


class WorkLists:
    """The lists of a workspace; the default ones are there from the first start."""

    def __init__(self, engine: Engine, surveys: Mapping[str, Survey]) -> None:
        self.engine, self.surveys = engine, surveys
        with explained(engine), engine.begin() as connection:
            if not connection.scalar(select(func.count()).select_from(LISTS)):
                rows = [_row(position, one) for position, one in enumerate(DEFAULT_LISTS)]
                connection.execute(insert(LISTS), rows)

    def all(self) -> list[WorkList]:
        with explained(self.engine), reading(self.engine).begin() as connection:
            rows = connection.execute(select(LISTS).order_by(LISTS.c.position, LISTS.c.name))
            return [_parsed(row.config) for row in rows]

    def get(self, name: str) -> WorkList:
        """UsageError where there is none."""
        with explained(self.engine), reading(self.engine).begin() as connection:
            config = connection.scalar(select(LISTS.c.config).where(LISTS.c.name == name))
        if config is None:
            raise UsageError("there is no such work list")
        return _parsed(config)

    def add(self, one: WorkList) -> None:
        """Add a list. UsageError for a name that is taken or a survey that is not there."""
        if one.survey and one.survey not in self.surveys:
            raise UsageError(f"there is no such survey; there are: {', '.join(self.surveys)}")
        with explained(self.engine), self.engine.begin() as connection:
            taken = {name.casefold() for name in connection.execute(select(LISTS.c.name)).scalars()}
            if one.name.casefold() in taken:
                raise UsageError("a list of this name is there already")
            connection.execute(insert(LISTS).values(_row(len(taken), one)))

    def add_rounds(self, name: str, rounds: int) -> None:
        """Have a blind list read more often."""
        changed = replace(self.get(name), rounds=rounds)
        with explained(self.engine), self.engine.begin() as connection:
            values = {"config": _config(changed)}
            connection.execute(update(LISTS).where(LISTS.c.name == name).values(values))


def targets_of(one: WorkList, catalogue: Catalogue, *, reader: str, round_: int) -> list[Target]:
    """What is to be read, in the order for this reader and round."""
    clips = [clip for clip in _clips(catalogue, one.chosen) if _is_read(clip)]
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[(clip.study_key or clip.subject_key) if one.is_exam else clip.clip_key].append(clip)
    targets = [Target(key, tuple(members)) for key, members in groups.items()]
    if not one.is_blind:
        return targets
    return _shuffled(targets, one.name, reader, round_)


def _shuffled(targets: list[Target], *reading: Any) -> list[Target]:
    """The order of a reading (list, reader, round): random, the same every time, and never that of the round before."""
    *whose, round_ = reading
    ordered = sorted(targets, key=lambda target: _place(*reading, target.key))
    if round_ > 1 and len(ordered) > 1 and ordered == _shuffled(targets, *whose, round_ - 1):
        return [*ordered[1:], ordered[0]]
    return ordered


def target_of(one: WorkList, catalogue: Catalogue, key: str) -> Target | None:
    """The target of this key, or None where the list has none."""
    if not one.is_exam:
        clip = catalogue.clip(key)
        found = [clip] if clip and all(getattr(clip, name) == value for name, value in one.chosen.items()) else []
    else:
        chosen = dict(one.chosen)
        found = [] if chosen.get("study_key", key) != key else _clips(catalogue, {**chosen, "study_key": key})
        if not found and chosen.get("subject_key", key) == key:
            found = [c for c in _clips(catalogue, {**chosen, "subject_key": key}) if not c.study_key]
    clips = tuple(clip for clip in found if _is_read(clip))
    return Target(key, clips) if clips else None


def _clips(catalogue: Catalogue, chosen: Mapping[str, str]) -> list[Clip]:
    filters: dict[str, Any] = dict(chosen)
    return catalogue.clips(**filters)


def _is_read(clip: Clip) -> bool:
    """Whether a clip can be shown and is no part that was cut out of another one."""
    return clip.kind == "cine" and f'"{PART_OF}"' not in clip.labels


def done_targets(one: WorkList, store: MarkStore, scope: Scope, survey: Survey | None) -> set[str]:
    """Keys of the targets that are done."""
    marks: dict[str, list[Mark]] = defaultdict(list)
    for mark in store.standing(scope, one.finishing):
        marks[mark.target].append(mark)
    return {key for key, own in marks.items() if one.is_done(own, survey)}


def _place(*parts: object) -> str:
    """A random place that is the same every time, and another in every round."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def _row(position: int, one: WorkList) -> dict[str, Any]:
    return {"name": one.name, "position": position, "config": _config(one)}


def _config(one: WorkList) -> str:
    return json.dumps(one.as_json())


def _parsed(config: str) -> WorkList:
    fields = json.loads(config)
    return WorkList(**{**fields, "work": Work(fields["work"]), "structures": tuple(fields["structures"])})
