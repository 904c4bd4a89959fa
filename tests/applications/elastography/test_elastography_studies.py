"""Studies print the paper's rows and ours from the same formulas, and go on where they were interrupted."""

from __future__ import annotations

import numpy as np
import pytest

from sonometry.applications.elastography import study_pairs, study_results
from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.studies import studies
from sonometry.applications.elastography.study_ablation import DISPLACEMENT_VARIANTS, STRAIN_VARIANTS
from sonometry.applications.elastography.study_pairs import Numbers, cached_numbers, mean_and_sd, numbers_of
from sonometry.core.paper_study import StudyRequest
from sonometry.io.facts import Facts
from sonometry.workflows.study import study


@pytest.fixture(scope="module")
def image_and_pair():
    pair = study_pairs.test_pair(2)
    return study_pairs.measured(pair, ElastographyConfig(method="am2d")), pair


def test_there_is_a_study_for_every_table_and_figure():
    assert [s.name for s in studies()] == ["table1", "table2", "table3", "table4", "fig2"]


def test_numbers_of_a_good_strain_image_are_near_those_of_the_truth(image_and_pair):
    found = numbers_of(image_and_pair[1], image_and_pair[0])
    assert found.snr_e == pytest.approx(found.true_snr_e, rel=0.1)
    assert found.cnr_e == pytest.approx(found.true_cnr_e, rel=0.1)
    assert found.displacement_rmse_samples < 0.02


def test_decibels_of_the_paper_are_ten_times_the_natural_logarithm_of_power(image_and_pair):
    found = numbers_of(image_and_pair[1], image_and_pair[0])
    assert found.cnr_e_db == pytest.approx(20 * np.log(found.cnr_e))


def test_numbers_are_kept_and_not_measured_twice(tmp_path):
    calls = []

    def make() -> Numbers:
        calls.append(1)
        return Numbers(*(float(k) for k in range(9)))

    first = cached_numbers(tmp_path / "a" / "b.json", make)
    assert cached_numbers(tmp_path / "a" / "b.json", make) == first
    assert len(calls) == 1


def test_files_of_one_frame_in_one_folder_are_a_sequence(tmp_path):
    frames = np.random.default_rng(0).standard_normal((2, 256, 16)).astype(np.float32)
    facts = Facts(sampling_mhz=40.0, centre_mhz=6.0, pitch_mm=0.3)
    paths = []
    for folder, content in (("a", frames[0]), ("a", frames[1]), ("b", frames), ("c", frames[0])):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths.append(tmp_path / folder / f"{len(paths)}.npy")
        np.save(paths[-1], content)
    request = StudyRequest(data=tuple(paths), cache=tmp_path / "partial", facts=facts)
    found = study_results._recordings(request)
    assert {title: len(recording.samples) for title, recording in found.items()} == {
        "2.npy": 2, "0.npy to 1.npy": 2, "3.npy": 1,
    }  # fmt: skip


def test_mean_and_deviation_are_printed_as_in_the_paper():
    assert mean_and_sd(np.array([1.0, 3.0])) == "2 ± 1.414"
    assert mean_and_sd(np.array([1.5])) == "1.5"


def test_the_tables_hold_the_rows_of_the_paper():
    """Eleven rows each: the configuration of the paper and ten changes of one thing."""
    assert len(DISPLACEMENT_VARIANTS) == len(STRAIN_VARIANTS) == 11
    assert all(len(v.changes) == 1 for v in DISPLACEMENT_VARIANTS[1:])
    assert all(v.changes["layers"] in (3, 4, 5) for v in STRAIN_VARIANTS)


def test_table_1_has_the_paper_beside_every_method(tmp_path, monkeypatch):
    """On one pair and two methods, which need no weights."""
    methods = tuple((name, c) for name, c in study_pairs.METHODS if name in ("AM2D, Kalman", "GLUE"))
    monkeypatch.setattr(study_results, "METHODS", methods)
    monkeypatch.setattr(study_results.study_figures, "image_pairs", lambda n, methods: ())
    monkeypatch.setattr(study_results, "QUICK_PAIRS", 1)
    result = study_results.table1(StudyRequest((), tmp_path, quick=True))
    printed, plain = result.tables
    assert [row[0] for row in printed.rows] == ["paper: its network", "paper: AM-Kalman", "AM2D, Kalman", "GLUE"]
    assert [row[0] for row in plain.rows] == ["AM2D, Kalman", "GLUE", "truth"]
    assert float(plain.rows[0][3]) < 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning:lightning", "ignore::Warning:torch", "ignore::FutureWarning")
def test_table_4_trains_and_tests_every_variant(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from sonometry.applications.elastography import study_ablation

    monkeypatch.setattr(study_ablation, "QUICK", study_ablation.Size(2, 16, 1, 1))
    monkeypatch.setattr(study_ablation, "STRAIN_VARIANTS", study_ablation.STRAIN_VARIANTS[:2])
    result = study("elastography/table4", out=tmp_path / "out", quick=True)
    assert [row[1] for row in result.tables[0].rows] == ["paper", "ours"] * 2
    assert (tmp_path / "out" / "table-1.csv").is_file()
