"""Splits by patient: shares, leakage, rare classes, what stays."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from sonometry.core import DataError, UsageError
from sonometry.data.splits import Group, Shares, distributions, split_subjects, warnings_of


def _cohort(n_subjects: int, seed: int = 0) -> list[Group]:
    """Subjects with one vendor each and clips of several views, some of them rare."""
    rng = np.random.default_rng(seed)
    views, odds = ["A4C", "A2C", "PLAX", "SUB4C"], [0.5, 0.3, 0.15, 0.05]
    groups = []
    for number in range(n_subjects):
        vendor = str(rng.choice(["GE", "Philips", "Samsung"], p=[0.6, 0.3, 0.1]))
        counts = Counter(str(v) for v in rng.choice(views, size=rng.integers(1, 12), p=odds))
        groups += [Group(f"s{number}", view, vendor, "", n) for view, n in counts.items()]
    return groups


def _share(groups: list[Group], splits: dict[str, str], field: str, value: str) -> dict[str, float]:
    """Share of a class or vendor in every split, counted in clips."""
    all_clips, own = Counter(), Counter()
    for group in groups:
        all_clips[splits[group.subject]] += group.n_clips
        own[splits[group.subject]] += group.n_clips * (getattr(group, field) == value)
    return {name: own[name] / all_clips[name] for name in all_clips}


def test_shares_of_clips_are_as_asked():
    groups = _cohort(300)
    splits = split_subjects(groups, Shares(), seed=0)
    clips = Counter()
    for group in groups:
        clips[splits[group.subject]] += group.n_clips
    total = sum(clips.values())
    # a subject has at most 11 of 1,800 clips, so 1 % is within reach
    assert [clips[n] / total for n in ("train", "validation", "test")] == pytest.approx([0.7, 0.15, 0.15], abs=0.01)


@pytest.mark.parametrize(
    ("field", "value"), [("label", "A4C"), ("label", "SUB4C"), ("vendor", "Philips"), ("vendor", "Samsung")]
)
def test_classes_and_vendors_have_the_same_share_everywhere(field, value):
    groups = _cohort(300)
    shares = _share(groups, split_subjects(groups, Shares(), seed=0), field, value)
    assert max(shares.values()) - min(shares.values()) < 0.03


def test_stratification_is_closer_than_chance():
    groups = _cohort(60)
    subjects = sorted({group.subject for group in groups})
    spread = defaultdict(list)
    for seed in range(20):
        drawn = np.random.default_rng(seed).choice(["train", "validation", "test"], p=[0.7, 0.15, 0.15], size=60)
        chance = dict(zip(subjects, drawn.tolist(), strict=True))
        for name, splits in (("chance", chance), ("ours", split_subjects(groups, Shares(), seed=seed))):
            shares = _share(groups, splits, "label", "A4C").values()
            spread[name].append(max(shares) - min(shares))
    assert np.mean(spread["ours"]) < 0.5 * np.mean(spread["chance"])


def test_the_order_of_rows_does_not_matter_but_the_seed_does():
    groups = _cohort(50)
    one = split_subjects(groups, Shares(), seed=3)
    assert split_subjects(groups[::-1], Shares(), seed=3) == one
    assert split_subjects(groups, Shares(), seed=4) != one


def test_a_class_of_three_patients_is_in_every_split():
    groups = _cohort(40) + [Group(f"r{i}", "RARE", "GE", "", 1) for i in range(3)]
    splits = split_subjects(groups, Shares(), seed=0)
    assert {splits[f"r{i}"] for i in range(3)} == {"train", "validation", "test"}


def test_of_two_patients_of_a_class_one_is_tested_on():
    groups = _cohort(40) + [Group(f"r{i}", "RARE", "GE", "", 1) for i in range(2)]
    splits = split_subjects(groups, Shares(), seed=0)
    assert {splits["r0"], splits["r1"]} == {"train", "test"}
    assert warnings_of(groups, splits, Shares(), "view") == [
        "limited: view RARE has 2 patients and is not in validation"
    ]


def test_a_class_of_one_patient_is_learnt_from_and_told():
    groups = [*_cohort(40), Group("r", "RARE", "GE", "", 1)]
    splits = split_subjects(groups, Shares(), seed=0)
    assert splits["r"] == "train"
    assert any("view RARE has one patient" in note for note in warnings_of(groups, splits, Shares(), "view"))


def test_subjects_that_have_a_split_keep_it():
    groups = _cohort(40)
    first = split_subjects(groups, Shares(), seed=0)
    kept = [Group(g.subject, g.label, g.vendor, first[g.subject], g.n_clips) for g in groups]
    more = [Group(f"new-{g.subject}", g.label, g.vendor, "", g.n_clips) for g in _cohort(40, seed=1)]
    second = split_subjects(kept + more, Shares(), seed=9)
    assert {key: second[key] for key in first} == first
    assert len(second) == 80


def test_redo_moves_them():
    groups = [Group(g.subject, g.label, g.vendor, "test", g.n_clips) for g in _cohort(40)]
    assert set(split_subjects(groups, Shares(), seed=0).values()) == {"test"}
    assert set(split_subjects(groups, Shares(), seed=0, redo=True).values()) == {"train", "validation", "test"}


def test_a_subject_in_two_splits_is_refused_until_redone():
    groups = [*_cohort(5), Group("x", "A4C", "GE", "train", 1), Group("x", "A2C", "GE", "test", 1)]
    with pytest.raises(DataError, match="subject x is in train and in test"):
        split_subjects(groups, Shares(), seed=0)
    assert "x" in split_subjects(groups, Shares(), seed=0, redo=True)


def test_a_share_of_zero_stays_empty():
    splits = split_subjects(_cohort(30), Shares(0.8, 0.0, 0.2), seed=0)
    assert set(splits.values()) == {"train", "test"}


@pytest.mark.parametrize("shares", [(0.7, 0.2, 0.2), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5)])
def test_shares_must_add_to_one(shares):
    with pytest.raises(UsageError, match="add to 1, got --train"):
        Shares(*shares)


def test_fewer_patients_than_splits_are_refused():
    with pytest.raises(DataError, match="3 splits need as many subjects, there are 2"):
        split_subjects([Group("a", "x", "", "", 5), Group("b", "y", "", "", 5)], Shares(), seed=0)


def test_a_column_of_numbers_is_no_class():
    groups = [Group(f"s{i}", str(i / 7), "GE", "", 1) for i in range(60)]
    with pytest.raises(UsageError, match="has 60 values"):
        split_subjects(groups, Shares(), seed=0)


def test_the_tables_count_every_clip_once():
    groups = _cohort(30)
    tables = distributions(groups, split_subjects(groups, Shares(), seed=0), "view")
    n_clips = sum(group.n_clips for group in groups)
    assert [sum(map(sum, table.counts.values())) for table in tables] == [n_clips + 30, n_clips, n_clips]
    assert tables[1].lines()[0].split() == ["view", "train", "validation", "test"]
