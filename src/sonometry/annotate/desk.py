"""Everything one server works with: catalogue, marks, lists, people, pictures. There is no web in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sonometry.annotate.frames import FrameCache
from sonometry.annotate.labels import labels_of
from sonometry.annotate.marks import Extent, checked_value, parse_slot
from sonometry.annotate.people import People
from sonometry.annotate.store import Mark, MarkStore, Scope
from sonometry.annotate.structures import PHASE, UNUSABLE, VIEW
from sonometry.annotate.surveys import Survey, kept_surveys, shipped_surveys
from sonometry.annotate.work_lists import Target, Work, WorkList, WorkLists, done_targets, target_of, targets_of
from sonometry.core.errors import DataError, UsageError
from sonometry.data.catalogue import Catalogue, Clip
from sonometry.data.schema import CATALOGUE_FILE


class Desk:
    """A workspace opened for annotation; use as a context manager.

    Raises DataError where the workspace has no catalogue or no cine, UsageError.
    """

    def __init__(
        self, workspace: Path, *, database: str | None = None, surveys: Sequence[Path] = (), most_bytes: int = 20 << 30
    ) -> None:
        if not database and not (workspace / CATALOGUE_FILE).is_file():
            raise DataError(f"{workspace.name} has no catalogue; run sonometry ingest DIR --workspace {workspace.name}")
        self.workspace = workspace
        self.surveys: dict[str, Survey] = shipped_surveys() | kept_surveys(workspace, surveys)
        self.catalogue = Catalogue(workspace, database)
        self.store = MarkStore(self.catalogue.engine)
        self.lists = WorkLists(self.catalogue.engine, self.surveys)
        self._list_surveys()
        self.people = People(self.catalogue.engine)
        self.frames = FrameCache(workspace, self.catalogue, most_bytes=most_bytes)

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.catalogue.engine.dispose()

    def _list_surveys(self) -> None:
        """A list for every survey of the user's that no list uses yet."""
        used = {one.survey for one in self.lists.all()}
        for name in self.surveys:
            if name not in used:
                self.lists.add(WorkList(name, Work.SCORES, is_blind=True, survey=name, is_exam=True))

    def survey_of(self, one: WorkList) -> Survey | None:
        return self.surveys.get(one.survey)

    def progress(self, one: WorkList, reader: str, round_: int) -> tuple[list[Target], set[str]]:
        """Targets in order, and the keys of those that are done."""
        scope = one.scope(reader, round_)
        return (
            targets_of(one, self.catalogue, reader=reader, round_=round_),
            done_targets(one, self.store, scope, self.survey_of(one)),
        )

    def target(self, one: WorkList, key: str, *, reader: str, round_: int) -> tuple[Target, dict[str, Any]]:
        """A target and its marks, as a page needs them. UsageError where the list has no such target."""
        scope = one.scope(reader, round_)
        target = self._target(one, key)
        marks = {slot: mark.as_json() for slot, mark in self.store.current(scope, key).items()}
        return target, marks

    def put(
        self,
        one: WorkList,
        key: str,
        slot_text: str,
        value: Any,
        *,
        reader: str,
        round_: int,
        seen_version: int,
        action_id: str,
    ) -> Mark:
        """Check and write one action of `reader`. Raises UsageError, Conflict."""
        slot = parse_slot(slot_text)
        target = self._target(one, key)
        extent = None if one.is_exam else self.extent(target.clips[0])
        checked = checked_value(slot, value, extent=extent, survey=self.survey_of(one))
        mark = self.store.put(
            one.scope(reader, round_),
            key,
            slot,
            checked,
            author=reader,
            seen_version=seen_version,
            action_id=action_id,
        )
        self._tell_catalogue(mark)
        return mark

    def undo(self, one: WorkList, *, reader: str, round_: int, action_id: str) -> Mark:
        mark = self.store.undo([one.scope(reader, round_)], author=reader, action_id=action_id)
        self._tell_catalogue(mark)
        return mark

    def _tell_catalogue(self, mark: Mark) -> None:
        """Views and phases that are marked together are labels of the clip from then on, so that splits and training
        find them however the server ends."""
        if mark.scope == Scope() and mark.structure in (VIEW, PHASE, UNUSABLE):
            facts = labels_of(self.store.current(Scope(), mark.target).values())
            self.catalogue.describe({mark.target: facts})

    def extent(self, clip: Clip) -> Extent:
        """Size of a clip; of the catalogue where it tells it, else of the pictures."""
        if clip.n_frames and clip.n_rows and clip.n_columns:
            return Extent(clip.n_frames, clip.n_rows, clip.n_columns)
        pictures = self.frames.pictures(clip.clip_key)
        return Extent(pictures.n_frames, pictures.n_rows, pictures.n_columns)

    def _target(self, one: WorkList, key: str) -> Target:
        target = target_of(one, self.catalogue, key)
        if target is None:
            raise UsageError("this list has no such target")
        return target
