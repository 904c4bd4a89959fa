"""Cohorts of simulated recordings: the same seed gives the same files, and an interrupted run goes on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sonometry as sm
from sonometry.applications import application
from sonometry.core import DataError, UsageError
from sonometry.core.parallel import unordered
from sonometry.io.read import read
from sonometry.workflows.cohort import Subject, simulate_cohort
from sonometry.workflows.simulate import simulation_of

pytestmark = pytest.mark.usefixtures("third_party")


def _rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_row_names_a_recording_that_can_be_read_and_its_truth(tmp_path):
    rows = _rows(simulate_cohort("echo_level", tmp_path / "cohort", n=3, seed=5))
    assert [row["clip_key"] for row in rows] == ["echo_level-5-000000", "echo_level-5-000001", "echo_level-5-000002"]
    for row in rows:
        assert read(tmp_path / "cohort" / row["path"]).n_frames == 4
        with np.load(tmp_path / "cohort" / row["truth_path"]) as truth:
            assert truth["level"].shape == (4,)
        assert (row["kind"], row["plane"], row["vendor"]) == ("cine", "sagittal", "Sonometry")


def test_each_clip_is_a_subject_of_its_own(tmp_path):
    rows = _rows(simulate_cohort("echo_level", tmp_path / "cohort", n=3))
    assert len({row["subject_key"] for row in rows}) == 3


def test_the_same_seed_gives_the_same_files(tmp_path):
    one, other = (simulate_cohort("echo_level", tmp_path / name, n=2, seed=1).parent for name in "ab")
    assert _content(one) == _content(other)


def test_seeds_of_two_cohorts_share_no_clip():
    level = simulation_of("echo_level")
    seeds = {Subject(level, None, Path(), cohort, index).seed for cohort in range(20) for index in range(50)}
    assert len(seeds) == 1000


def test_a_cohort_grows_and_keeps_what_is_there(tmp_path):
    folder = simulate_cohort("echo_level", tmp_path / "cohort", n=2, seed=1).parent
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name != "manifest.csv"}
    rows = _rows(simulate_cohort("echo_level", folder, n=3, seed=1))
    assert len(rows) == 3
    assert {name: (folder / name).stat().st_mtime_ns for name in times} == times


def test_a_clip_that_was_lost_is_made_again(tmp_path):
    folder = simulate_cohort("echo_level", tmp_path / "cohort", n=2, seed=1).parent
    before = _content(folder)
    (folder / "echo_level-1-000001.truth.npz").unlink()
    simulate_cohort("echo_level", folder, n=2, seed=1)
    assert _content(folder) == before


@pytest.mark.parametrize(("change", "what"), [({"seed": 2}, "seed"), ({"level": 0.6}, "options")])
def test_a_cohort_made_otherwise_is_not_mixed(tmp_path, change, what):
    folder = simulate_cohort("echo_level", tmp_path / "cohort", n=1, seed=1).parent
    with pytest.raises(UsageError, match=f"cohort holds recordings with another {what}; choose another --out DIR"):
        simulate_cohort("echo_level", folder, n=1, **{"seed": 1, **change})


def test_a_foreign_manifest_is_not_touched(tmp_path):
    (tmp_path / "manifest.csv").write_text("clip_key\n")
    with pytest.raises(UsageError, match=r"holds a manifest but no simulation\.json"):
        simulate_cohort("echo_level", tmp_path, n=1)


def test_processes_give_the_same_files_as_one(tmp_path):
    one = simulate_cohort("echo_level", tmp_path / "a", n=3, seed=1).parent
    other = simulate_cohort("echo_level", tmp_path / "b", n=3, seed=1, workers=2).parent
    assert _content(one) == _content(other)


def _fail_on_two(item: int) -> int:
    if item == 2:
        raise DataError("item 2 is broken")
    return item


def test_an_error_in_one_process_ends_all_with_its_own_text():
    with pytest.raises(DataError, match="item 2 is broken"):
        list(unordered(_fail_on_two, range(50), workers=2))


def test_a_clip_that_fails_leaves_nothing_of_itself(tmp_path, monkeypatch):
    def simulate(seed, options=None):
        raise DataError("no such disc")

    broken = replace(application("echo_level"), simulate=simulate)
    with pytest.raises(DataError, match="no such disc"):
        simulate_cohort(broken, tmp_path / "cohort", n=1)
    assert [path.name for path in (tmp_path / "cohort").iterdir()] == ["simulation.json"]


@pytest.mark.parametrize(
    ("n", "seed", "message"), [(0, 0, "--n must be 1 or more"), (1, -1, "--seed must be 0 or more")]
)
def test_numbers_that_cannot_be_are_wrong_calls(tmp_path, n, seed, message):
    with pytest.raises(UsageError, match=message):
        simulate_cohort("echo_level", tmp_path / "cohort", n=n, seed=seed)


def test_simulating_in_memory_takes_options_by_name():
    recording, truth = sm.simulate("echo_level", seed=1, n_frames=6)
    assert recording.n_frames == 6
    assert truth["level"].shape == (6,)


def test_an_unknown_option_of_a_simulation_names_the_nearest():
    with pytest.raises(UsageError, match="unknown option 'n_frame'; did you mean 'n_frames'"):
        sm.simulate("echo_level", n_frame=6)
