"""The ten actions of the MIDI-B challenge, counted on exports whose truth is known.

Source of the actions: Rutherford et al., MIDI-B 2024 (validation categories of the challenge). The score of an action
is the share of its checks that hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from sonometry.deid.frames import Frames, layout_of
from sonometry.deid.scorecard.exports import Truth

ACTIONS = (
    "tag retained",
    "text not null",
    "text retained",
    "text removed",
    "date shifted",
    "UID changed",
    "UID consistent",
    "patient ID consistent",
    "pixels hidden",
    "pixels retained",
)
_RETAINED = (
    "Modality Manufacturer ManufacturerModelName TransducerType MechanicalIndex HeartRate Rows Columns BitsStored "
    "SamplesPerPixel SOPClassUID SeriesNumber InstanceNumber AnatomicRegionSequence UltrasoundColorDataPresent "
    "StudyDate StudyTime ContentDate AcquisitionDateTime"
)
_RETAINED_IN_CINES = "NumberOfFrames FrameTime CineRate FrameIncrementPointer"
_NOT_NULL = "PatientName PatientID StudyInstanceUID SeriesInstanceUID SOPInstanceUID Modality Manufacturer StudyDate"
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_DATES = ("StudyDate", "SeriesDate", "ContentDate", "AcquisitionDate", "AcquisitionDateTime")
_DESCRIPTIONS = ("StudyDescription", "SeriesDescription", "ProtocolName")
#: Grey levels up to which a pixel outside counts as hidden (lossy compression around the mask).
_DARK = 40


@dataclass
class Scorecard:
    """Checks that held and all checks, by action; and what was left.

    left : every text that stayed, described without its words. leaks : attributes in which a secret was found.
    kept_shares : share of the sector that stayed, by file.
    """

    held: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTIONS, 0))
    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTIONS, 0))
    n_files: int = 0
    n_refused: int = 0
    n_texts: int = 0
    left: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    kept_shares: list[float] = field(default_factory=list)

    def count(self, action: str, holds: bool, n: int = 1) -> None:
        """Add `n` checks that all hold or do not."""
        self.checked[action] += n
        self.held[action] += n if holds else 0

    def share(self, action: str) -> float:
        """Share of the checks that held; NaN without any."""
        return self.held[action] / self.checked[action] if self.checked[action] else float("nan")

    @property
    def texts_left_per_1000(self) -> float:
        return 1000 * len(self.left) / max(self.n_texts, 1)

    @property
    def sector_kept(self) -> float:
        """Share of sector pixels beside the texts that stayed, over all files."""
        return float(np.mean(self.kept_shares)) if self.kept_shares else float("nan")


def score(truths: list[Truth], written: Mapping[Path, Path]) -> Scorecard:
    """Compare originals with results. written : original path -> de-identified file; refused ones are absent."""
    card = Scorecard()
    uids: dict[str, set[str]] = defaultdict(set)
    origins: dict[str, set[str]] = defaultdict(set)
    patients: dict[str, set[str]] = defaultdict(set)
    shifts: dict[str, set[int]] = defaultdict(set)
    for truth in truths:
        card.n_files += 1
        if truth.path not in written:
            card.n_refused += 1
            continue
        before, after = dcmread(truth.path), dcmread(written[truth.path])
        _score_tags(card, truth, before, after)
        _score_uids(card, before, after, uids, origins)
        _score_dates(card, truth, before, after, shifts)
        patients[truth.identity.patient_id].add(str(after.PatientID))
        _score_pixels(card, truth, before, after)
    for news in (*uids.values(), *origins.values()):
        card.count("UID consistent", len(news) == 1)
    for names in patients.values():
        card.count("patient ID consistent", len(names) == 1)
    for days in shifts.values():
        card.count("date shifted", len(days) == 1 and 0 not in days)
    return card


def _score_tags(card: Scorecard, truth: Truth, before: Dataset, after: Dataset) -> None:
    cine = int(before.get("NumberOfFrames") or 1) > 1
    for keyword in (_RETAINED + (f" {_RETAINED_IN_CINES}" if cine else "")).split():
        card.count("tag retained", keyword in after and _is_same(keyword, before, after))
    regions = before.get("SequenceOfUltrasoundRegions") or []
    kept = after.get("SequenceOfUltrasoundRegions") or []
    for number, region in enumerate(regions):
        card.count("tag retained", number < len(kept) and kept[number] == region, len(region))
    for keyword in _NOT_NULL.split():
        card.count("text not null", bool(after.get(keyword)))
    for keyword in _DESCRIPTIONS:
        words = str(after.get(keyword) or "").casefold().split()
        for word in truth.description.casefold().split():
            card.count("text retained", word in words)
    secrets = [secret.casefold() for secret in truth.identity.secrets()]
    for path, text in _texts(before):
        for secret in secrets:
            if secret in text:
                found = [other for other, value in _texts(after) if other == path and secret in value]
                card.count("text removed", not found)
    everything = [(path, value) for path, value in _texts(after)]
    card.leaks += [path for path, value in everything if any(secret in value for secret in secrets)]
    raw = written_bytes(after)
    card.leaks += ["bytes" for secret in secrets if len(secret) > 5 and secret.encode() in raw]


def written_bytes(after: Dataset) -> bytes:
    """The file without its pixels, folded to lower case: nothing may hide where no reader looks."""
    path = Path(str(after.filename))
    content = path.read_bytes()
    start = content.find(b"\xe0\x7f\x10\x00")
    return content[: start if start > 0 else None].lower()


def _is_same(keyword: str, before: Dataset, after: Dataset) -> bool:
    dates = keyword.endswith("Date") or keyword.endswith("DateTime")
    return dates or before.get(keyword) == after.get(keyword)


def _texts(dataset: Dataset, prefix: str = "") -> list[tuple[str, str]]:
    """Path and text, folded to lower case, of every element of every level."""
    found = []
    for element in dataset:
        path = f"{prefix}{element.tag}"
        if element.VR == "SQ":
            for item in element.value:
                found += _texts(item, f"{path}/")
        elif element.keyword != "PixelData":
            value = element.value
            text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
            found.append((path, text.casefold()))
    return found


def _score_uids(
    card: Scorecard, before: Dataset, after: Dataset, uids: dict[str, set[str]], origins: dict[str, set[str]]
) -> None:
    pairs = [(str(before[keyword].value), str(after[keyword].value)) for keyword in _UIDS]
    source = after.get("SourceImageSequence") or []
    if source:
        old = before.SourceImageSequence[0].ReferencedSOPInstanceUID
        pairs.append((str(old), str(source[0].ReferencedSOPInstanceUID)))
    for old, new in pairs:
        card.count("UID changed", old != new and UID(new).is_valid)
        uids[old].add(new)
        origins[new].add(old)
    card.count("UID changed", str(after.file_meta.MediaStorageSOPInstanceUID) == str(after.SOPInstanceUID))


def _score_dates(card: Scorecard, truth: Truth, before: Dataset, after: Dataset, shifts: dict[str, set[int]]) -> None:
    for keyword in _DATES:
        old, new = (_day(dataset.get(keyword)) for dataset in (before, after))
        holds = old is not None and new is not None and old != new
        card.count("date shifted", holds)
        if old is not None and new is not None:
            shifts[truth.identity.patient_id].add((old - new).days)


def _day(value: Any) -> date | None:
    try:
        return datetime.strptime(str(value)[:8], "%Y%m%d").date()
    except ValueError:
        return None


def _score_pixels(card: Scorecard, truth: Truth, before: Dataset, after: Dataset) -> None:
    """A text is left when any of its characters still shows more than half of its ink in any frame."""
    original = Frames(before, layout_of(before, before.file_meta.TransferSyntaxUID))
    result = Frames(after, layout_of(after, after.file_meta.TransferSyntaxUID))
    n_frames = original.layout.n_frames
    shown = np.max([result.rgb(index).max(axis=2) for index in range(n_frames)], axis=0) > _DARK
    for text in truth.texts:
        card.n_texts += 1
        is_left = text.is_left(shown)
        card.count("pixels hidden", not is_left)
        if is_left:
            where = "inside" if text.is_inside else "outside"
            card.left.append(f"{truth.scanner[1]}, {where}, {text.font} {text.size_px} px, {len(text.text)} characters")
    away = truth.sector & ~_near_texts(truth)
    last = n_frames - 1
    same = np.abs(original.rgb(last).astype(np.int16) - result.rgb(last)).max(axis=2) <= 24
    lit = original.rgb(last).max(axis=2) > _DARK
    kept = _kept(original, result, away)
    card.kept_shares.append(kept)
    card.count("pixels retained", True, int((away & same).sum()))
    card.count("pixels retained", False, int((away & ~same & lit).sum()))


def _kept(original: Frames, result: Frames, away: np.ndarray) -> float:
    """Share of sector pixels beside the texts that did not turn black in any frame where they were not before."""
    lost = np.zeros(away.shape, bool)
    for index in range(original.layout.n_frames):
        before, after = original.rgb(index).max(axis=2), result.rgb(index).max(axis=2)
        lost |= (before > 8) & (after <= 2)
    return float(1 - (lost & away).sum() / away.sum())


def _near_texts(truth: Truth) -> np.ndarray:
    """Boxes of the texts with a quarter of their size around: no line can be masked closer."""
    near = np.zeros(truth.sector.shape, bool)
    for text in truth.texts:
        border = max(2, text.size_px // 4)
        rows, columns = text.box
        top, left = max(0, rows.start - border), max(0, columns.start - border)
        near[top : rows.stop + border, left : columns.stop + border] = True
    return near
