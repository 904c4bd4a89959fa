"""The list of clips: exact round trip, and one line for whatever is wrong with it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonometry.core.errors import DataError, OutputError
from sonometry.io.manifest import COLUMNS, Manifest, ManifestRow, read_manifest, write_manifest

KEYS = st.text("abcXYZ019._-", min_size=1, max_size=20).filter(lambda key: key[0] not in "._-")
TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=20)


def row(key: str = "clip-1", **changes: object) -> ManifestRow:
    fields = {"path": f"{key}.mhd", "kind": "rf", "subject_key": f"s-{key}", "study_key": "st1"} | changes
    return ManifestRow(key, **fields)  # type: ignore[arg-type]


def lines(*cells: dict[str, object], header: tuple[str, ...] = (*COLUMNS, "stiffness")) -> str:
    """CSV text with sound defaults for what is not given."""
    sound = {"path": "a.mhd", "kind": "rf", "subject_key": "s1", "study_key": "st1"}
    full = [sound | {"clip_key": f"c{i}"} | each for i, each in enumerate(cells)]
    body = [",".join(str(each.get(name, "")) for name in header) for each in full]
    return "\n".join([",".join(header), *body]) + "\n"


def test_all_columns_and_labels_come_back(tmp_path: Path) -> None:
    rows = (
        row("a", vendor="Siemens", device="Antares", time_point=13.5, plane="sagittal", view="A4C", split="train",
            truth_path="truth/a.truth.npz", labels={"stiffness": "25", "note": 'a, "quoted"\nline'}),
        row("b", labels={"stiffness": "", "note": "µ"}),
    )  # fmt: skip
    write_manifest(Manifest(rows), tmp_path / "sub" / "manifest.csv")
    read = read_manifest(tmp_path / "sub" / "manifest.csv")
    assert read.rows == rows
    assert read.label_names == ("stiffness", "note")
    assert read.file_of(read.rows[0]) == tmp_path / "sub" / "a.mhd"
    assert read.truth_of(read.rows[0]) == tmp_path / "sub" / "truth" / "a.truth.npz"
    assert read.truth_of(read.rows[1]) is None


@given(
    keys=st.lists(KEYS, min_size=1, max_size=5, unique=True),
    labels=st.dictionaries(KEYS.filter(lambda name: name not in COLUMNS), TEXTS, max_size=4),
    days=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    vendor=TEXTS,
)
@settings(max_examples=60, deadline=None)
def test_any_text_and_number_round_trips_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    keys: list[str],
    labels: dict[str, str],
    days: float | None,
    vendor: str,
) -> None:
    path = tmp_path_factory.mktemp("manifest") / "manifest.csv"
    rows = tuple(row(key, labels=labels, time_point=days, vendor=vendor) for key in keys)
    write_manifest(Manifest(rows), path)
    assert read_manifest(path).rows == rows


def test_mappings_are_written_and_read_by_name(tmp_path: Path) -> None:
    made = {"clip_key": "a", "path": "a.mhd", "kind": "rf", "subject_key": "a", "seed": np.int64(7), "strain": 0.1}
    write_manifest([made], tmp_path / "m.csv")
    (read,) = read_manifest(tmp_path / "m.csv")
    assert (read["seed"], read["strain"], read["path"], read["time_point"]) == ("7", "0.1", "a.mhd", "")
    with pytest.raises(KeyError, match="no column 'stiffness'; there are: clip_key, path"):
        read["stiffness"]


def test_columns_stand_in_the_order_of_the_design(tmp_path: Path) -> None:
    write_manifest([row(labels={"b": "1", "a": "2"})], tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as stream:
        assert next(csv.reader(stream)) == [*COLUMNS, "b", "a"]


def test_labels_that_only_some_rows_have_are_empty_elsewhere(tmp_path: Path) -> None:
    write_manifest([row("a", labels={"x": "1"}), row("b", labels={"y": "2"})], tmp_path / "m.csv")
    read = read_manifest(tmp_path / "m.csv")
    assert [dict(each.labels) for each in read] == [{"x": "1", "y": ""}, {"x": "", "y": "2"}]


def test_spreadsheet_with_byte_order_mark_and_crlf_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xef\xbb\xbf" + lines({}, {}).replace("\n", "\r\n").encode())
    assert len(read_manifest(tmp_path / "m.csv")) == 2


def test_rows_of_a_split(tmp_path: Path) -> None:
    manifest = Manifest((row("a", split="train"), row("b", split="test"), row("c", split="train")))
    assert [each.clip_key for each in manifest.of_split("train")] == ["a", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"m\.csv is empty"),
        (lines(), r"m\.csv has no rows below its header"),
        (
            lines({}, header=tuple(c for c in COLUMNS if c not in ("split", "view"))),
            r"m\.csv lacks the columns view, spl",
        ),
        (lines({}, header=(*COLUMNS, "x", "x")), r"m\.csv has columns without a name or with the same one: x"),
        (lines({}, {"clip_key": "c0"}), r"m\.csv: row 3 repeats the clip_key c0"),
        (lines({}, {"split": "val"}), r"m\.csv row 3: split 'val' is unknown; expected train, validation, test or not"),
        (lines({"kind": "dicom"}), r"m\.csv row 2: kind 'dicom' is unknown; expected one of cine, rf, signals, study"),
        (lines({"truth_path": "/t.npz"}), r"m\.csv row 2: truth_path must be relative to the manifest and stay in its"),
        (lines({"truth_path": "../t.npz"}), r"m\.csv row 2: truth_path must be relative"),
        (lines({"truth_path": "C:/t.npz"}), r"m\.csv row 2: truth_path must be relative"),
        (lines({"path": "a/../../b.dcm"}), r"m\.csv row 2: path must be relative"),
        (lines({"path": r"a\b.dcm"}), r"m\.csv row 2: path must be relative"),
        (lines({"path": ""}), r"m\.csv row 2: path must be relative"),
        (lines({"time_point": "soon"}), r"m\.csv row 2: time_point must be a number of days, got 'soon'"),
        (lines({"time_point": "nan"}), r"m\.csv row 2: time_point must be a number of days"),
        (lines({"subject_key": "Doe^Jane"}), r"m\.csv row 2: subject_key must be a pseudonym"),
        (lines({"clip_key": ""}), r"m\.csv row 2: clip_key must be a pseudonym"),
        (lines({}) + "a,b\n", r"m\.csv row 3 has 2 fields; its header has 13"),
        (lines({"vendor": '"open'}), r"m\.csv is no CSV text \(row 2\)"),
        (
            lines({"split": "train"}, {"split": "test"}),
            r"m\.csv: row 3 puts subject s1 into test, another row into train; run sonometry splits again",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_row(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(tmp_path / "m.csv")
    assert "\n" not in str(caught.value)


def test_name_of_a_patient_in_a_key_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(lines({"subject_key": "Doe^Jane"}))
    with pytest.raises(DataError, match="pseudonym") as caught:
        read_manifest(tmp_path / "m.csv")
    assert "Jane" not in str(caught.value)


def test_binary_file_is_told(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "m.csv").write_bytes(rng.bytes(5000))
    with pytest.raises(DataError, match=r"m\.csv (is no CSV text|lacks the columns)"):
        read_manifest(tmp_path / "m.csv")


def test_repeated_key_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 3 repeats the clip_key a"):
        write_manifest([row("a"), row("a")], tmp_path / "m.csv")
    assert not (tmp_path / "m.csv").exists()


def test_unwritable_place_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"m\.csv cannot be written|file cannot be written"):
        write_manifest([row()], tmp_path / "file" / "m.csv")


def test_mutated_manifests_end_in_rows_or_one_line(tmp_path: Path, rng: np.random.Generator) -> None:
    content = lines({"split": "train"}, {"truth_path": "a.npz", "subject_key": "s2"}).encode()
    for _ in range(200):
        data = bytearray(content)
        for at in rng.integers(len(data), size=3):
            data[at] = rng.integers(256)
        (tmp_path / "m.csv").write_bytes(bytes(data[: rng.integers(1, len(data))]))
        try:
            assert len(read_manifest(tmp_path / "m.csv")) > 0
        except DataError:
            continue
