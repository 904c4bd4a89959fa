"""De-identify a file or a folder: which files, in which order, and what was done.

State lies in the workspace (`sonometry.deid.places`). Only finished files, under pseudonyms, and
`deidentification.json` reach the output folder.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sonometry.core.application import Progress, no_progress
from sonometry.core.errors import DataError
from sonometry.core.provenance import digest_json
from sonometry.deid.audit import write_audit
from sonometry.deid.journal import Journal, source_key, write_refused
from sonometry.deid.keys import SecretKey, open_key
from sonometry.deid.options import DeidentifyOptions
from sonometry.deid.pictures import read_mask, read_png
from sonometry.deid.places import Places, check_folders
from sonometry.deid.pool import Worker, answers
from sonometry.deid.review import ReviewResult, review, write_summary
from sonometry.deid.scanners import Decision, Scanner, Scanners
from sonometry.deid.text import check_models
from sonometry.io.atomic import PARTIAL_PREFIX, output_error
from sonometry.io.sniff import FileFormat, sniff
from sonometry.workflows.config import Configuration, resolve

__all__ = ["DeidentifyResult", "DoneFile", "RefusedFile", "ReviewResult", "deidentify", "review"]

#: Part of the options' digest: raise it when the same options give another result.
METHOD = 3
_PARTIAL = PARTIAL_PREFIX + "deid-"
#: Endings of files that are meant to be DICOM even when they do not look like it.
_DICOM_ENDINGS = frozenset({".dcm", ".dicom", ".ima", ".dic"})


@dataclass(frozen=True)
class DoneFile:
    """A file that was written: `path` below the output folder. `source` may hold a name and is never shown."""

    source: Path = field(repr=False)
    path: Path
    scanner: str
    facts: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class RefusedFile:
    """A file of which nothing was written: its number in `refused.csv` of the workspace, and the reason."""

    source: Path = field(repr=False)
    number: int
    reason: str


@dataclass(frozen=True)
class DeidentifyResult:
    """What became of every file. `n_skipped` : files of a folder that are no DICOM. `audit` : the page to look at."""

    done: tuple[DoneFile, ...]
    refused: tuple[RefusedFile, ...]
    n_skipped: int
    audit: Path
    refused_list: Path
    pending: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """0 when every file was done, 3 when some were refused."""
        return DataError.exit_status if self.refused else 0


def deidentify(
    source: Path | str,
    out: Path | str,
    *,
    workspace: Path | str = "workspace",
    config: Configuration = None,
    progress: Progress = no_progress,
    **options: Any,
) -> DeidentifyResult:
    """De-identify one DICOM file, or all of a folder, into `out`.

    config : `DeidentifyOptions`, a mapping or a YAML file. options : its fields, which override it. The same call goes
    on where an interrupted one ended.
    Raises UsageError for impossible folders or missing models, DataError when there is no file at all, OutputError.
    """
    chosen = resolve(DeidentifyOptions, config, options)
    check_models()
    run = _Run(Path(source), Path(out), Path(workspace), chosen)
    with run.locked():
        return run.go(progress)


class _Run:
    """One call: lists files, leaves out what was done before, and commits answers one by one."""

    def __init__(self, source: Path, out: Path, workspace: Path, options: DeidentifyOptions) -> None:
        self.source, self.out, self.places, self.options = source, out, Places(workspace), options
        check_folders(source, out, workspace)
        self.digest = digest_json({"method": METHOD, **options.rules(Path(), 0)})
        self.done: list[DoneFile] = []
        self.refused: list[tuple[Path, str]] = []
        self.n_skipped = 0

    def locked(self) -> contextlib.AbstractContextManager[None]:
        return self.places.locked()

    def go(self, progress: Progress) -> DeidentifyResult:
        key = open_key(self.places.folder)
        self._clear_leftovers()
        journal = self.places.journal()
        todo = self._todo(key, journal)
        try:
            self._process(todo, journal, progress)
        finally:
            self._clear_leftovers()
            self._close(journal)
        return self._result()

    def _todo(self, key: SecretKey, journal: Journal) -> list[tuple[Path, str, int]]:
        """Files to do with their key and size; those that were done before are entered at once."""
        todo = []
        for path, relative in self._candidates():
            source = source_key(key, path, relative)
            before = journal.entries.get(source)
            if before and before["options"] == self.digest and before["out"] == str(self.out.resolve()):
                if self._is_still_done(before):
                    self.done.append(_done_file(path, before))
                    continue
                if before["status"] == "refused" and not before.get("is_retried"):
                    self.refused.append((relative, before["reason"]))
                    continue
            todo.append((path, source, path.stat().st_size))
        if not todo and not self.done and not self.refused:
            raise DataError(f"{self.source.name} holds no DICOM file; pass the folder that the scanner exported")
        return todo

    def _is_still_done(self, entry: dict[str, Any]) -> bool:
        if entry["status"] != "done":
            return False
        target = self.out / entry["path"]
        return target.is_file() and target.stat().st_size == entry["size"]

    def _candidates(self) -> Iterator[tuple[Path, Path]]:
        """DICOM files with their paths below the source; what is something else is counted as skipped."""
        if not self.source.is_dir():
            sniff(self.source)  # DataError when it cannot be read
            yield self.source, Path(self.source.name)
            return
        for folder, names, files in os.walk(self.source):
            names.sort()
            for name in sorted(files):
                path = Path(folder) / name
                relative = path.relative_to(self.source)
                if name.startswith(_PARTIAL) or name.upper() == "DICOMDIR":
                    self.n_skipped += 1
                    continue
                try:
                    is_dicom = sniff(path) is FileFormat.DICOM
                except DataError:
                    is_dicom = False
                    self.refused.append((relative, "it is empty or cannot be opened"))
                    continue
                if is_dicom or path.suffix.casefold() in _DICOM_ENDINGS:
                    yield path, relative
                else:
                    self.n_skipped += 1

    def _process(self, todo: list[tuple[Path, str, int]], journal: Journal, progress: Progress) -> None:
        if not todo:
            return
        processes = min(self.options.workers or os.cpu_count() or 1, len(todo))
        threads = max(1, (os.cpu_count() or 1) // processes) if len(todo) == 1 else 1
        rules = self.options.rules(self.places.folder, threads)
        scanners = self.places.scanners
        masks = {key: [str(path) for path in paths] for key, paths in scanners.masks().items()}
        rejected = scanners.rejected()
        self._make_out()
        self.places.staging.mkdir(parents=True, exist_ok=True)
        jobs = [(self._job(path, source, rules, masks, rejected), size) for path, source, size in todo]
        given = answers(jobs, processes=processes, threads=threads)
        for finished, (job, answer) in enumerate(given, 1):
            self._commit(job, answer, journal)
            progress(finished / len(jobs), f"{finished} of {len(jobs)} files, {len(self.refused)} refused")

    def _job(
        self, path: Path, source: str, rules: dict[str, Any], masks: dict[str, list[str]], rejected: list[str]
    ) -> dict[str, Any]:
        token = secrets.token_hex(8)
        return {
            "kind": "deidentify",
            "source": str(path),
            "source_key": source,
            "partial": str(self.out / f"{_PARTIAL}{token}"),
            **{name: str(self.places.staging / f"{token}-{name}.png") for name in ("before", "after", "mask")},
            "rules": rules,
            "masks": masks,
            "rejected": rejected,
        }

    def _commit(self, job: dict[str, Any], answer: dict[str, Any], journal: Journal) -> None:
        """Make an answer final: fold it into its scanner, move the file into place, note it. In this order, so that
        whatever ends the run, a file in the output has been audited."""
        path, partial = Path(job["source"]), Path(job["partial"])
        entry = {"source": job["source_key"], "options": self.digest, "out": str(self.out.resolve())}
        if answer["status"] == "done":
            reason = self._conflict(answer, entry, journal, partial)
            if reason is None:
                self._place(job, answer, partial)
                entry = {**answer, **entry}
                self.done.append(_done_file(path, entry))
            else:
                answer = {"status": "refused", "reason": reason}
        if answer["status"] != "done":
            partial.unlink(missing_ok=True)
            entry |= {"status": "refused", "reason": answer["reason"], "is_retried": _is_passing(answer["reason"])}
            self.refused.append((self._relative(path), answer["reason"]))
        journal.append(entry)
        for name in ("before", "after", "mask"):
            Path(job[name]).unlink(missing_ok=True)

    def _conflict(self, answer: dict[str, Any], entry: dict[str, Any], journal: Journal, partial: Path) -> str | None:
        """A reason to refuse when another file has taken the place already: two images with one UID."""
        target = self.out / answer["path"]
        taken_by_other = any(
            other["path"] == answer["path"] and other["out"] == entry["out"] and other["source"] != entry["source"]
            for other in journal.done()
        )
        if not (taken_by_other and target.is_file()) or target.read_bytes() == partial.read_bytes():
            return None
        return "another file with the same SOP Instance UID and other content was de-identified before"

    def _place(self, job: dict[str, Any], answer: dict[str, Any], partial: Path) -> None:
        scanner = Scanner(*answer["scanner"])
        before, after = read_png(Path(job["before"])), read_png(Path(job["after"]))
        self.places.scanners.add(scanner, before, after, read_mask(Path(job["mask"])), answer)
        target = self.out / answer["path"]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial, target)
        except OSError as error:
            raise output_error(target, error) from error

    def _relative(self, path: Path) -> Path:
        return path.relative_to(self.source) if self.source.is_dir() else Path(path.name)

    def _make_out(self) -> None:
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.out, error) from error

    def _clear_leftovers(self) -> None:
        """Remove what a killed run had not finished."""
        shutil.rmtree(self.places.staging, ignore_errors=True)
        if self.out.is_dir():
            for leftover in self.out.glob(_PARTIAL + "*"):
                leftover.unlink(missing_ok=True)

    def _numbered(self) -> list[tuple[int, Path, str]]:
        return [(number, path, reason) for number, (path, reason) in enumerate(sorted(self.refused), 1)]

    def _close(self, journal: Journal) -> None:
        """Lists and the audit page, also of a run that was interrupted."""
        write_refused(self.places.refused, self._numbered())
        _count_audit_text(self.places.scanners)
        write_audit(self.places.audit, self.places.scanners, self._numbered(), self.n_skipped, self.places.root)
        if self.out.is_dir():
            write_summary(self.out, journal, Counter(reason for _, reason in self.refused))

    def _result(self) -> DeidentifyResult:
        scanners = self.places.scanners
        pending = [name for name in scanners.names() if scanners.record(name).decision == Decision.PENDING]
        return DeidentifyResult(
            done=tuple(sorted(self.done, key=lambda file: file.path)),
            refused=tuple(RefusedFile(path, number, reason) for number, path, reason in self._numbered()),
            n_skipped=self.n_skipped,
            audit=self.places.audit,
            refused_list=self.places.refused,
            pending=tuple(pending),
        )


def _done_file(path: Path, entry: dict[str, Any]) -> DoneFile:
    return DoneFile(path, Path(entry["path"]), Scanner(*entry["scanner"]).key, entry)


def _is_passing(reason: str) -> bool:
    """Whether another try can end differently: crashes, time limits, and what a person decided."""
    return any(word in reason for word in ("took more than", "crashed", "internal error", "memory", "rejected"))


def _count_audit_text(scanners: Scanners) -> None:
    """Count text in the maxima of every scanner that changed; a count that fails is left out of the page."""
    changed = [name for name in scanners.names() if not scanners.record(name).ocr]
    worker = Worker(threads=os.cpu_count() or 1)
    try:
        for name in changed:
            record = scanners.record(name)
            for when in ("before", "after"):
                answer = worker.do({"kind": "text", "picture": str(scanners.folder / name / f"{when}.png")}, 120.0)
                if answer["status"] == "done":
                    record.ocr[when] = answer["n_lines"]
            scanners.save(name, record)
    finally:
        worker.stop()
