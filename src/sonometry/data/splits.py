"""Patient-wise splits that keep the shares of classes and vendors.

Whole subjects are given to splits one after the other, those with the rarest class first, each to the split where it
brings the counts of classes, vendors, clips and subjects closest to what the shares demand. This is the iterative
stratification of Sechidis et al. 2011 (doi:10.1007/978-3-642-23808-6_10) with subjects in place of examples and the
chi-square distance of the counts in place of the largest demand.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sonometry.core.errors import DataError, UsageError
from sonometry.io.manifest import SPLITS

NAMES = SPLITS[1:]
#: How a clip without a class or vendor is shown.
NONE = "(none)"
#: More classes than this are no classes but numbers.
MOST_CLASSES = 50
#: Worth of a class being in a split at all, in units of chi-square.
_PRESENCE = 100.0
#: Small cohorts are gone over again, each subject being put where it lies best once all others are placed.
_MOST_PASSES, _MOST_MOVES = 20, 5_000


class Group(NamedTuple):
    """Clips of one subject that share class and vendor; `split` "" where the subject has none yet."""

    subject: str
    label: str
    vendor: str
    split: str
    n_clips: int


@dataclass(frozen=True)
class Shares:
    """Fractions of the clips, which add to 1."""

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        values = self.values()
        if not all(math.isfinite(v) and 0 <= v <= 1 for v in values) or not math.isclose(sum(values), 1, abs_tol=1e-6):
            told = " ".join(f"--{name} {value:g}" for name, value in zip(NAMES, values, strict=True))
            raise UsageError(f"the shares must lie between 0 and 1 and add to 1, got {told} (sum {sum(values):g})")

    def values(self) -> tuple[float, float, float]:
        """In the order of `NAMES`."""
        return self.train, self.validation, self.test


def split_subjects(groups: Sequence[Group], shares: Shares, *, seed: int, redo: bool = False) -> dict[str, str]:
    """Split of every subject. Those that have one keep it unless `redo`; the order of `groups` does not matter.

    Raises DataError for a subject in two splits, for fewer subjects than splits and for too many classes.
    """
    given = {} if redo else given_splits(groups)
    subjects = sorted({group.subject for group in groups})
    used = [name for name, share in zip(NAMES, shares.values(), strict=True) if share > 0]
    if len(subjects) < len(used):
        raise DataError(
            f"{len(used)} splits need as many subjects, there are {len(subjects)}; add patients, set a share to 0, "
            "or correct subject_key in manifest.csv where files do not name their patient"
        )
    n_classes = len({group.label for group in groups})
    if n_classes > MOST_CLASSES:
        raise UsageError(f"the column of --label has {n_classes} values; a class column has at most {MOST_CLASSES}")
    counts = _features(groups)
    order = _rarest_first([key for key in subjects if key not in given], counts, np.random.default_rng(seed))
    filling = _Filling(counts, dict(zip(NAMES, shares.values(), strict=True)))
    for subject, split in given.items():
        filling.put(subject, split)
    placed = {subject: filling.place(subject) for subject in order}
    for _ in range(min(_MOST_PASSES, _MOST_MOVES // max(len(order), 1))):
        moved = {subject: filling.replace(subject, placed[subject]) for subject in order}
        if moved == placed:
            break
        placed = moved
    return {**given, **placed}


def given_splits(groups: Iterable[Group]) -> dict[str, str]:
    """Splits that subjects have already. DataError where one is in two: the model would be tested on its patients."""
    found: dict[str, str] = {}
    for group in groups:
        if group.split and found.setdefault(group.subject, group.split) != group.split:
            raise DataError(
                f"subject {group.subject} is in {found[group.subject]} and in {group.split}; "
                "run sonometry splits --redo to split anew"
            )
    return found


#: ("class", name), ("vendor", name), ("clips", "") and ("subjects", "").
Feature = tuple[str, str]
_CLIPS, _SUBJECTS = ("clips", ""), ("subjects", "")


def _features(groups: Iterable[Group]) -> dict[str, dict[Feature, int]]:
    """For every subject its clips by class and by vendor, all its clips, and itself."""
    counts: dict[str, dict[Feature, int]] = {}
    for subject, label, vendor, _, n_clips in groups:
        own = counts.get(subject)
        if own is None:
            own = counts[subject] = {_SUBJECTS: 1, _CLIPS: 0}
        own[_CLIPS] += n_clips
        class_, of_vendor = ("class", label), ("vendor", vendor)
        own[class_] = own.get(class_, 0) + n_clips
        own[of_vendor] = own.get(of_vendor, 0) + n_clips
    return counts


def _rarest_first(
    subjects: list[str], counts: Mapping[str, Mapping[Feature, int]], rng: np.random.Generator
) -> list[str]:
    """By the number of subjects that have their rarest class, then large ones first, then by chance."""
    holders = Counter(feature for of_subject in counts.values() for feature in of_subject if feature[0] == "class")
    chance = dict(zip(subjects, rng.permutation(len(subjects)).tolist(), strict=True))

    def rank(subject: str) -> tuple[int, int, int]:
        own = counts[subject]
        rarest = min(holders[feature] for feature in own if feature[0] == "class")
        return rarest, -own[_CLIPS], chance[subject]

    return sorted(subjects, key=rank)


class _Filling:
    """Counts of every split while subjects are put into it."""

    def __init__(self, counts: Mapping[str, Mapping[Feature, int]], shares: Mapping[str, float]) -> None:
        self.counts = counts
        totals: dict[Feature, int] = defaultdict(int)
        for own in counts.values():
            for feature, n in own.items():
                totals[feature] += n
        # test before validation: of two patients of a class, one is learnt from and one is tested on
        order = {"train": 0, "test": 1, "validation": 2}
        names = sorted((name for name in shares if shares[name] > 0), key=lambda name: order.get(name, 0))
        self.demand = {name: {f: shares[name] * n for f, n in totals.items()} for name in names}
        self.held: dict[str, dict[Feature, int]] = {name: dict.fromkeys(totals, 0) for name in {*shares, *NAMES}}

    def put(self, subject: str, split: str) -> None:
        """Count a subject into a split."""
        self._add(subject, split, 1)

    def place(self, subject: str) -> str:
        """Put a subject where it lowers the chi-square distance most; the split."""
        own = self.counts[subject].items()
        split = min(self.demand, key=lambda name: self._cost(name, own))
        self.put(subject, split)
        return split

    def replace(self, subject: str, split: str) -> str:
        """Take a subject out of its split and put it where it lies best now; that split."""
        self._add(subject, split, -1)
        own = self.counts[subject].items()
        best = min(self.demand, key=lambda name: (self._cost(name, own), name != split))
        self.put(subject, best)
        return best

    def _add(self, subject: str, split: str, sign: int) -> None:
        held = self.held[split]
        for feature, n in self.counts[subject].items():
            held[feature] += sign * n

    def _cost(self, split: str, own: Iterable[tuple[Feature, int]]) -> float:
        demand, held = self.demand[split], self.held[split]
        cost = 0.0
        for feature, n in own:
            there, wanted = held[feature], demand[feature]
            cost += n * (2 * (there - wanted) + n) / wanted
            if not there and feature[0] == "class":
                cost -= _PRESENCE
        return cost


def folds(groups: Sequence[Group], k: int, *, seed: int) -> dict[str, int]:
    """Fold 0 ... k-1 of every subject, classes and vendors spread alike; the splits that subjects have do not matter.

    Raises UsageError for fewer than two folds, DataError for fewer subjects than folds.
    """
    if k < 2:
        raise UsageError(f"cross-validation needs at least 2 folds, got {k}")
    subjects = sorted({group.subject for group in groups})
    if len(subjects) < k:
        raise DataError(f"{k} folds need as many patients, there are {len(subjects)}; use fewer folds")
    counts = _features(groups)
    names = [str(number) for number in range(k)]
    filling = _Filling(counts, dict.fromkeys(names, 1 / k))
    order = _rarest_first(subjects, counts, np.random.default_rng(seed))
    placed = {subject: filling.place(subject) for subject in order}
    for _ in range(min(_MOST_PASSES, _MOST_MOVES // max(len(order), 1))):
        moved = {subject: filling.replace(subject, placed[subject]) for subject in order}
        if moved == placed:
            break
        placed = moved
    return {subject: int(name) for subject, name in placed.items()}


@dataclass(frozen=True)
class Distribution:
    """Counts by value and split, in the order of `NAMES`. by_row : shares are of the row rather than of the split."""

    title: str
    counts: Mapping[str, tuple[int, ...]]
    by_row: bool = False

    def lines(self) -> list[str]:
        """A table as text: counts and shares."""
        columns = [max(sum(column), 1) for column in zip(*self.counts.values(), strict=True)]
        width = max(len(self.title), *(len(value) for value in self.counts))
        table = [f"{self.title:<{width}}  " + "".join(f"{name:>18}" for name in NAMES)]
        for value, row in self.counts.items():
            totals = [max(sum(row), 1)] * len(row) if self.by_row else columns
            cells = (f"{n} ({100 * n / total:.0f} %)" for n, total in zip(row, totals, strict=True))
            table.append(f"{value:<{width}}  " + "".join(f"{cell:>18}" for cell in cells))
        return table


def distributions(groups: Sequence[Group], splits: Mapping[str, str], label: str) -> tuple[Distribution, ...]:
    """How subjects, clips, classes and vendors lie in the splits."""
    place = {name: i for i, name in enumerate(NAMES)}
    members = Counter(splits[subject] for subject in {group.subject for group in groups})
    clips: Counter[str] = Counter()
    found: dict[str, dict[str, list[int]]] = {label: {}, "vendor": {}}
    for group in groups:
        clips[splits[group.subject]] += group.n_clips
        for title, value in {label: group.label, "vendor": group.vendor}.items():
            row = found[title].setdefault(value or NONE, [0] * len(NAMES))
            row[place[splits[group.subject]]] += group.n_clips
    whole = {title: tuple(count[name] for name in NAMES) for title, count in (("subjects", members), ("clips", clips))}
    tables = [Distribution("all", whole, by_row=True)]
    for title, rows in found.items():
        tables.append(Distribution(title, {value: tuple(rows[value]) for value in sorted(rows)}))
    return tuple(tables)


def warnings_of(groups: Sequence[Group], splits: Mapping[str, str], shares: Shares, label: str) -> list[str]:
    """Classes that are not in every split, and clips without a class."""
    used = [name for name, share in zip(NAMES, shares.values(), strict=True) if share > 0]
    owners: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        owners[group.label].add(group.subject)
    notes = []
    for value in sorted(set(owners) - {""}):
        missing = [name for name in used if name not in {splits[subject] for subject in owners[value]}]
        if missing:
            count = "one patient" if len(owners[value]) == 1 else f"{len(owners[value])} patients"
            notes.append(f"limited: {label} {value} has {count} and is not in {' and '.join(missing)}")
    without = sum(group.n_clips for group in groups if not group.label)
    if without and len(owners) > 1:
        notes.append(f"{without} clips have no {label}; they go with their subjects")
    return notes
