"""What kind of file this is, decided by its first bytes and never by its ending."""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from enum import StrEnum
from pathlib import Path

from sonometry.core.errors import DataError

#: Enough for every signature below (a NIfTI-1 header has its magic at 344, MATLAB 7.3 its HDF5 one at 512).
HEAD_BYTES = 1024


class FileFormat(StrEnum):
    """Families of files, one reader each."""

    DICOM = "DICOM"
    VIDEO = "video"
    IMAGE = "image"
    VOLUME = "volume"  # NIfTI, NRRD, MetaImage: read by SimpleITK
    NUMPY = "NumPy array"
    ARCHIVE = "archive"
    PDF = "PDF"
    OTHER = "other"  # RF and signals are recognised by their own readers


def check_readable(path: Path) -> None:
    """DataError, in one line, unless `path` is a regular file with content that this user may read."""
    name = path.name or str(path)
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DataError(f"{name} does not exist; check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
        raise DataError(f"{name[:80]} cannot be opened: {_reason(error)}") from error
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{name} is a folder where a file was expected; pass the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{name} is not a regular file; pass a recording")
    if not os.access(path, os.R_OK):
        raise DataError(f"{name} cannot be read: permission denied; change its permissions or copy it")
    if status.st_size == 0:
        raise DataError(f"{name} is empty (0 bytes); export or copy it again")


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder; False where nothing is there. DataError for a name that no system takes."""
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name[:40]} cannot be opened: {_reason(error)}") from error


def read_head(path: Path, n_bytes: int = HEAD_BYTES) -> bytes:
    """First bytes of a checked file. DataError if they cannot be read."""
    check_readable(path)
    try:
        with path.open("rb") as stream:
            return stream.read(n_bytes)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {_reason(error)}") from error


def sniff(path: Path) -> FileFormat:
    """Family of the file by its content. DataError if it is missing, empty or unreadable."""
    head = read_head(path)
    for test, family in _TESTS:
        if test(head):
            return family
    if head[:2] == b"\x1f\x8b":
        return FileFormat.VOLUME if _is_nifti(_unpacked_head(path)) else FileFormat.ARCHIVE
    if _is_headless_dicom(head, path.stat().st_size):
        return FileFormat.DICOM
    return FileFormat.OTHER


def _reason(error: Exception) -> str:
    """What the system says, without the path that OSError repeats."""
    return getattr(error, "strerror", None) or "it is not a valid file"


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM"


def _is_image(head: bytes) -> bool:
    if head[:4] == b"RIFF":
        return head[8:12] == b"WEBP"
    if head[:2] == b"BM":  # two letters are weak: the reserved words of a bitmap header are zero
        return head[6:10] == bytes(4)
    if head[:1] == b"P" and head[1:2] in (b"4", b"5", b"6"):
        return head[2:3].isspace()
    return head.startswith(
        (
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"GIF87a",
            b"GIF89a",
            b"II*\x00",
            b"MM\x00*",
            b"II+\x00",
            b"MM\x00+",
            b"\x00\x00\x00\x0cjP  ",
            b"\xff\x4f\xff\x51",
        )
    )


def _is_video(head: bytes) -> bool:
    if head[:4] == b"RIFF":
        return head[8:12] == b"AVI "
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return True
    if head[:1] == b"G" and len(head) > 376:  # MPEG transport stream: a sync byte every 188
        return head[188:189] == b"G" and head[376:377] == b"G"
    matroska, asf, program, elementary = b"\x1aE\xdf\xa3", b"0&\xb2u\x8ef\xcf\x11", b"\0\0\1\xba", b"\0\0\1\xb3"
    return head.startswith((matroska, asf, program, elementary, b"FLV\x01", b"OggS"))


def _is_nifti(head: bytes) -> bool:
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _is_volume(head: bytes) -> bool:
    return _is_nifti(head) or head.startswith(b"NRRD000") or _is_metaimage(head)


def _is_metaimage(head: bytes) -> bool:
    """A MetaImage header is text of `Key = value` lines that begins with ObjectType or NDims."""
    words = head.split(maxsplit=2)
    return len(words) > 1 and words[0] in (b"ObjectType", b"NDims", b"Comment") and words[1].startswith(b"=")


_TESTS = (
    (_is_dicom, FileFormat.DICOM),
    (_is_image, FileFormat.IMAGE),
    (_is_video, FileFormat.VIDEO),
    (_is_volume, FileFormat.VOLUME),
    (lambda head: head.startswith(b"\x93NUMPY"), FileFormat.NUMPY),
    (lambda head: head.startswith(b"%PDF-"), FileFormat.PDF),
    (lambda head: head.startswith((b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")), FileFormat.ARCHIVE),
)


def _unpacked_head(path: Path) -> bytes:
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return b""


def _is_headless_dicom(head: bytes, file_size: int) -> bool:
    """Old exports begin with the first element, without preamble and meta header (PS3.10 7.1 demands both)."""
    if len(head) < 16:
        return False
    for order in ("little", "big"):
        group, element = (int.from_bytes(head[i : i + 2], order) for i in (0, 2))
        if group not in (0x0002, 0x0008) or element > 0x0100:
            continue
        value_type = head[4:6]
        if value_type in (b"UL", b"UI", b"CS", b"OB", b"SH", b"LO", b"DA", b"DT", b"ST", b"SQ"):
            return True
        length = int.from_bytes(head[4:8], order)
        if order == "little" and 0 < length <= min(256, file_size - 8):
            return True
    return False
