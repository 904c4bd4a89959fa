"""Results are complete or absent, whatever ends the run."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonometry.core.errors import DataError, OutputError
from sonometry.io.atomic import PARTIAL_PREFIX, atomic_dir, atomic_file, write_atomic


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write_results(out: Path, files: dict[str, bytes]) -> None:
    with atomic_dir(out) as partial:
        for name, content in files.items():
            (partial / name).write_bytes(content)


def test_text_and_bytes_are_written_with_missing_parents(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b" / "text.json", "µ\n")
    write_atomic(tmp_path / "a" / "bytes.bin", b"\x00\xff")
    assert tree(tmp_path) == {"a/b/text.json": "µ\n".encode(), "a/bytes.bin": b"\x00\xff"}


def test_existing_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    write_atomic(tmp_path / "x", "new")
    assert tree(tmp_path) == {"x": b"new"}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, DataError, ZeroDivisionError])
def test_interrupted_file_leaves_the_former_one(tmp_path: Path, interruption: type[BaseException]) -> None:
    (tmp_path / "x.npz").write_text("old")

    def write_half() -> None:
        with atomic_file(tmp_path / "x.npz") as partial:
            partial.write_text("half")
            raise interruption

    with pytest.raises(interruption):
        write_half()
    assert tree(tmp_path) == {"x.npz": b"old"}


def test_temporary_name_keeps_the_ending_and_is_hidden(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "clip.truth.npz") as partial:
        assert partial.name.startswith(PARTIAL_PREFIX)
        assert partial.name.endswith(".truth.npz")
        assert partial.parent == tmp_path
        partial.touch()


def test_block_that_writes_nothing_is_a_mistake_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"nothing was written for x\.npz"), atomic_file(tmp_path / "new" / "x.npz"):
        pass
    assert not (tmp_path / "new").exists()


def test_file_below_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    with pytest.raises(OutputError, match="cannot be written: Not a directory; a part of the path is a file"):
        write_atomic(tmp_path / "plain" / "sub" / "report.json", "x")
    assert tree(tmp_path) == {"plain": b"x"}


def test_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError, match=r"report\.json cannot be written: Is a directory"):
        write_atomic(tmp_path / "report.json", "x")


def test_device_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="not a regular file"):
        write_atomic(tmp_path / "pipe", "x")
    assert (tmp_path / "pipe").is_fifo()


def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_too_long_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose a shorter name"):
        write_atomic(tmp_path / ("x" * 300), "x")


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"^report\.json cannot be written: No space left on device; free some space"):
        write_atomic(tmp_path / "new" / "report.json", "x")
    assert list(tmp_path.iterdir()) == []


def test_really_full_disk_leaves_nothing(tmp_path: Path) -> None:
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        (tmp_path / "kept").write_text("kept")
        with pytest.raises(OutputError, match="No space left on device"):
            write_results(tmp_path / "out", {"small": bytes(1000), "fields.npz": bytes(1 << 20)})
        assert tree(tmp_path) == {"kept": b"kept"}
        assert not (tmp_path / "out").exists()
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_file_beyond_the_allowed_size_leaves_nothing(tmp_path: Path) -> None:
    """The same with the limit that the system sets on the size of a file, in a process of its own."""
    program = (
        "import resource, sys; from sonometry.io.atomic import write_atomic;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}));"
        "write_atomic(sys.argv[1], bytes(5000))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "big.bin")], capture_output=True, text=True, check=False
    )
    assert "OutputError: big.bin cannot be written: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def not_root() -> Iterator[None]:
    """The test runs as a user who has no permission to write here."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.fixture
def forbidden_folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o500)
    return tmp_path


def test_folder_without_permission_is_refused(forbidden_folder: Path, not_root: None) -> None:
    with pytest.raises(OutputError, match=r"^out cannot be written: Permission denied; change the permission or"):
        write_results(forbidden_folder / "out", {"report.json": b"x"})
    with pytest.raises(OutputError, match=r"^report\.json cannot be written: Permission denied"):
        write_atomic(forbidden_folder / "report.json", "x")


def test_new_results_folder_appears_complete(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with atomic_dir(out) as partial:
        (partial / "figures").mkdir()
        (partial / "figures" / "a.png").write_bytes(b"png")
        (partial / "report.json").write_text("{}")
        assert not out.exists()
    assert tree(tmp_path) == {"deep/out/figures/a.png": b"png", "deep/out/report.json": b"{}"}
    assert oct(out.stat().st_mode & 0o777) == oct(tmp_path.joinpath("deep").stat().st_mode & 0o777)


def test_results_folder_that_another_process_made_meanwhile_is_filled(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with atomic_dir(out) as partial:
        (partial / "mine").write_text("mine")
        write_results(out, {"other": b"other"})
    assert tree(out) == {"mine": b"mine", "other": b"other"}


def test_folder_made_between_look_and_rename_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    rename = os.rename

    def late(source: Path, target: Path) -> None:
        out.mkdir()
        (out / "other").write_text("other")
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    write_results(out, {"mine": b"mine"})
    assert tree(tmp_path) == {"out/mine": b"mine", "out/other": b"other"}


def test_existing_results_folder_keeps_unrelated_files(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.png").write_text("mine")
    (tmp_path / "report.json").write_text("old")
    with atomic_dir(tmp_path) as partial:
        (partial / "figures").mkdir()
        (partial / "figures" / "a.png").write_text("a")
        (partial / "report.json").write_text("new")
    assert tree(tmp_path) == {"figures/a.png": b"a", "figures/mine.png": b"mine", "report.json": b"new"}


@pytest.mark.parametrize("existed", [False, True])
def test_interrupted_results_folder_leaves_nothing(tmp_path: Path, existed: bool) -> None:
    out = tmp_path / "new" / "out"
    if existed:
        out.mkdir(parents=True)
        (out / "report.json").write_text("old")
    before = tree(tmp_path)

    def write_half() -> None:
        with atomic_dir(out) as partial:
            (partial / "report.json").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert tree(tmp_path) == before
    assert (tmp_path / "new").exists() == existed


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_interruption_between_two_moves_puts_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: BaseException
) -> None:
    (tmp_path / "a.json").write_text("old a")
    (tmp_path / "c.json").write_text("old c")
    before = tree(tmp_path)
    replace = os.replace

    def interrupted(source: Path, target: Path) -> None:
        if target.name == "c.json" and target.parent == tmp_path and "former" not in str(source):
            raise ending
        replace(source, target)

    def write_many() -> None:
        with atomic_dir(tmp_path) as partial:
            (partial / "new").mkdir()
            (partial / "new" / "b.json").write_text("new b")
            for name in ("a.json", "b.json", "c.json", "z.json"):
                (partial / name).write_text("new")

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        write_many()
    assert tree(tmp_path) == before
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["a.json", "c.json"]


def test_results_folder_that_is_a_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match=r"^out cannot be written: Not a directory"), atomic_dir(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert tree(tmp_path) == {"out": b"mine"}


def test_folder_in_the_place_of_a_result_stops_before_any_move(tmp_path: Path) -> None:
    (tmp_path / "z.json").mkdir()
    with pytest.raises(OutputError, match="Is a directory"):
        write_results(tmp_path, {"a.json": b"a", "z.json": b"z"})
    assert [p.name for p in tmp_path.iterdir()] == ["z.json"]


def test_error_of_an_input_is_not_taken_for_one_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_dir(tmp_path / "out"):
        (tmp_path / "input.mhd").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_error_that_names_the_output_is_one_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"^out cannot be written"), atomic_dir(tmp_path / "out") as partial:
        (partial / "missing" / "x.npz").write_bytes(b"")
