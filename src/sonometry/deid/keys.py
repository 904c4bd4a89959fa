"""Pseudonyms, UIDs and date shifts from a secret key that stays in the workspace.

HMAC-SHA256 under the key: the same patient, study or image gives the same pseudonym every time and in every run, and
nobody without the key can go back or compare with lists of known numbers (Bellare et al. 1996,
doi:10.1007/3-540-68697-5_1).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import stat
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from sonometry.core.errors import DataError, OutputError

#: File of the key in the folder of de-identification of a workspace.
KEY_FILE = "secret.key"
_KEY_BYTES = 32
#: Dates move by one day to ten years into the past.
MAX_SHIFT_DAYS = 3650


@dataclass(frozen=True)
class SecretKey:
    """The key; it never shows in a message, and pickling or printing does not reveal it by accident."""

    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.value) != _KEY_BYTES:
            raise ValueError(f"a key has {_KEY_BYTES} bytes")

    def digest(self, kind: str, text: str) -> bytes:
        """32 bytes for a text; `kind` separates uses, so that a UID tells nothing about a name."""
        message = kind.encode() + b"\x00" + text.encode("utf-8", "surrogatepass")
        return hmac.new(self.value, message, hashlib.sha256).digest()

    def pseudonym(self, kind: str, text: str) -> str:
        """A letter for the kind and twelve letters or digits (60 bits)."""
        letters = base64.b32encode(self.digest(kind, text))[:12].decode()
        return f"{kind[0].upper()}{letters}"

    def uid(self, original: str) -> str:
        """A UID below 2.25 (PS3.5 B.2) from the digest, whatever attribute the original stands in."""
        number = uuid.UUID(bytes=self.digest("uid", original)[:16], version=4)
        return f"2.25.{number.int}"

    def shift_days(self, patient: str) -> int:
        """Days to subtract from all dates of this patient, 1 to `MAX_SHIFT_DAYS`."""
        return 1 + int.from_bytes(self.digest("date", patient)[:8], "big") % MAX_SHIFT_DAYS


def open_key(folder: Path) -> SecretKey:
    """The key in `folder`, made on first use with access for its owner only.

    Raises DataError when the file is damaged or can be read by others, OutputError when it cannot be made.
    """
    path = folder / KEY_FILE
    try:
        if not path.exists():
            _create(path)
        return _read(path)
    except OSError as error:
        raise OutputError(
            f"{KEY_FILE} cannot be made or read in the workspace: {error.strerror}; choose another --workspace"
        ) from error


def _create(path: Path) -> None:
    """Write a new key beside its place and link it there: of two runs at once, the first one's key counts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES).hex().encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        except OSError:  # file systems without links
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _read(path: Path) -> SecretKey:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise DataError(
            f"{path.name} in the workspace can be read by others (mode {mode:o}); run: chmod 600 {path.name}"
        )
    text = path.read_bytes().strip()
    try:
        return SecretKey(bytes.fromhex(text.decode("ascii")))
    except ValueError:
        raise DataError(
            f"{path.name} in the workspace is damaged: expected {2 * _KEY_BYTES} hexadecimal digits; "
            "restore it from a copy (a new key gives new pseudonyms)"
        ) from None
