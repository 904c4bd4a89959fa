"""Arrays of MATLAB, HDF5 and NumPy files under the names their owners use."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path

import h5py
import numpy as np
import pymatreader
import pytest
import scipy.io
import scipy.io.matlab

from sonometry.core.errors import DataError
from sonometry.io.named_arrays import NamedArrays, named_arrays_format, open_named_arrays


def names(arrays: NamedArrays) -> list[str]:
    return [entry.name for entry in arrays.arrays]


@pytest.fixture
def structure() -> dict[str, object]:
    stages = np.zeros((1, 2), dtype=[("f", object), ("name", object)])
    stages[0, 0], stages[0, 1] = (5.0, "a"), (7.0, "b")
    cell = np.empty((1, 2), dtype=object)
    cell[0, 0], cell[0, 1] = np.arange(6.0).reshape(2, 3), "text"
    return {"stage": stages, "head": {"rate": 40.0, "inner": {"x": np.eye(2)}}, "cell": cell, "title": "recording"}


def test_structures_and_cells_have_the_names_matlab_shows(tmp_path: Path, structure: dict[str, object]) -> None:
    scipy.io.savemat(tmp_path / "a.mat", structure)
    arrays = open_named_arrays(tmp_path / "a.mat")
    assert names(arrays) == ["stage(1).f", "stage(2).f", "head.rate", "head.inner.x", "cell{1}"]
    assert arrays.texts == {"stage(1).name": "a", "stage(2).name": "b", "cell{2}": "text", "title": "recording"}
    assert arrays.number("stage(2).f") == 7
    assert arrays.number("rate") == 40


def matlab_value(file: h5py.File, parent: h5py.Group, name: str, value: object) -> None:
    """Store as MATLAB v7.3 does: groups, reversed axes, UTF-16 texts, references for cells and structure arrays."""
    if isinstance(value, dict):
        group = parent.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for key, inner in value.items():
            matlab_value(file, group, key, inner)
    elif isinstance(value, str):
        parent[name] = np.array([[ord(c)] for c in value], np.uint16)
        parent[name].attrs["MATLAB_class"] = np.bytes_("char")
    elif isinstance(value, list):
        refs = file.require_group("#refs#")
        stored = np.empty((len(value), 1), dtype=h5py.ref_dtype)
        for i, inner in enumerate(value):
            key = f"{name}{i}"
            matlab_value(file, refs, key, inner)
            stored[i, 0] = refs[key].ref
        parent[name] = stored
        parent[name].attrs["MATLAB_class"] = np.bytes_("cell")
    else:
        parent[name] = np.atleast_2d(value).T
        parent[name].attrs["MATLAB_class"] = np.bytes_("double")


def test_version_73_has_the_same_names_and_axis_order(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        content = {"head": {"rate": 40.0, "inner": {"x": np.arange(6.0).reshape(2, 3)}}, "cell": [np.eye(2), "text"]}
        for name, value in content.items():
            matlab_value(file, file, name, value)
        stage = file.create_group("stage")
        matlab_value(file, stage, "f", [5.0, 7.0])
        del stage["f"].attrs["MATLAB_class"]
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    arrays = open_named_arrays(path)
    assert sorted(names(arrays)) == ["cell{1}", "head.inner.x", "head.rate", "stage(1).f", "stage(2).f"]
    assert arrays.texts == {"cell{2}": "text"}
    entry = arrays.get("head.inner.x")
    assert entry is not None
    assert entry.shape == (2, 3)
    np.testing.assert_array_equal(entry.load(), np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(entry.load(), pymatreader.read_mat(path)["head"]["inner"]["x"])


def test_attributes_of_hdf5_are_named_after_their_owner(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/rf"] = np.zeros((3, 4))
        file["scan/rf"].attrs["fs"] = 40e6
        file["scan"].attrs["probe"] = "L7-4"
        file.attrs["c"] = 1540
    arrays = open_named_arrays(tmp_path / "a.h5")
    assert sorted(names(arrays)) == ["c", "scan/rf", "scan/rf@fs"]
    assert arrays.texts == {"scan@probe": "L7-4"}
    assert arrays.number("fs") == 40e6


def test_links_out_of_the_file_and_loops_are_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.zeros((3, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mine"] = np.zeros((2, 2))
        file["out"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["group/self"] = h5py.SoftLink("/group")
        file.create_dataset("stored", shape=(2, 2), dtype="f8", external=[(str(tmp_path / "secret.h5"), 0, 32)])
    assert set(names(open_named_arrays(tmp_path / "a.h5"))) == {"mine"}


@pytest.mark.parametrize("version", ["4", "5"])
def test_large_arrays_are_not_read_when_a_file_is_opened(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"big": np.ones((300, 300)), "fs": 40.0}, format=version)
    read = []
    loadmat = scipy.io.loadmat

    def counting(*args: object, **options: object) -> object:
        read.append(options["variable_names"])
        return loadmat(*args, **options)

    monkeypatch.setattr(scipy.io, "loadmat", counting)
    arrays = open_named_arrays(tmp_path / "a.mat")
    assert arrays.number("fs") == 40
    assert read == [["fs"]]
    entry = arrays.get("big")
    assert entry is not None
    assert entry.load().shape == (300, 300)


def test_npy_is_mapped_and_truncated_ones_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((300, 300)))
    assert isinstance(open_named_arrays(tmp_path / "a.npy").arrays[0].load(), np.memmap)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-100])
    with pytest.raises(DataError, match=r"a\.npy is truncated: its header promises 720000 bytes, 719900 are there"):
        open_named_arrays(tmp_path / "a.npy")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"a\.npy holds object values"):
        open_named_arrays(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", evil=np.array([{"a": 1}], dtype=object), good=np.ones((2, 3)))
    assert names(open_named_arrays(tmp_path / "a.npz")) == ["good"]


def test_set_that_is_promised_but_not_stored_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("rf", shape=(1 << 20, 1 << 20), chunks=(64, 64), dtype="f8")
    (entry,) = open_named_arrays(tmp_path / "a.h5").arrays
    with pytest.raises(DataError, match=r"a\.h5 promises 8796093022208 bytes in /rf that it does not hold"):
        entry.load()


def test_ambiguous_short_name_is_not_guessed(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"a": {"x": 1.0}, "b": {"x": 2.0}})
    arrays = open_named_arrays(tmp_path / "a.mat")
    assert arrays.get("x") is None
    assert arrays.number("b.x") == 2


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.mat", b"MATLAB 5.0 MAT-file" + bytes(200), "MATLAB v5"),
        ("a.txt", b"just text, longer than a header of twenty bytes", None),
        ("a.zip", b"PK\x03\x04" + bytes(100), None),
        ("a.bin", bytes(500), None),
    ],
)
def test_format_is_told_by_content(tmp_path: Path, name: str, content: bytes, expected: str | None) -> None:
    (tmp_path / name).write_bytes(content)
    assert named_arrays_format(tmp_path / name) == expected


def test_damaged_file_is_one_line_without_folders(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\x0f\0\0\0\xff\xff\0\0junk")
    with pytest.raises(DataError, match=r"^a\.mat is damaged or truncated: expected a MATLAB file; export it again$"):
        open_named_arrays(tmp_path / "a.mat")


@pytest.mark.parametrize("code", [0, 8, 10, 14, 15, 19, 39, 0xFFFF])
def test_type_code_that_would_end_the_process_is_refused(tmp_path: Path, code: int) -> None:
    """scipy reads these codes on trust and crashes."""
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"fs": np.arange(4.0)})
    content = bytearray(path.read_bytes())
    at = content.rindex((9).to_bytes(4, "little"))  # the tag of the numbers, miDOUBLE
    content[at : at + 4] = code.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mat is damaged or truncated"):
        open_named_arrays(path)


def test_cells_that_do_not_fit_into_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    cell = np.empty((1, 3), dtype=object)
    cell[0, :] = [1.0, 2.0, 3.0]
    scipy.io.savemat(path, {"c": cell})
    content = path.read_bytes()
    sizes = (1).to_bytes(4, "little") + (3).to_bytes(4, "little")
    path.write_bytes(content.replace(sizes, (1 << 30).to_bytes(4, "little") * 2))
    with pytest.raises(DataError, match=r"a\.mat is damaged or truncated"):
        open_named_arrays(path)


def scipy_recordings() -> list[Path]:
    return sorted((Path(scipy.io.matlab.__file__).parent / "tests" / "data").glob("*.mat"))


@pytest.mark.skipif(not scipy_recordings(), reason="this scipy comes without its test data")
def test_all_sound_matlab_files_of_scipy_are_read() -> None:
    for path in scipy_recordings():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                scipy.io.loadmat(path)
            except (ValueError, TypeError, NotImplementedError, zlib.error, scipy.io.matlab.MatReadError):
                continue
        assert open_named_arrays(path).format.startswith("MATLAB"), path.name
