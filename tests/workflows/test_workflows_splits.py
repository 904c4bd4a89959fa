"""Splits of a manifest and of a catalogue, and what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonometry.core import DataError, UsageError
from sonometry.io.manifest import ManifestRow, read_manifest, write_manifest
from sonometry.workflows.ingest import ingest
from sonometry.workflows.splits import splits

VIEWS = ("A4C", "A2C", "PLAX")


def _manifest(folder: Path, n: int = 30, **labels: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(n):
        for clip in range(2):
            rows.append(
                ManifestRow(
                    f"c{i}-{clip}", f"{i}-{clip}.jpg", "cine", f"s{i}", view=VIEWS[(i + clip) % 3], labels=labels
                )
            )
    write_manifest(rows, folder / "manifest.csv")
    return folder / "manifest.csv"


def _pictures(folder: Path) -> Path:
    """A picture for every row of a manifest."""
    import numpy as np
    import simplejpeg

    rng = np.random.default_rng(0)
    for row in read_manifest(folder / "manifest.csv"):
        frame = rng.integers(0, 255, (16, 16, 1), dtype=np.uint8)
        (folder / row.path).write_bytes(simplejpeg.encode_jpeg(frame, 95, "GRAY", "Gray"))
    return folder


def _of(manifest: Path) -> dict[str, str]:
    """read_manifest itself refuses a subject in two splits."""
    return {row.subject_key: row.split for row in read_manifest(manifest)}


def test_every_row_of_a_manifest_gets_the_split_of_its_subject(tmp_path):
    manifest = _manifest(tmp_path)
    result = splits(data=manifest, seed=1)
    assert _of(manifest) == result.splits
    assert set(result.splits.values()) == {"train", "validation", "test"}
    assert result.n_new == 30


def test_all_else_in_the_manifest_stays(tmp_path):
    manifest = _manifest(tmp_path, grade="2")
    before = read_manifest(manifest)
    splits(data=manifest)
    after = read_manifest(manifest)
    assert after.label_names == ("grade",)
    assert [(r.clip_key, r.path, r.view, dict(r.labels)) for r in after] == [
        (r.clip_key, r.path, r.view, dict(r.labels)) for r in before
    ]


def test_a_second_call_with_another_seed_changes_nothing(tmp_path):
    manifest = _manifest(tmp_path)
    splits(data=manifest, seed=1)
    before = manifest.read_bytes()
    assert splits(data=manifest, seed=2).n_new == 0
    assert manifest.read_bytes() == before


def test_redo_repairs_a_leak(tmp_path):
    manifest = _manifest(tmp_path)
    splits(data=manifest)
    lines = manifest.read_text().replace(",train,", ",test,", 1)
    manifest.write_text(lines)
    with pytest.raises(DataError, match="run sonometry splits again"):
        splits(data=manifest)
    splits(data=manifest, redo=True)
    assert set(_of(manifest).values()) == {"train", "validation", "test"}


def test_the_catalogue_and_its_manifest_get_the_same_splits(tmp_path):
    folder = _pictures(_manifest(tmp_path / "d").parent)
    ingest(folder, workspace=tmp_path / "w")
    result = splits(workspace=tmp_path / "w", seed=1)
    assert _of(folder / "manifest.csv") == result.splits
    assert result.manifests == (folder.resolve() / "manifest.csv",)


def test_new_recordings_do_not_move_old_ones(tmp_path):
    folder = _pictures(_manifest(tmp_path / "d", n=20).parent)
    ingest(folder, workspace=tmp_path / "w")
    first = splits(workspace=tmp_path / "w").splits
    _pictures(_manifest(tmp_path / "more", n=9).parent)
    for file in (tmp_path / "more").glob("*.jpg"):
        (folder / "sub" / file.stem).mkdir(parents=True)
        (folder / "sub" / file.stem / f"x{file.name}").write_bytes(file.read_bytes() + b"\0")
    ingest(folder, workspace=tmp_path / "w")
    second = splits(workspace=tmp_path / "w").splits
    assert {key: second[key] for key in first} == first


def test_a_label_of_the_manifest_can_be_the_class(tmp_path):
    folder = _pictures(_manifest(tmp_path / "d", grade="2").parent)
    ingest(folder, workspace=tmp_path / "w")
    tables = splits(workspace=tmp_path / "w", label="grade").distributions
    assert (tables[1].title, list(tables[1].counts)) == ("grade", ["2"])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"label": "colour"}, UsageError, "there is no column 'colour'"),
        ({"label": "plane"}, DataError, "plane is empty in all clips"),
        ({"train": 0.9}, UsageError, "add to 1"),
        ({"seed": -1}, UsageError, "--seed must be 0 or more"),
        ({"workspace": "w"}, UsageError, "not both"),
    ],
)
def test_wrong_calls_are_told(tmp_path, options, error, match):
    with pytest.raises(error, match=match):
        splits(data=_manifest(tmp_path), **options)


def test_a_manifest_without_a_column_is_refused(tmp_path):
    manifest = _manifest(tmp_path)
    manifest.write_text(manifest.read_text().replace("split", "part", 1))
    with pytest.raises(DataError, match="lacks the columns split"):
        splits(data=manifest)


def test_a_workspace_without_a_catalogue_is_told(tmp_path):
    with pytest.raises(DataError, match=r"holds no catalogue\.sqlite; run sonometry ingest"):
        splits(workspace=tmp_path)
    assert list(tmp_path.iterdir()) == []
