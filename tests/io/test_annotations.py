"""Marks of readers: appended whole or not at all, and read back exactly."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from sonometry.core.annotation import Annotation
from sonometry.core.errors import DataError, OutputError
from sonometry.io.annotations import (
    append_annotations,
    from_line,
    latest,
    read_annotations,
    to_line,
    write_annotations,
)

NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)


def mark(**changes: object) -> Annotation:
    fields = {"clip_key": "clip-1", "structure": "tendon", "author": "r1", "round": 1, "time": NOON, "label": "healthy"}
    return Annotation(**(fields | changes))  # type: ignore[arg-type]


def contour(**changes: object) -> Annotation:
    points = np.array([[0.1, 1 / 3], [1e-12, 511.5], [2.0, -3.0]])
    return mark(contour_px=points, label=None, frame=7, **changes)


def assert_same(a: Annotation, b: Annotation) -> None:
    for field in dataclasses.fields(Annotation):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


@pytest.mark.parametrize(
    "annotation",
    [
        mark(),
        contour(),
        mark(label=None, score=4.5, round=3),
        mark(frame=0, time=datetime(2026, 2, 1, tzinfo=timezone(timedelta(hours=-5)))),
        mark(structure="Achillessehne\nµ", label='"'),
    ],
)
def test_annotation_comes_back_exactly(annotation: Annotation) -> None:
    line = to_line(annotation)
    assert "\n" not in line
    assert_same(from_line(line), annotation)


def test_appended_marks_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "marks.jsonl"
    append_annotations([mark(), contour()], path)
    append_annotations([], path)
    append_annotations([mark(round=2)], path)
    assert [(a.round, a.frame) for a in read_annotations(path)] == [(1, None), (1, 7), (2, None)]


def test_written_file_replaces_the_former_one(tmp_path: Path) -> None:
    write_annotations([mark(), mark()], tmp_path / "m.jsonl")
    write_annotations([mark(round=4)], tmp_path / "m.jsonl")
    assert [a.round for a in read_annotations(tmp_path / "m.jsonl")] == [4]


def test_no_marks_yet_is_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").touch()
    assert read_annotations(tmp_path / "m.jsonl") == ()


def test_latest_mark_of_a_reader_replaces_the_earlier(tmp_path: Path) -> None:
    marks = [mark(label="a"), mark(label="b", author="r2"), mark(label="c"), mark(label="d", round=2)]
    assert [a.label for a in latest(marks)] == ["c", "b", "d"]


def test_full_disk_leaves_the_former_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.jsonl"
    append_annotations([mark()], path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"^m\.jsonl cannot be written: No space left on device"):
        append_annotations([mark(round=2)], path)
    assert path.read_bytes() == before


def test_readers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"

    def read_clips(author: str) -> None:
        for i in range(20):
            append_annotations([contour(author=author, clip_key=f"c{i}")], path)

    readers = [threading.Thread(target=read_clips, args=(f"r{i}",)) for i in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    marks = read_annotations(path)
    assert len({(a.author, a.clip_key) for a in marks}) == len(marks) == 80


def test_torn_last_line_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text(to_line(mark())[:-5])
    with pytest.raises(DataError, match=r"m\.jsonl does not end with a whole line"):
        append_annotations([mark()], path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other/1"}, r"schema is not sonometry\.annotation/1"),
        ({"author": None}, "author must be a text"),
        ({"author": " "}, "author must be a text"),
        ({"clip_key": "Doe Jane"}, "clip_key must be a pseudonym"),
        ({"round": 0}, "round of 1 or more"),
        ({"round": 1.5}, "round must be a whole number"),
        ({"round": True}, "round must be a whole number"),
        ({"time": "noon"}, "time must be a date and time with a zone"),
        ({"time": "2026-01-31T12:00:00"}, "needs a time zone"),
        ({"frame": -1}, "frame must be a whole number"),
        ({"label": None}, "exactly one of contour, label and score"),
        ({"score": 3}, "exactly one of contour, label and score"),
        ({"label": None, "score": "high"}, "score must be a number"),
        ({"label": None, "contour_px": [[1, 2, 3]]}, "contour_px must be a list of"),
        ({"label": None, "contour_px": [[1, 2], [3]]}, "contour_px must be a list of"),
        ({"label": None, "contour_px": []}, "contour_px must be a list of"),
        ({"comment": "x"}, "unknown fields: comment"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    good = to_line(mark())
    (tmp_path / "m.jsonl").write_text(good + "\n\n" + json.dumps(json.loads(good) | change) + "\n")
    with pytest.raises(DataError, match=rf"^m\.jsonl line 3 is no annotation: .*{message}"):
        read_annotations(tmp_path / "m.jsonl")


@pytest.mark.parametrize("text", ["{", "[1, 2]", "null", "[" * 100000, "NaN"])
def test_line_that_is_no_annotation_is_told(text: str) -> None:
    with pytest.raises(DataError, match=r"it is no JSON|its schema is not"):
        from_line(text)


def test_missing_fields_are_named() -> None:
    with pytest.raises(DataError, match="it lacks clip_key, structure, author, round, time"):
        from_line('{"schema": "sonometry.annotation/1"}')


def test_mutated_files_end_in_marks_or_one_line(tmp_path: Path, rng: np.random.Generator) -> None:
    content = "".join(to_line(a) + "\n" for a in (mark(), contour())).encode()
    for _ in range(200):
        data = bytearray(content)
        for at in rng.integers(len(data), size=3):
            data[at] = rng.integers(256)
        (tmp_path / "m.jsonl").write_bytes(bytes(data[: rng.integers(len(data))]))
        try:
            assert len(read_annotations(tmp_path / "m.jsonl")) <= 3
        except DataError:
            continue
