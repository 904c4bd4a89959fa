"""Output that is either complete or absent: written beside its place, then renamed into it.

Whatever ends a run (full disk, missing permission, Ctrl-C, an error of the program), what was there before is there
afterwards, and nothing half-written lies beside it. The system's error becomes one line of `OutputError`.
"""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sonometry.core.errors import OutputError

#: Hidden names of what is being written.
PARTIAL_PREFIX = ".partial-"

_ADVICE = {
    errno.ENOSPC: "free some space or choose another place",
    errno.EDQUOT: "free some space or choose another place",
    errno.EFBIG: "choose a place that allows larger files",
    errno.EACCES: "change the permission or choose another place",
    errno.EPERM: "change the permission or choose another place",
    errno.EROFS: "choose a place that can be written to",
    errno.EISDIR: "choose a name that is not a folder",
    errno.ENOTDIR: "a part of the path is a file; choose another place",
    errno.EEXIST: "something else has that name; choose another one",
    errno.ENOENT: "create the folder or choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
}
#: Errors that can only come from writing, whoever raised them.
_WRITING_ONLY = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})


def output_error(path: Path, error: OSError) -> OutputError:
    """The one-line error for `path` that could not be written because of `error`."""
    what = os.strerror(error.errno) if error.errno else (str(error).splitlines() or ["unknown reason"])[0]
    advice = _ADVICE.get(error.errno or 0, "check the place and try again")
    return OutputError(f"{path.name or path} cannot be written: {what}; {advice}")


def write_atomic(path: Path | str, data: bytes | str) -> None:
    """Write bytes, or text as UTF-8, to `path` in one step; missing parent folders are made.

    Raises OutputError, and then the former file is untouched.
    """
    content = data.encode() if isinstance(data, str) else data
    with atomic_file(path) as partial, partial.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def atomic_file(path: Path | str) -> Iterator[Path]:
    """Give a free path in the same folder, with the same endings; what was written there is then moved to `path`.

    Nothing happens to `path` if the block raises. An OSError of the block becomes OutputError. RuntimeError if the
    block wrote no file: a mistake of the program, not of the user.
    """
    target = _final_target(Path(path))
    made = _make_folders(target.parent)
    partial = target.parent / (PARTIAL_PREFIX + secrets.token_hex(6) + "".join(target.suffixes[-2:])[-32:])
    try:
        yield partial
        if not partial.exists():
            raise RuntimeError(f"nothing was written for {target.name}")
        os.replace(partial, target)
    except BaseException as error:
        for leftover in target.parent.glob(glob.escape(partial.name) + "*"):
            leftover.unlink()
        _remove_empty(made)
        if isinstance(error, OSError):
            raise output_error(target, error) from error
        raise


@contextmanager
def atomic_dir(out: Path | str) -> Iterator[Path]:
    """Give an empty hidden folder; when the block ends, all that was written there is moved into `out`.

    A new `out` appears in one rename. In an existing one, files of the same name are replaced, all others stay, and
    an error or interruption between two moves puts the former files back. An OSError that comes from writing becomes
    OutputError; one that names a file outside (an input) passes unchanged.
    """
    out = Path(out)
    # An existing folder may be a mount of its own, with a parent that cannot be written to: then work inside it.
    place = out if _exists(out) else out.parent
    made = _make_folders(place)
    partial = place / (PARTIAL_PREFIX + secrets.token_hex(6))
    try:
        partial.mkdir()
        yield partial
        _publish(partial, out)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        _remove_empty(made)
        if isinstance(error, OSError) and _is_about(error, out, partial):
            raise output_error(out, error) from error
        raise
    shutil.rmtree(partial, ignore_errors=True)


def _final_target(path: Path) -> Path:
    """`path` with links followed; OutputError where it is no regular file (a rename would replace a device)."""
    try:
        target = path.resolve() if path.is_symlink() else path
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "", str(path))
        if target.exists() and not target.is_file():
            raise OutputError(f"{path.name} cannot be written: it is not a regular file; choose another name")
    except OSError as error:
        raise output_error(path, error) from error
    return target


def _exists(path: Path) -> bool:
    """Whether anything is at `path`; OutputError where that may not be known."""
    try:
        return path.exists()
    except OSError as error:
        raise output_error(path, error) from error


def _make_folders(folder: Path) -> list[Path]:
    """Make `folder` and its parents; return those that are new, innermost first. OutputError where that fails."""
    missing = []
    try:
        probe = folder
        while not probe.exists():
            missing.append(probe)
            probe = probe.parent
        if not probe.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "", str(probe))
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
    except OSError as error:
        _remove_empty(missing)
        raise output_error(folder, error) from error
    return missing


def _remove_empty(folders: list[Path]) -> None:
    """Remove the folders that are empty, innermost first."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _is_about(error: OSError, out: Path, partial: Path) -> bool:
    """Whether `error` is about the output rather than about something that was read meanwhile."""
    if error.errno in _WRITING_ONLY:
        return True
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | bytes | os.PathLike)]
    return any(
        Path(os.path.abspath(os.fsdecode(name))).is_relative_to(os.path.abspath(place))
        for name in names
        for place in (out, partial)
    )


def _publish(partial: Path, out: Path) -> None:
    """Move all files of `partial` into `out`, or none of them."""
    try:
        if not out.exists():
            os.rename(partial, out)
            return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process made it a moment ago
            raise
    files = sorted(p.relative_to(partial) for p in partial.rglob("*") if not p.is_dir())
    for file in files:
        if (out / file).is_dir():
            raise IsADirectoryError(errno.EISDIR, "", str(out / file))
    former = partial / (PARTIAL_PREFIX + "former")
    moved: list[tuple[Path, bool]] = []
    made: list[Path] = []
    try:
        for file in files:
            made = _make_folders((out / file).parent) + made
            existed = (out / file).exists()
            if existed:
                _keep(out / file, former / file)
            moved.append((file, existed))
            os.replace(partial / file, out / file)
    except BaseException:
        for file, existed in reversed(moved):
            _put_back(partial / file, former / file if existed else None, out / file)
        _remove_empty(made)
        raise


def _keep(file: Path, copy: Path) -> None:
    """Keep the content of `file` as `copy`: a second name where the file system has them, else a copy."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, copy)
    except OSError:
        shutil.copy2(file, copy)


def _put_back(written: Path, former: Path | None, place: Path) -> None:
    """Undo one move; does nothing where the move had not happened yet."""
    if written.exists():
        return
    if former is not None:
        os.replace(former, place)
    else:
        place.unlink(missing_ok=True)
