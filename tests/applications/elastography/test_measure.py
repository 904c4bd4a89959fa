"""Measurements of a pair: true values, honest intervals, and refusals instead of exceptions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sonometry.applications.elastography import APPLICATION
from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.measure import measure
from sonometry.applications.elastography.simulate import SimulationConfig, simulate
from sonometry.core import Findings, RFFrames, Status, UsageError
from sonometry.core.signals import Signals

REGION_MM = (-1.0, 13.0, 3.0, 17.0)


def by_name(findings: Findings):
    return {m.name: m for m in findings.measurements}


@pytest.fixture(scope="module")
def findings(pair):
    return measure(pair.recording, ElastographyConfig(region_mm=REGION_MM))


def test_mean_strain_is_that_of_the_truth(findings, pair):
    truth = float(pair.truth["axial_strain"][findings.fields["valid"]].mean())
    # 0.5 % of 1 %: the model error that the interval allows for is 0.4 %.
    assert by_name(findings)["mean_axial_strain"].value == pytest.approx(truth, abs=5e-5)


def test_displacement_range_is_that_of_the_truth(findings, pair):
    low, high = np.percentile(pair.truth["axial_displacement_m"][findings.fields["valid"]], [1, 99])
    named = by_name(findings)
    # A tenth of a sample: at the upper edge of the image, where the largest displacement is, windows are cut.
    tolerance_m = 0.1 * pair.recording.axial_step_m
    assert named["axial_displacement_minimum"].value == pytest.approx(low, abs=tolerance_m)
    assert named["axial_displacement_maximum"].value == pytest.approx(high, abs=tolerance_m)
    assert named["axial_displacement_range"].value == pytest.approx(high - low, abs=tolerance_m)


def test_strain_ratio_of_the_named_region_is_that_of_the_truth(findings, pair):
    depth_mm, lateral_mm = 1e3 * pair.truth["depth_m"][:, None], 1e3 * pair.truth["lateral_m"]
    rows = (depth_mm >= 13) & (depth_mm <= 17)
    inside = rows & (lateral_mm >= -1) & (lateral_mm <= 3)
    gap_mm = 0.5 * np.sqrt(16 / np.pi)
    beside = rows & ((lateral_mm < -1 - gap_mm) | (lateral_mm > 3 + gap_mm))
    strain = pair.truth["axial_strain"]
    # 3 %: the strain window of 1.8 mm reaches beyond the box of 4 mm.
    assert by_name(findings)["strain_ratio"].value == pytest.approx(
        strain[beside].mean() / strain[inside].mean(), rel=0.03
    )


def test_everything_is_ok_for_a_good_pair_with_a_named_region(findings):
    assert {m.status for m in findings.measurements} == {Status.OK}


def test_every_declared_plain_output_is_given_with_an_interval(findings):
    named = by_name(findings)
    assert set(named) == {o.name for o in APPLICATION.outputs if o.unit != "dB"}
    assert {name for name, m in named.items() if m.interval is None} == {"valid_share"}
    assert all(m.interval.low <= m.value <= m.interval.high for m in named.values() if m.interval)


def test_fields_are_those_of_the_design_on_the_grid_of_the_rf(findings, pair):
    grid = pair.recording.samples.shape[1:]
    images = ("axial_displacement_m", "lateral_displacement_m", "axial_strain", "quality", "valid")
    deviations = {"axial_strain_sd", "axial_displacement_sd_m"}
    assert set(findings.fields) == {*images, *deviations, "depth_m", "lateral_m", "pair_frames"}
    assert all(findings.fields[name].shape == grid for name in images)
    assert findings.fields["valid"].dtype == np.bool_
    assert 0 <= findings.fields["quality"].min() <= findings.fields["quality"].max() <= 1


def test_paper_formula_adds_decibels_and_keeps_the_plain_ratios(pair, findings):
    named = by_name(measure(pair.recording, ElastographyConfig(region_mm=REGION_MM, formula="paper")))
    plain = by_name(findings)["cnr_e"].value
    assert named["cnr_e"].value == plain
    assert named["cnr_e_db"].value == pytest.approx(20 * np.log(plain), rel=1e-9)
    assert named["snr_e_db"].unit == "dB"


def test_formula_stands_in_the_name_of_the_method(findings):
    assert "sqrt(2 (a - b)^2 / (var a + var b))" in by_name(findings)["cnr_e"].method.name


def test_found_region_is_limited_and_says_that_it_was_found(pair):
    findings = measure(pair.recording, ElastographyConfig())
    ratio = by_name(findings)["strain_ratio"]
    assert ratio.status is Status.LIMITED
    assert "found as the strain contrast" in ratio.reasons[0]
    assert any("found as the strain contrast" in warning for warning in findings.warnings)


def test_even_tissue_withholds_the_contrast_and_keeps_the_strain(even_pair):
    named = by_name(measure(even_pair.recording, ElastographyConfig()))
    assert named["mean_axial_strain"].status is Status.OK
    assert named["cnr_e"].status is Status.WITHHELD
    assert "no compact area stands out" in named["cnr_e"].reasons[0]


@pytest.mark.parametrize("method", ["am2d", "ncc", "glue"])
@pytest.mark.parametrize("estimator", ["least-squares", "kalman"])
def test_every_method_and_estimator_recovers_the_strain_image(pair, method, estimator):
    options = ElastographyConfig(method=method, strain_estimator=estimator, region_mm=REGION_MM)
    findings = measure(pair.recording, options)
    rows = slice(160, -160)
    error = (findings.fields["axial_strain"] - pair.truth["axial_strain"])[rows, 5:-5]
    # The issue asks for 1.2e-3 of each pair; the steep edge of a small stiff inclusion takes most of it.
    assert np.sqrt(np.mean(error**2)) < 1.2e-3


def test_frames_of_different_tissue_are_withheld_with_the_lost_share(unrelated):
    findings = measure(unrelated, ElastographyConfig())
    named = by_name(findings)
    assert named["mean_axial_strain"].status is Status.WITHHELD
    assert "lock was lost in" in named["mean_axial_strain"].reasons[0]
    assert Status.OK not in {m.status for m in findings.measurements}


def test_warped_correlation_of_a_lost_pair_is_stated(unrelated):
    named = by_name(measure(unrelated, ElastographyConfig()))
    assert named["warped_correlation"].status is Status.LIMITED
    assert named["warped_correlation"].value < 0.3


def test_identical_frames_have_no_motion_and_no_contrast(pair):
    still = replace(pair.recording, samples=np.stack([pair.recording.samples[0]] * 2))
    findings = measure(still, ElastographyConfig())
    named = by_name(findings)
    assert named["mean_axial_strain"].value == 0
    assert named["mean_axial_strain"].status is Status.LIMITED
    assert "identical" in named["mean_axial_strain"].reasons[0]
    assert named["cnr_e"].status is Status.WITHHELD
    assert not findings.fields["axial_displacement_m"].any()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda samples: samples[:1], "one frame was given"),
        (lambda samples: np.zeros_like(samples), "constant"),
        (lambda samples: np.stack([samples[0], np.full_like(samples[0], 3.0)]), "constant"),
        (lambda samples: np.abs(samples), "envelope or a B-mode image"),
        (lambda samples: samples[:, :100], "100 samples x 64 lines"),
        (lambda samples: samples[:, :, :2], "x 2 lines"),
    ],
)
def test_input_that_holds_no_pair_is_withheld_with_its_reason(pair, spoil, reason):
    recording = replace(pair.recording, samples=np.ascontiguousarray(spoil(pair.recording.samples)))
    findings = measure(recording, ElastographyConfig())
    assert {m.status for m in findings.measurements} == {Status.WITHHELD}
    assert all(reason in m.reasons[0] for m in findings.measurements)


def test_wrong_centre_frequency_is_withheld_and_names_the_flag(pair):
    wrong = replace(pair.recording, centre_frequency_hz=1e6)
    findings = measure(wrong, ElastographyConfig())
    assert "check --centre-mhz" in findings.measurements[0].reasons[0]
    assert "strongest at" in findings.measurements[0].reasons[0]


def test_centre_frequency_that_is_somewhat_off_is_measured_with_a_warning(pair):
    findings = measure(replace(pair.recording, centre_frequency_hz=4.2e6), ElastographyConfig())
    assert by_name(findings)["mean_axial_strain"].value is not None
    assert any("check --centre-mhz" in warning for warning in findings.warnings)


def test_signals_are_refused_by_name():
    signals = Signals(("a",), ("V",), np.zeros((5, 1)), 100.0)
    with pytest.raises(UsageError, match="elastography needs RF frames, got a signals"):
        measure(signals, ElastographyConfig())


def test_pair_beyond_the_recording_is_refused(pair):
    with pytest.raises(UsageError, match="--pair must name frames 0 to 1 of this recording, got 0 4"):
        measure(pair.recording, ElastographyConfig(pair=(0, 4)))


def test_named_constant_frame_is_withheld(pair):
    samples = np.concatenate([pair.recording.samples, np.zeros_like(pair.recording.samples[:1])])
    findings = measure(replace(pair.recording, samples=samples), ElastographyConfig(pair=(0, 2)))
    assert "frame 2 is constant" in findings.measurements[0].reasons[0]


def test_doubled_sampling_and_pitch_leave_the_strain_and_scale_the_displacement(pair, findings):
    """The same samples said to be twice as far apart in depth: half the rate, half the frequency, twice the pitch."""
    halved = replace(
        pair.recording,
        sampling_rate_hz=pair.recording.sampling_rate_hz / 2,
        centre_frequency_hz=pair.recording.centre_frequency_hz / 2,
        line_pitch_m=2 * pair.recording.line_pitch_m,
    )
    region = tuple(2 * v for v in REGION_MM)
    options = ElastographyConfig(region_mm=region, strain_window_mm=3.6)
    scaled, once = by_name(measure(halved, options)), by_name(findings)
    assert scaled["mean_axial_strain"].value == pytest.approx(once["mean_axial_strain"].value, rel=0.01)
    assert scaled["axial_displacement_range"].value == pytest.approx(
        2 * once["axial_displacement_range"].value, rel=0.01
    )


@pytest.mark.parametrize("gain", [1e-30, 1e30])
def test_gain_of_the_recording_changes_nothing(pair, findings, gain):
    louder = replace(pair.recording, samples=(pair.recording.samples * gain).astype(np.float32))
    again = measure(louder, ElastographyConfig(region_mm=REGION_MM))
    np.testing.assert_allclose(again.fields["axial_strain"], findings.fields["axial_strain"], atol=1e-5)


def test_offset_of_the_samples_changes_nothing(pair, findings):
    shifted = (pair.recording.samples / np.abs(pair.recording.samples).max() * 2000 + 2048).astype(np.float32)
    again = measure(replace(pair.recording, samples=shifted), ElastographyConfig(region_mm=REGION_MM))
    np.testing.assert_allclose(again.fields["axial_strain"], findings.fields["axial_strain"], atol=1e-4)


def test_empty_margins_do_not_limit_the_rest(pair):
    samples = pair.recording.samples.copy()
    samples[:, :, :12] = 0
    samples[:, 1200:] = 0
    findings = measure(replace(pair.recording, samples=samples), ElastographyConfig(region_mm=REGION_MM))
    mean = by_name(findings)["mean_axial_strain"]
    assert mean.status is Status.OK
    # 3 %: beside the cut the echo stays where it is, which a margin of one strain window leaves out but for a rest.
    assert mean.value == pytest.approx(float(pair.truth["axial_strain"][findings.fields["valid"]].mean()), rel=0.03)


def test_mirrored_lines_mirror_the_images(pair, findings):
    mirrored = replace(pair.recording, samples=np.ascontiguousarray(pair.recording.samples[:, :, ::-1]))
    fields = measure(mirrored, ElastographyConfig(region_mm=(-3.0, 13.0, 1.0, 17.0))).fields
    inner = np.s_[100:-100, 3:-3]
    strain = fields["axial_strain"][:, ::-1] - findings.fields["axial_strain"]
    lateral = fields["lateral_displacement_m"][:, ::-1] + findings.fields["lateral_displacement_m"]
    assert np.sqrt(np.mean(strain[inner] ** 2)) < 1e-4
    assert np.sqrt(np.mean(lateral[inner] ** 2)) < 5e-6


def test_sequence_gives_the_strain_of_the_pairs_that_lead_through_it(sequence):
    findings = measure(sequence.recording, ElastographyConfig(region_mm=REGION_MM))
    pairs = findings.fields["sequence_pairs"]
    assert findings.fields["axial_strain_sequence"].shape == (len(pairs), *sequence.recording.samples.shape[1:])
    assert 4 not in pairs, "the last frame shows other tissue"
    assert all(a < b for a, b in pairs)


def test_sequence_fields_are_absent_where_they_are_not_wanted(sequence):
    findings = measure(sequence.recording, ElastographyConfig(sequence=False, pair=(0, 3), region_mm=REGION_MM))
    assert "axial_strain_sequence" not in findings.fields
    assert findings.fields["pair_frames"].tolist() == [0, 3]


@pytest.mark.slow
def test_intervals_hold_the_true_strain_about_as_often_as_they_say():
    """Mean strain of the valid pixels and of a box, over compressions and noise, with both trackers."""
    held = []
    for seed in range(30):
        made = simulate(
            seed,
            SimulationConfig(
                compression=(0.003, 0.01, 0.02)[seed % 3], snr_db=(30.0, 20.0, 10.0)[seed // 3 % 3], inclusion_kpa=60.0
            ),
        )
        options = ElastographyConfig(region_mm=(-3.0, 22.0, 3.0, 28.0), method=("am2d", "glue")[seed % 2])
        findings = measure(made.recording, options)
        held += [_holds_truth(findings, made, name) for name in ("mean_axial_strain", "region_strain")]
    # 60 intervals of 95 %: fewer than 51 would have a probability below 0.001 %.
    assert sum(held) >= 51


def _holds_truth(findings, made, name):
    depth_mm, lateral_mm = 1e3 * made.truth["depth_m"][:, None], 1e3 * made.truth["lateral_m"]
    mask = findings.fields["valid"]
    if name == "region_strain":
        mask = mask & (depth_mm >= 22) & (depth_mm <= 28) & (np.abs(lateral_mm) <= 3)
    interval = by_name(findings)[name].interval
    return interval.low <= float(made.truth["axial_strain"][mask].mean()) <= interval.high


@pytest.mark.data
@pytest.mark.parametrize("name", ["299", "300"])
def test_arm_sequences_are_measured_and_their_whole_span_is_flagged(shared_data, name):
    recording = arm(shared_data / "elastography/arm_in_vivo" / name)
    best = by_name(measure(recording, ElastographyConfig(sequence=False)))
    assert best["mean_axial_strain"].status is Status.OK
    assert best["warped_correlation"].value > 0.85
    assert -0.01 < best["mean_axial_strain"].value < 0
    whole = by_name(measure(recording, ElastographyConfig(pair=(0, 5), sequence=False)))
    assert whole["mean_axial_strain"].status is not Status.OK
    assert "lock was lost in" in whole["mean_axial_strain"].reasons[0]


@pytest.mark.data
def test_mouse_liver_is_no_compression_pair_and_nothing_of_it_is_ok(shared_data):
    import SimpleITK as sitk

    image = sitk.GetArrayFromImage(sitk.ReadImage(str(shared_data / "elastography/mouse_liver/MouseLiverRF.mha")))
    samples = np.ascontiguousarray(image.transpose(0, 2, 1), dtype=np.float32)
    findings = measure(RFFrames(samples, 40e6, 10e6, 0.1e-3), ElastographyConfig(sequence=False))
    assert Status.OK not in {m.status for m in findings.measurements}


def arm(folder):
    """The six frames of one forearm as RF (raw float32 beside MetaImage headers: 2000 samples of 128 lines)."""
    files = [folder / f"igtlTestImage{k}.raw" for k in range(1, 7)]
    samples = np.stack([np.fromfile(file, "<f4").reshape(2000, 128) for file in files])
    return RFFrames(samples, 38.5e6, 5e6, 0.2e-3)
