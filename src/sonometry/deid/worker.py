"""A process of its own that handles one file after the other: `python -m sonometry.deid.worker`.

Decoders written in C can crash or hang on damaged files, and libraries may print what they read. So files are opened
only here: standard error leads nowhere, a crash costs one file, and the parent never sees identified data. Jobs and
results are lines of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from sonometry.core.errors import DataError, SonometryError

#: Address space for a file: enough for the largest that is accepted, and an end for a decoder that runs away.
_BASE_BYTES, _PER_BYTE = 10 << 30, 8


def main() -> None:
    """Serve jobs until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for line in sys.stdin:
        answer = handle(json.loads(line))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def handle(job: dict[str, Any]) -> dict[str, Any]:
    """Do one job; every error becomes an answer with a reason that holds nothing of the file."""
    try:
        return _count_text(job) if job["kind"] == "text" else _deidentify(job)
    except SonometryError as error:
        return {"status": "refused", "reason": str(error)}
    except MemoryError:
        return {"status": "refused", "reason": "it needs more memory than allowed"}
    except Exception as error:  # fail closed on everything, and tell nothing but the kind
        return {"status": "refused", "reason": f"internal error ({type(error).__name__}); nothing was written"}


def _deidentify(job: dict[str, Any]) -> dict[str, Any]:
    from sonometry.deid.clip import deidentify_clip
    from sonometry.deid.pictures import write_png

    source = Path(job["source"])
    _limit_memory(source.stat().st_size)
    clip = deidentify_clip(source.read_bytes(), _rules(json.dumps(job["rules"])), _Masks(job["masks"]))
    if clip.scanner.key in job["rejected"]:
        raise DataError("the layout of its scanner was rejected on the audit page")
    for name, picture in (
        ("before", clip.plan.before.maximum),
        ("after", clip.plan.after),
        ("mask", clip.plan.sector.mask),
    ):
        write_png(Path(job[name]), picture)
    partial = Path(job["partial"])
    with partial.open("xb") as stream:
        stream.write(clip.data)
        stream.flush()
        os.fsync(stream.fileno())
    scanner = clip.scanner
    return {
        "status": "done",
        "path": clip.path.as_posix(),
        "size": len(clip.data),
        "scanner": [scanner.manufacturer, scanner.model, scanner.rows, scanner.columns],
        "n_frames": clip.n_frames,
        "n_text_inside": clip.plan.n_text_inside,
        "n_text_outside": clip.plan.n_text_outside,
        "kept_share": float(clip.plan.kept.mean()),
        "method": clip.plan.sector.method,
        "support": clip.plan.sector.support,
        "sha256_before": clip.pixels.sha256_before,
        "sha256_after": clip.pixels.sha256_after,
        "exact_share": clip.pixels.exact_share,
        "is_proven": clip.pixels.sha256_before == clip.pixels.sha256_after,
    }


def _count_text(job: dict[str, Any]) -> dict[str, Any]:
    """How many lines of text the networks find and can read in a picture of the audit: layers of tissue they cannot."""
    from sonometry.deid.ink import darkened, zoom_for
    from sonometry.deid.pictures import read_png
    from sonometry.deid.reading import is_readable
    from sonometry.deid.text import TextOptions, find_text

    picture = read_png(Path(job["picture"]))
    options = TextOptions(zoom=zoom_for(picture.shape[:2]), threads=1)
    lines = find_text(darkened(picture), options)
    return {"status": "done", "n_lines": sum(is_readable(picture, line) for line in lines)}


@lru_cache(maxsize=1)
def _rules(text: str) -> Any:
    """The rules of a run; the key is read here, so that it never travels."""
    from sonometry.deid.clip import ClipRules
    from sonometry.deid.header import HeaderRules
    from sonometry.deid.keys import open_key
    from sonometry.deid.pixels import PixelRules
    from sonometry.deid.profile import ProfileOptions

    rules = json.loads(text)
    private = {creator: frozenset(elements) for creator, elements in rules["private"].items()}
    header = HeaderRules(open_key(Path(rules["key_folder"])), ProfileOptions(**rules["profile"]), private)
    return ClipRules(header, PixelRules(**rules["pixels"]))


class _Masks(dict[str, list[Any]]):
    """Remembered masks, read when their scanner comes up."""

    def __init__(self, paths: dict[str, list[str]]) -> None:
        super().__init__()
        self._paths = paths

    def get(self, key: str, default: Any = None) -> Any:
        from sonometry.deid.pictures import read_mask

        return [read_mask(Path(path)) for path in self._paths.get(key, []) if Path(path).is_file()]


def _limit_memory(file_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    wanted = _BASE_BYTES + _PER_BYTE * file_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    main()
