"""The catalogue: which recordings there are, whose they are under a pseudonym, and in which split.

A clip is a content: the same bytes in two files are one clip, known by their digest. Everything is written in
transactions that may be repeated, so that a run which was killed goes on with nothing lost or doubled.
"""

from __future__ import annotations

import contextlib
import gc
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Select, Table, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sonometry.core.errors import UsageError
from sonometry.data.clip_facts import ClipFacts, FileStamp
from sonometry.data.schema import CLIPS, FILES, ROOTS, STUDIES, SUBJECTS, explained, open_engine, reading
from sonometry.io.manifest import ManifestRow

#: Values in one statement; both databases allow more.
_MANY = 500
#: Columns by which clips can be chosen.
FILTERS = ("subject_key", "study_key", "kind", "vendor", "device", "plane", "view", "split", "deidentification")


class Clip(NamedTuple):
    """One clip as it is listed; `labels` and `problems` are JSON text (`label_map`, `problem_list` unpack them)."""

    clip_key: str
    root_id: int
    path: str
    kind: str
    subject_key: str
    study_key: str | None
    vendor: str
    device: str
    time_point: float | None
    plane: str
    view: str
    split: str
    truth_path: str
    n_frames: int | None
    n_rows: int | None
    n_columns: int | None
    deidentification: str
    sha256: str
    labels: str
    problems: str

    @property
    def label_map(self) -> dict[str, str]:
        unpacked: dict[str, str] = json.loads(self.labels)
        return unpacked

    @property
    def problem_list(self) -> list[str]:
        unpacked: list[str] = json.loads(self.problems)
        return unpacked

    def row(self) -> ManifestRow:
        """The clip as a row of a manifest."""
        return ManifestRow(
            self.clip_key,
            self.path,
            self.kind,
            self.subject_key,
            self.study_key or "",
            self.vendor,
            self.device,
            self.time_point,
            self.plane,
            self.view,
            self.split,
            self.truth_path,
            self.label_map,
        )


class Known(NamedTuple):
    """What the catalogue knows of a file."""

    stamp: FileStamp
    clip_key: str | None
    reason: str


