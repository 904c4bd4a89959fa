"""A person's decisions about scanners, and the removal of what was rejected."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sonometry.core.errors import UsageError
from sonometry.core.provenance import library_version
from sonometry.deid.audit import write_audit
from sonometry.deid.journal import Journal, read_refused
from sonometry.deid.places import Places
from sonometry.deid.scanners import Decision, Scanner
from sonometry.io.atomic import write_atomic

#: What stands beside the finished files; it says nothing of the originals.
SUMMARY = "deidentification.json"


@dataclass(frozen=True)
class ReviewResult:
    """Decisions after a review, and how many files were removed from the output because of a rejection."""

    decisions: dict[str, str]
    n_removed: int


def review(
    workspace: Path | str,
    *,
    accept: Sequence[str] = (),
    reject: Sequence[str] = (),
    decisions: Path | str | None = None,
) -> ReviewResult:
    """Note what a person decided about scanners: by name, or by the file that the audit page saves.

    Files of a rejected scanner are removed from the output at once, and new ones are refused.
    Raises UsageError for unknown scanners or a wrong file.
    """
    places = Places(Path(workspace))
    if not places.folder.is_dir():
        raise UsageError("this --workspace holds no de-identification; give the one that was used")
    wanted = _read_decisions(Path(decisions)) if decisions else {}
    wanted |= dict.fromkeys(accept, Decision.ACCEPTED) | dict.fromkeys(reject, Decision.REJECTED)
    scanners = places.scanners
    for name in wanted:
        scanners.record(name)  # UsageError for an unknown one, before anything is changed
    with places.locked():
        for name, decision in wanted.items():
            scanners.decide(name, decision)
        n_removed = _withdraw(places, set(scanners.rejected()))
        write_audit(places.audit, scanners, read_refused(places.refused), None, places.root)
    return ReviewResult({name: str(scanners.record(name).decision) for name in scanners.names()}, n_removed)


def _read_decisions(path: Path) -> dict[str, Decision]:
    try:
        read = json.loads(path.read_text("utf-8"))
        return {str(name): Decision(value) for name, value in read.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(
            f"--decisions {path.name} must be what the audit page saves: accepted, rejected or pending for each scanner"
        ) from error


def _withdraw(places: Places, rejected: set[str]) -> int:
    """Remove the files of rejected scanners from the output and from the journal."""
    journal = places.journal()
    gone = [entry for entry in journal.done() if Scanner(*entry["scanner"]).key in rejected]
    for entry in gone:
        target = Path(entry["out"]) / entry["path"]
        target.unlink(missing_ok=True)
        for folder in (target.parent, target.parent.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()
    if gone:
        journal.rewrite(entry for entry in journal.entries.values() if entry not in gone)
        for out in {entry["out"] for entry in gone}:
            if Path(out).is_dir():
                write_summary(Path(out), journal, Counter())
    return len(gone)


def write_summary(out: Path, journal: Journal, reasons: Counter[str]) -> None:
    """`deidentification.json` in the output: what was done to every file, with proof, and nothing of the originals."""
    kept = (
        "path scanner n_frames n_text_inside n_text_outside kept_share method "
        "sha256_before sha256_after exact_share is_proven"
    )
    place = str(out.resolve())
    files = [{name: entry[name] for name in kept.split()} for entry in journal.done() if entry["out"] == place]
    summary = {
        "schema": "sonometry.deidentification/1",
        "sonometry": library_version("sonometry"),
        "files": sorted(files, key=lambda file: str(file["path"])),
        "refused": dict(sorted(reasons.items())),
        "note": "sha256_before and sha256_after are digests of the kept pixels before and after; exact_share is the "
        "share of the kept pixels they cover.",
    }
    write_atomic(out / SUMMARY, json.dumps(summary, indent=1, sort_keys=True))
