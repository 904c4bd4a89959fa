"""Measuring the view of simulated and of useless recordings with the shipped network."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import sonometry as sm
from sonometry.applications.view import APPLICATION
from sonometry.applications.view.calibrate import write_calibration
from sonometry.applications.view.classify import class_names_of, classify, in_order, preparation_of
from sonometry.applications.view.config import ViewConfig
from sonometry.applications.view.labels import CLASS_NAMES
from sonometry.applications.view.measure import CLIPS, FRAMES, TRAINED_ON_SIMULATION, load_networks, measure
from sonometry.applications.view.prepare import ContentPicture, clip_box, grey_scale
from sonometry.applications.view.sections import figures
from sonometry.applications.view.truth import check_truth, cohort, simulate
from sonometry.core import Cine, RFFrames, Status
from sonometry.core.echo_views import EchoView
from sonometry.core.errors import DataError, UsageError
from sonometry.models.inference import load_network, shipped_weights
from sonometry.simulation.phantoms.heart import View
from sonometry.simulation.phantoms.heart.cohorts import ViewSimulation

FOUR_CHAMBERS = ViewSimulation(view=View.A4C, frames=4, fps=8, size_px=(180, 240), quality=0.9, vendor="aurelia")


@cache
def clip() -> Cine:
    return simulate(3, FOUR_CHAMBERS).recording


@cache
def findings(**options):
    return measure(clip(), ViewConfig(**options))


def value(found, name: str):
    return next(m for m in found.measurements if m.name == name)


def test_a_simulated_view_is_named_with_its_probability():
    found = findings()
    assert value(found, "view").value == "A4C"
    assert value(found, "view_probability").value > 0.5
    assert value(found, "none_probability").value < 0.5
    assert TRAINED_ON_SIMULATION in found.warnings


def test_fields_hold_every_frame_under_the_names_of_the_design():
    fields = findings().fields
    assert fields["view_names"].tolist() == [v.value for v in EchoView]
    assert fields["frame_probabilities"].shape == (4, 8)
    assert np.allclose(fields["frame_probabilities"].sum(axis=1) + fields["none_probability"], 1, atol=1e-5)


def test_a_long_clip_has_probabilities_for_all_frames_though_few_were_classified():
    found = findings(most_frames=2)
    assert found.fields["frame_probabilities"].shape == (4, 8)
    assert len(np.unique(found.fields["none_probability"])) == 2
    assert any("2 of 4 frames were classified" in warning for warning in found.warnings)


@pytest.mark.parametrize("method", ["vote", "temporal"])
def test_other_ways_of_joining_frames_name_the_same_clear_view(method):
    assert value(findings(method=method), "view").value == "A4C"


def test_agreement_is_the_share_of_frames_that_alone_give_the_label():
    found = findings(method="vote", abstain_at=1.0)
    names = found.fields["view_names"][found.fields["frame_probabilities"].argmax(axis=1)]
    assert value(found, "frame_agreement").value == (names == value(found, "view").value).mean()


def test_a_still_is_measured():
    still = replace(clip(), pixels=clip().pixels[:1], frame_times_s=clip().frame_times_s[:1])
    assert value(measure(still, ViewConfig()), "view").value == "A4C"


def test_floating_point_levels_between_0_and_1_are_the_same_picture():
    scaled = replace(clip(), pixels=(clip().pixels / 255).astype(np.float32))
    same = measure(scaled, ViewConfig()).fields["frame_probabilities"]
    assert np.allclose(same, findings().fields["frame_probabilities"], atol=0.02)
    assert grey_scale(clip()) == 1


@pytest.mark.parametrize("kind", ["noise", "text", "black", "grey"])
def test_what_is_no_heart_is_not_named(kind):
    rng = np.random.default_rng(5)
    pixels = {
        "noise": rng.integers(0, 256, (3, 120, 160)),
        "text": np.where(np.indices((3, 120, 160))[1] % 12 < 2, 230, 0),
        "black": np.zeros((3, 120, 160)),
        "grey": np.full((3, 120, 160), 90),
    }[kind]
    found = measure(Cine(pixels.astype(np.uint8), frame_times_s=np.arange(3) / 20), ViewConfig())
    assert value(found, "view").status is Status.WITHHELD
    assert all(m.status is not Status.OK for m in found.measurements)


def test_the_known_sector_is_what_is_looked_at():
    sector = np.zeros(clip().shape[1:], bool)
    sector[20:100, 60:180] = True
    box = clip_box(replace(clip(), sector=sector))
    assert box.top >= 12
    assert box.left >= 55
    assert box.right <= 185


def test_another_kind_of_recording_is_refused():
    rf = RFFrames(np.ones((1, 64, 4), np.float32), sampling_rate_hz=4e7, centre_frequency_hz=5e6, line_pitch_m=3e-4)
    with pytest.raises(UsageError, match="view needs a B-mode image or cine, got a rf"):
        measure(rf, ViewConfig())


def test_weights_with_labels_that_are_no_views_are_refused():
    with pytest.raises(DataError, match=r"name the classes A4C, LIVER; expected some of A2C, A3C"):
        class_names_of({"class_names": ["A4C", "LIVER"]}, "mine")
    with pytest.raises(DataError, match=r"name the classes \(none\)"):
        class_names_of({}, "mine")


def test_scores_are_put_in_their_places_by_name():
    placed = in_order(np.array([[1.0, 5.0]]), ("PLAX", "A2C"))
    assert placed[0, CLASS_NAMES.index("A2C")] == 5
    assert placed[0, CLASS_NAMES.index("PLAX")] == 1
    assert (np.delete(placed[0], [0, 4]) < -20).all()


def test_a_network_of_whole_frames_gets_whole_frames():
    assert preparation_of({"rows": 60, "columns": 80, "fit": "stretch"}).size == (60, 80)
    assert preparation_of({"rows": 96}) == ContentPicture(96)


def test_the_clip_network_stands_on_the_shipped_frame_network():
    assert (
        load_network(shipped_weights(CLIPS)).metadata["embeddings_of"] == load_network(shipped_weights(FRAMES)).sha256
    )


def test_weights_without_a_clip_network_cannot_be_temporal(tmp_path):
    for suffix in (".onnx", ".json"):
        source = shipped_weights(FRAMES).with_suffix(suffix)
        (tmp_path / source.name).write_bytes(source.read_bytes())
    assert load_networks(ViewConfig(weights=tmp_path)).frames.name == FRAMES
    with pytest.raises(UsageError, match=r"--method temporal needs view-clips\.onnx"):
        load_networks(ViewConfig(weights=tmp_path, method="temporal"))


def test_a_calibration_is_written_beside_the_weights(tmp_path):
    source = shipped_weights(FRAMES)
    for suffix in (".onnx", ".json"):
        (tmp_path / source.with_suffix(suffix).name).write_bytes(source.with_suffix(suffix).read_bytes())
    write_calibration(tmp_path / source.name, {"temperature": 7.5})
    metadata = json.loads((tmp_path / source.name).with_suffix(".json").read_text())
    assert metadata["temperature"] == 7.5
    assert metadata["class_names"] == list(CLASS_NAMES)
    with pytest.raises(DataError, match=r"nothing\.json beside the weights cannot be read"):
        write_calibration(tmp_path / "nothing.onnx", {})


def test_scores_do_not_depend_on_the_batch():
    network = load_network(shipped_weights(FRAMES))
    repeated = replace(clip(), pixels=np.tile(clip().pixels, (5, 1, 1)), frame_times_s=np.arange(20) / 20)
    one, many = (classify(c, network, most_frames=100).logits for c in (clip(), repeated))
    assert np.allclose(np.tile(one, (5, 1)), many, atol=1e-3)


def test_figures_show_frames_time_and_labels():
    names = [figure.name for figure in figures(clip(), findings(), ViewConfig())]
    assert names == ["frames", "probabilities", "labels"]


def test_an_unclassified_recording_shows_its_first_frame():
    black = Cine(np.zeros((2, 50, 60), np.uint8), frame_times_s=np.arange(2) / 20)
    (figure,) = figures(black, measure(black, ViewConfig()), ViewConfig())
    assert figure.caption == "As recorded; it was not classified."


def test_truth_names_the_view_of_every_frame():
    made = simulate(3, FOUR_CHAMBERS)
    named = [made.truth["view_names"][i] for i in made.truth["frame_probabilities"].argmax(axis=1)]
    assert named == ["A4C"] * 4
    assert all(check.holds for check in check_truth(findings(), made.truth))


def test_another_view_as_truth_is_an_error():
    truth = simulate(3, replace(FOUR_CHAMBERS, view=View.PLAX)).truth
    assert not any(check.holds for check in check_truth(findings(), truth))


def test_nothing_classified_is_an_infinite_error():
    withheld = APPLICATION.withhold_all("no", method=value(findings(), "view").method)
    (check,) = check_truth(withheld, {})
    assert check.error == float("inf")


@pytest.mark.slow
def test_a_cohort_gives_the_clips_of_a_patient_with_their_views():
    made = list(cohort(1, 0, ViewSimulation(clips=2, frames=2, size_px=(120, 160))))
    assert len({one.labels["subject_key"] for one in made}) == 1
    assert all(set(one.truth) >= {"frame_probabilities", "none_probability"} for one in made)


@pytest.mark.slow
def test_pydicoms_cardiac_cine_is_named_or_refused_with_a_reason(tmp_path):
    from pydicom import examples

    report = sm.measure(examples.get_path("ybr_color"), app="view", out=tmp_path)
    view = report["view"]
    assert view.value in {v.value for v in EchoView} or view.reasons
    assert (tmp_path / "report.html").exists()