class Catalogue:
    """Use as a context manager. See `schema.open_engine` for the arguments and errors."""

    def __init__(self, workspace: Path, database: str | None = None) -> None:
        self.engine: Engine = open_engine(workspace, database)

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.dispose()

    # Writing

    def add_root(self, folder: Path) -> int:
        """Number of a data root, the same every time."""
        name = str(folder.resolve())
        with explained(self.engine), self.engine.begin() as connection:
            self._insert(connection, ROOTS, [{"folder": name}])
            return int(connection.execute(select(ROOTS.c.root_id).where(ROOTS.c.folder == name)).scalar_one())

    def record(self, root_id: int, facts: Sequence[ClipFacts], rows: Mapping[str, ManifestRow] | None = None) -> None:
        """Enter files in one transaction. rows : of a manifest, by path; their keys count before those of the file."""
        named = rows or {}
        read = [one for one in facts if not one.reason]
        with explained(self.engine), self.engine.begin() as connection:
            owners = [_owner(one, named.get(one.stamp.path)) for one in read]
            days = [one.day for one in read]
            self._add_owners(connection, [(*owner, day) for owner, day in zip(owners, days, strict=True)])
            keys = self._free_keys(connection, read, named)
            clips = [
                _clip_values(one, keys[one.sha256], root_id, owner) for one, owner in zip(read, owners, strict=True)
            ]
            self._insert(connection, CLIPS, clips)
            kept = self._keys_by_digest(connection, [one.sha256 for one in read])
            self._upsert_files(connection, [_file_values(one, root_id, kept.get(one.sha256)) for one in facts])

    def apply_rows(self, root_id: int, rows: Iterable[ManifestRow]) -> int:
        """Take over what a manifest says of clips that are there; what is empty in it changes nothing.

        A subject that has a split keeps it. Returns the number of rows whose split was not taken over for that.
        """
        known = self.files(root_id)
        clips = {clip.clip_key: clip for clip in self.clips(is_missing=None)}
        seen: set[str] = set()
        changes: list[dict[str, Any]] = []
        owners: list[tuple[str, str | None, int | None]] = []
        wanted: dict[str, str] = {}
        points: list[dict[str, Any]] = []
        for row in rows:
            key = known[row.path].clip_key if row.path in known else None
            other = clips.get(row.clip_key)
            is_of_former_content = other is not None and other.root_id == root_id and row.clip_key != key
            if key is None or key in seen or is_of_former_content:
                continue
            seen.add(key)
            change = _row_values(clips[key], row)
            if any(getattr(clips[key], name) != value for name, value in change.items()):
                changes.append({**change, "b_key": key})
                owners.append((row.subject_key, change["study_key"], None))
            if row.time_point not in (None, clips[key].time_point):
                points.append({"b_key": key, "time_point": row.time_point})
            if row.split:
                wanted.setdefault(row.subject_key, row.split)
        with explained(self.engine), self.engine.begin() as connection:
            self._add_owners(connection, owners)
            _update_clips(connection, changes)
            _update_clips(connection, points)
            return self._set_splits(connection, wanted, replace=False)

    def settle(self, root_id: int, present: Iterable[str]) -> None:
        """After all files of a root were seen: forget those that have gone, and find moved ones at their new place."""
        there = set(present)
        with explained(self.engine), self.engine.begin() as connection:
            listed = connection.execute(select(FILES.c.path).where(FILES.c.root_id == root_id)).scalars()
            gone = [path for path in listed if path not in there]
            for chunk in _chunks(gone):
                connection.execute(delete(FILES).where(FILES.c.root_id == root_id, FILES.c.path.in_(chunk)))
            has_file = exists().where(FILES.c.clip_key == CLIPS.c.clip_key).correlate(CLIPS)
            connection.execute(update(CLIPS).where(CLIPS.c.is_missing, has_file).values(is_missing=False))
            connection.execute(update(CLIPS).where(~CLIPS.c.is_missing, ~has_file).values(is_missing=True))
            self._move(connection)
            self._date(connection)

    def assign(self, splits: Mapping[str, str], *, replace: bool = False) -> None:
        """Give subjects their split in one transaction; those that have one keep it unless `replace`."""
        with explained(self.engine), self.engine.begin() as connection:
            self._set_splits(connection, splits, replace=replace)

    def describe(self, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Set view, truth_path and labels of clips in one transaction. facts : by clip_key; what is no column is a
        label, and one that is empty is taken away."""
        clips = {key: clip for key in facts if (clip := self.clip(key)) is not None}
        changes = []
        for key, clip in clips.items():
            columns = {name: facts[key].get(name, getattr(clip, name)) for name in ("view", "truth_path")}
            labels = {**clip.label_map, **{name: text for name, text in facts[key].items() if name not in columns}}
            kept = json.dumps({name: text for name, text in labels.items() if text}, ensure_ascii=False)
            changes.append({"b_key": key, "labels": kept, **columns})
        with explained(self.engine), self.engine.begin() as connection:
            _update_clips(connection, changes)

    # Reading

    def clips(self, *, root_id: int | None = None, is_missing: bool | None = False, **chosen: str) -> list[Clip]:
        """Clips in the order of their paths. chosen : values of `FILTERS`. root_id : those with a file there, with
        their paths in that root. is_missing : those whose file has gone; None takes all."""
        unknown = sorted(set(chosen) - set(FILTERS))
        if unknown:
            raise UsageError(f"clips cannot be chosen by {', '.join(unknown)}; there are: {', '.join(FILTERS)}")
        statement = _listing(root_id)
        if is_missing is not None:
            statement = statement.where(CLIPS.c.is_missing == is_missing)
        for name, value in chosen.items():
            column = SUBJECTS.c.split if name == "split" else CLIPS.c[name]
            statement = statement.where(column == value)
        with explained(self.engine), reading(self.engine).begin() as connection, _collector_paused():
            return list(map(Clip._make, _fetched(connection, statement)))

    def clip(self, clip_key: str) -> Clip | None:
        """One clip by its key, or None."""
        with explained(self.engine), reading(self.engine).begin() as connection:
            rows = _fetched(connection, _listing(None).where(CLIPS.c.clip_key == clip_key))
        return Clip._make(rows[0]) if rows else None

    def files(self, root_id: int) -> dict[str, Known]:
        """All files of a root that were looked at, by path."""
        columns = (FILES.c.path, FILES.c.size_bytes, FILES.c.mtime_ns, FILES.c.clip_key, FILES.c.reason)
        with explained(self.engine), reading(self.engine).begin() as connection:
            rows = connection.execute(select(*columns).where(FILES.c.root_id == root_id))
            return {path: Known(FileStamp(path, size, time), key, why) for path, size, time, key, why in rows}

    def duplicates(self) -> dict[str, list[tuple[int, str]]]:
        """Root and path of all files of every clip that has several, its own place first."""
        several = select(FILES.c.clip_key).group_by(FILES.c.clip_key).having(func.count() > 1)
        statement = (
            select(FILES.c.clip_key, FILES.c.root_id, FILES.c.path, CLIPS.c.root_id, CLIPS.c.path)
            .join(CLIPS, CLIPS.c.clip_key == FILES.c.clip_key)
            .where(FILES.c.clip_key.in_(several))
            .order_by(FILES.c.root_id, FILES.c.path)
        )
        found: dict[str, list[tuple[int, str]]] = defaultdict(list)
        with explained(self.engine), reading(self.engine).begin() as connection:
            for key, root, path, own_root, own_path in connection.execute(statement):
                place = 0 if (root, path) == (own_root, own_path) else len(found[key])
                found[key].insert(place, (root, path))
        return dict(found)

    def roots(self) -> dict[int, Path]:
        """Data roots by their number."""
        with explained(self.engine), reading(self.engine).begin() as connection:
            return {number: Path(folder) for number, folder in connection.execute(select(ROOTS))}

    def subject_splits(self) -> dict[str, str]:
        """Split of every subject, "" where it has none."""
        with explained(self.engine), reading(self.engine).begin() as connection:
            return {key: split for key, split in connection.execute(select(SUBJECTS))}

    def groups(self, column: str) -> list[tuple[Any, ...]]:
        """Subject, value of a column or label, vendor, split and number of clips, for every combination there is."""
        is_label = column not in CLIPS.c
        value = CLIPS.c.labels if is_label else CLIPS.c[column]
        names = (CLIPS.c.subject_key, value, CLIPS.c.vendor, SUBJECTS.c.split)
        source = CLIPS.join(SUBJECTS, SUBJECTS.c.subject_key == CLIPS.c.subject_key)
        statement = select(*names, func.count()).select_from(source).where(~CLIPS.c.is_missing).group_by(*names)
        with explained(self.engine), reading(self.engine).begin() as connection, _collector_paused():
            rows = _fetched(connection, statement)
        if not is_label:
            return rows
        return [(subject, json.loads(v).get(column, ""), vendor, split, n) for subject, v, vendor, split, n in rows]

    def label_names(self) -> list[str]:
        """All labels that any clip has."""
        with explained(self.engine), reading(self.engine).begin() as connection:
            texts = connection.execute(select(CLIPS.c.labels).distinct()).scalars()
            return list(dict.fromkeys(name for text in texts for name in json.loads(text)))

    # Steps

    def _insert(self, connection: Connection, table: Table, values: Sequence[Mapping[str, Any]]) -> None:
        """Insert those that are new; any that clashes with a row is left out."""
        if values:
            connection.execute(self._dialect.insert(table).on_conflict_do_nothing(), list(values))

    @property
    def _dialect(self) -> Any:
        return postgresql if self.engine.dialect.name == "postgresql" else sqlite

    def _upsert_files(self, connection: Connection, values: list[dict[str, Any]]) -> None:
        if not values:
            return
        statement = self._dialect.insert(FILES)
        changed = {name: statement.excluded[name] for name in ("size_bytes", "mtime_ns", "clip_key", "reason")}
        connection.execute(statement.on_conflict_do_update(index_elements=["root_id", "path"], set_=changed), values)

    def _add_owners(self, connection: Connection, owners: Iterable[tuple[str, str | None, int | None]]) -> None:
        """Subjects and studies; a study whose date was unknown takes over the first that is told."""
        triples = list(owners)
        subjects = sorted({subject for subject, _, _ in triples})
        self._insert(connection, SUBJECTS, [{"subject_key": key, "split": ""} for key in subjects])
        studies = {study: (subject, day) for subject, study, day in triples if study}
        values = [{"study_key": k, "subject_key": s, "day": d} for k, (s, d) in sorted(studies.items())]
        self._insert(connection, STUDIES, values)
        dated = [{"b_key": key, "b_day": day} for key, (_, day) in sorted(studies.items()) if day is not None]
        if dated:
            unknown = (STUDIES.c.study_key == bindparam("b_key")) & STUDIES.c.day.is_(None)
            connection.execute(update(STUDIES).where(unknown).values(day=bindparam("b_day")), dated)

    def _free_keys(
        self, connection: Connection, facts: Sequence[ClipFacts], rows: Mapping[str, ManifestRow]
    ) -> dict[str, str]:
        """Key of every new digest: that of the manifest unless another recording has it, else from the digest."""
        choices: dict[str, list[str]] = {one.sha256: [_key_of(one.sha256), f"clip-{one.sha256[:48]}"] for one in facts}
        for one in reversed(facts):
            if one.stamp.path in rows:
                choices[one.sha256] = [rows[one.stamp.path].clip_key, *choices[one.sha256][-2:]]
        taken: dict[str, str] = {}
        for chunk in _chunks(sorted({key for keys in choices.values() for key in keys})):
            found = connection.execute(select(CLIPS.c.clip_key, CLIPS.c.sha256).where(CLIPS.c.clip_key.in_(chunk)))
            taken.update({key: digest for key, digest in found})
        return {digest: _first_free(digest, keys, taken) for digest, keys in choices.items()}

    def _keys_by_digest(self, connection: Connection, digests: Sequence[str]) -> dict[str, str]:
        keys: dict[str, str] = {}
        for chunk in _chunks(sorted(set(digests))):
            found = connection.execute(select(CLIPS.c.sha256, CLIPS.c.clip_key).where(CLIPS.c.sha256.in_(chunk)))
            keys.update({digest: key for digest, key in found})
        return keys

    def _move(self, connection: Connection) -> None:
        """Clips whose own file has gone take the first other file of the same content."""
        own = FILES.alias("own")
        is_there = (own.c.root_id == CLIPS.c.root_id) & (own.c.path == CLIPS.c.path)
        is_own = exists().where(is_there, own.c.clip_key == CLIPS.c.clip_key).correlate(CLIPS)
        others = (
            select(FILES.c.clip_key, FILES.c.root_id, FILES.c.path)
            .join(CLIPS, CLIPS.c.clip_key == FILES.c.clip_key)
            .where(~is_own)
            .order_by(FILES.c.root_id, FILES.c.path)
        )
        places: dict[str, tuple[int, str]] = {}
        for key, root, path in connection.execute(others):
            places.setdefault(key, (root, path))
        values = [{"b_key": key, "root_id": root, "path": path} for key, (root, path) in places.items()]
        _update_clips(connection, values)

    def _date(self, connection: Connection) -> None:
        """Days of every study since the first of its subject."""
        columns = (STUDIES.c.study_key, STUDIES.c.subject_key, STUDIES.c.day, STUDIES.c.time_point)
        rows = connection.execute(select(*columns).where(STUDIES.c.day.is_not(None))).all()
        first: dict[str, int] = {}
        for _, subject, day, _ in rows:
            first[subject] = min(day, first.get(subject, day))
        points = [(key, float(day - first[subject]), before) for key, subject, day, before in rows]
        values = [{"b_key": key, "b_point": point} for key, point, before in points if point != before]
        if values:
            statement = update(STUDIES).where(STUDIES.c.study_key == bindparam("b_key"))
            connection.execute(statement.values(time_point=bindparam("b_point")), values)

    def _set_splits(self, connection: Connection, splits: Mapping[str, str], *, replace: bool) -> int:
        before = {key: split for key, split in connection.execute(select(SUBJECTS))}
        values = [
            {"b_key": key, "b_split": split}
            for key, split in splits.items()
            if key in before and split != before[key] and (replace or not before[key])
        ]
        if values:
            statement = update(SUBJECTS).where(SUBJECTS.c.subject_key == bindparam("b_key"))
            connection.execute(statement.values(split=bindparam("b_split")), values)
        return sum(bool(before.get(key)) and before[key] != split for key, split in splits.items() if not replace)


def _update_clips(connection: Connection, changes: list[dict[str, Any]]) -> None:
    """Set the named columns of the clips `b_key`; all changes name the same ones."""
    if changes:
        names = [name for name in changes[0] if name != "b_key"]
        statement = update(CLIPS).where(CLIPS.c.clip_key == bindparam("b_key"))
        connection.execute(statement.values({name: bindparam(name) for name in names}), changes)


def _listing(root_id: int | None) -> Select[Any]:
    path: Any = CLIPS.c.path
    source: Any = CLIPS.join(SUBJECTS, SUBJECTS.c.subject_key == CLIPS.c.subject_key).outerjoin(
        STUDIES, STUDIES.c.study_key == CLIPS.c.study_key
    )
    if root_id is not None:
        places = (
            select(FILES.c.clip_key, func.min(FILES.c.path).label("path"))
            .where(FILES.c.root_id == root_id, FILES.c.clip_key.is_not(None))
            .group_by(FILES.c.clip_key)
            .subquery()
        )
        source, path = source.join(places, places.c.clip_key == CLIPS.c.clip_key), places.c.path
    special = {
        "path": path,
        "split": SUBJECTS.c.split,
        "time_point": func.coalesce(CLIPS.c.time_point, STUDIES.c.time_point),
    }
    columns: list[Any] = [special.get(name, CLIPS.c.get(name)) for name in Clip._fields]
    return select(*columns).select_from(source).order_by(CLIPS.c.root_id, path)


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for reference cycles while many rows are made, none of which can be in one: a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _fetched(connection: Connection, statement: Select[Any]) -> list[tuple[Any, ...]]:
    """Rows as the driver gives them: none of the columns needs a conversion, which would double the time."""
    cursor: Any = connection.execute(statement).cursor
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _owner(facts: ClipFacts, row: ManifestRow | None) -> tuple[str, str | None]:
    if row is None:
        return facts.subject_key, facts.study_key
    return row.subject_key, row.study_key or facts.study_key


def _clip_values(facts: ClipFacts, key: str, root_id: int, owner: tuple[str, str | None]) -> dict[str, Any]:
    return {
        "clip_key": key,
        "sha256": facts.sha256,
        "root_id": root_id,
        "path": facts.stamp.path,
        "kind": facts.kind,
        "subject_key": owner[0],
        "study_key": owner[1],
        "n_frames": facts.n_frames,
        "n_rows": facts.n_rows,
        "n_columns": facts.n_columns,
        "vendor": facts.device.manufacturer,
        "device": facts.device.model,
        "probe": facts.device.probe,
        "view": facts.view,
        "deidentification": facts.deidentification,
        "problems": json.dumps(facts.problems),
    }


def _file_values(facts: ClipFacts, root_id: int, key: str | None) -> dict[str, Any]:
    stamp = facts.stamp
    return {
        "root_id": root_id,
        "path": stamp.path,
        "size_bytes": stamp.size_bytes,
        "mtime_ns": stamp.mtime_ns,
        "clip_key": key,
        "reason": facts.reason,
    }


def _row_values(clip: Clip, row: ManifestRow) -> dict[str, Any]:
    """What a row changes of a clip."""
    labels = {**clip.label_map, **{name: text for name, text in row.labels.items() if text}}
    named = {name: getattr(row, name) or getattr(clip, name) for name in ("kind", "vendor", "device", "plane", "view")}
    return {
        **named,
        "subject_key": row.subject_key,
        "study_key": row.study_key or clip.study_key,
        "truth_path": row.truth_path or clip.truth_path,
        "labels": json.dumps(labels, ensure_ascii=False),
    }


def _key_of(sha256: str) -> str:
    return f"clip-{sha256[:16]}"


def _first_free(sha256: str, keys: Sequence[str], taken: dict[str, str]) -> str:
    """The first key that no other content has; it is taken then."""
    return next(key for key in keys if taken.setdefault(key, sha256) == sha256)


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[i : i + _MANY] for i in range(0, len(values), _MANY))
