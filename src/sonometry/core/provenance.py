"""Which program, options and machine made a result, so that it can be made again."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

#: Libraries whose version can change a number.
LIBRARIES = ("numpy", "scipy", "numba", "opencv-python-headless", "scikit-image", "onnxruntime", "pydicom")


def library_version(name: str) -> str | None:
    """Installed version of a distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def digest_json(value: Any) -> str:
    """SHA-256 of a value of plain types, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def provenance(options: Mapping[str, Any], *, seed: int | None = None) -> dict[str, Any]:
    """Program, libraries, options with their digest, seed and the time in UTC."""
    return {
        "sonometry": library_version("sonometry"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "libraries": {name: found for name in LIBRARIES if (found := library_version(name))},
        "options": dict(options),
        "options_sha256": digest_json(dict(options)),
        "seed": seed,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
