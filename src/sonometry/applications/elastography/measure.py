"""RF recording to measurements: choose the pair, track it, judge it, and state each number with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sonometry.applications.elastography import APPLICATION, contrast, pairs
from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.displacement import CLASSICAL, weights_digest
from sonometry.applications.elastography.quality import ECHO_BAND, echo_spectrum, unmeasurable
from sonometry.applications.elastography.sequence import TemporalFilter
from sonometry.applications.elastography.strain_image import StrainImage, applied_strain, strain_image
from sonometry.applications.elastography.uncertainty import (
    Noise,
    around,
    cell_sums,
    displacement_error_m,
    mean_strain_error,
    resampled,
)
from sonometry.core.application import Findings, Progress, no_progress
from sonometry.core.errors import UsageError
from sonometry.core.measurement import Interval, Measurement, Method, Status
from sonometry.core.report import Report
from sonometry.core.rf import RFFrames
from sonometry.core.study import Recording

#: Percentiles that stand for the smallest and the largest displacement.
LOWEST, HIGHEST = 1.0, 99.0
METHOD_NAMES = {
    "sonometry": "AM2D corrected by a network trained on simulation",
    "wu2018": "Wu et al. 2018, two networks trained on simulation",
    "am2d": "AM2D, 2-D analytic minimisation",
    "ncc": "windowed normalised cross-correlation",
    "glue": "GLUE, global system of all samples",
}


SIMULATION_ONLY = "The weights of this method were trained on simulation alone."


def measure(
    recording: Recording,
    config: ElastographyConfig,
    *,
    prerequisites: Mapping[str, Report] | None = None,
    progress: Progress = no_progress,
) -> Findings:
    """Displacement, strain and contrast of the best or the given pair of an RF recording.

    Input that cannot be measured (one frame, constant, no RF, decorrelated) gives withheld measurements with reasons.
    Raises UsageError for a recording of another kind or a `pair` that it does not have.
    """
    if not isinstance(recording, RFFrames):
        raise UsageError(f"elastography needs RF frames, got a {recording.kind}")
    method = _method(config)
    if config.pair is not None:
        pairs.check_pair_option(config.pair, recording.n_frames)
    reason = unmeasurable(recording) or _given_pair_constant(recording, config)
    if reason is not None:
        return APPLICATION.withhold_all(reason, method=method)
    recording = _at_scale_one(recording)
    scores = pairs.PairScores(recording, config)
    pair = _choose(recording, config, scores, progress)
    progress(0.4, "tracking")
    image = strain_image(recording, pair, config)
    progress(0.7, "measuring")
    measurements, notes = _measurements(recording, image, config, method)
    fields = _fields(recording, image)
    if config.sequence and recording.n_frames > 2:
        fields |= _sequence_fields(recording, config, scores, progress)
    progress(1.0, "measured")
    return Findings(measurements, fields, (*_warnings(recording, image, config), *notes))


def _method(config: ElastographyConfig) -> Method:
    """What the report names as the source of its numbers. Raises DataError for weights that cannot be used."""
    is_learned, estimator = config.method not in CLASSICAL, config.strain_estimator
    if estimator == "automatic":
        estimator = "its own" if is_learned else "least-squares"
    digest = weights_digest(config.method, config.weights) if is_learned else None
    return Method(f"{METHOD_NAMES[config.method]}; {estimator} strain", APPLICATION.version, digest)


def _given_pair_constant(recording: RFFrames, config: ElastographyConfig) -> str | None:
    """Why the pair the user named holds no echo; None if it does or none was named."""
    for frame in config.pair or ():
        if np.ptp(recording.samples[frame]) == 0:
            return f"frame {frame} is constant: it holds no echo; name other frames with --pair"
    return None


def _at_scale_one(recording: RFFrames) -> RFFrames:
    """The recording with a largest sample of 1: gain means nothing here, but squares in float32 overflow at 1e19."""
    largest = np.float32(max(-float(recording.samples.min()), float(recording.samples.max())))
    return replace(recording, samples=recording.samples / largest)


def _choose(
    recording: RFFrames, config: ElastographyConfig, scores: pairs.PairScores, progress: Progress
) -> tuple[int, int]:
    """The pair the user named, the only one there is, or the one that promises most."""
    if config.pair is not None:
        return config.pair
    if recording.n_frames == 2:
        return 0, 1
    return pairs.best_pair(scores, recording.n_frames, config, lambda share, step: progress(0.4 * share, step)).pair


def _warnings(recording: RFFrames, image: StrainImage, config: ElastographyConfig) -> tuple[str, ...]:
    """What the reader of the report should know about the pair and the recording."""
    said = list(image.notes)
    if config.method not in CLASSICAL:
        said.append(SIMULATION_ONLY)
    if config.pair is None and recording.n_frames > 2:
        said.append(
            f"Frames {image.pair[0]} and {image.pair[1]} (counted from 0) of {recording.n_frames} were chosen: "
            "of the pairs compared they promise the best strain image. Name others with --pair."
        )
    frequency_hz, power = echo_spectrum(recording.samples[image.pair[0]], recording.sampling_rate_hz)
    low, high = (edge * recording.centre_frequency_hz for edge in ECHO_BAND)
    band = (frequency_hz >= low) & (frequency_hz <= high)
    centre_hz = float((frequency_hz * power)[band].sum() / power[band].sum())
    if abs(centre_hz / recording.centre_frequency_hz - 1) > 0.2:
        said.append(
            f"The echo is centred at {centre_hz / 1e6:.1f} MHz, not at {recording.centre_frequency_hz / 1e6:g} MHz; "
            "check --centre-mhz and --sampling-mhz."
        )
    return tuple(said)


def _fields(recording: RFFrames, image: StrainImage) -> dict[str, np.ndarray]:
    """Arrays of fields.npz for the measured pair; the standard deviations only of a method that gives them."""
    deviations = {
        "axial_strain_sd": image.axial_strain_sd,
        "axial_displacement_sd_m": image.axial_displacement_sd_m,
    }
    return {
        "axial_displacement_m": image.axial_displacement_m,
        "lateral_displacement_m": image.lateral_displacement_m,
        "axial_strain": image.axial_strain,
        "quality": image.quality,
        "valid": image.valid,
        "depth_m": recording.depth_m,
        "lateral_m": recording.lateral_m,
        "pair_frames": np.array(image.pair),
        **{name: array for name, array in deviations.items() if array is not None},
    }


def _sequence_fields(
    recording: RFFrames, config: ElastographyConfig, scores: pairs.PairScores, progress: Progress
) -> dict[str, np.ndarray]:
    """Strain of the pairs that lead through the sequence, NaN where a pair lost lock."""
    chosen = pairs.chain(scores, recording.n_frames, config)
    strains = np.full((len(chosen), *recording.samples.shape[1:]), np.nan, np.float32)
    temporal = TemporalFilter(recording)
    for k, pair in enumerate(chosen):
        progress(0.75 + 0.25 * k / len(chosen), "tracking the sequence")
        image = strain_image(recording, pair, config)
        image = temporal.push(image) if config.temporal_filter else image
        strains[k][image.valid] = image.axial_strain[image.valid]
    return {"axial_strain_sequence": strains, "sequence_pairs": np.array(chosen, dtype=int).reshape(-1, 2)}


def _measurements(
    recording: RFFrames, image: StrainImage, config: ElastographyConfig, method: Method
) -> tuple[tuple[Measurement, ...], tuple[str, ...]]:
    """Every output of the application for one strain image, and notes on how they came about."""
    noise = Noise.of(recording, image, config.strain_window_mm * 1e-3)
    if image.verdict.status is Status.WITHHELD:
        return _withheld(image, noise, config, method), ()
    motion = _motion_measurements(recording, image, noise, config, method)
    compared, notes = contrast.contrast_measurements(recording, image, noise, config, method)
    return (*motion, *compared), notes


def _withheld(image: StrainImage, noise: Noise, config: ElastographyConfig, method: Method) -> tuple[Measurement, ...]:
    """Refusal of a pair that lost lock, beside the two numbers that say how far it was lost."""
    reasons = image.verdict.reasons
    known = {m.name: m for m in _trust_measurements(image, noise, config, method)}
    every = APPLICATION.withhold_all(*reasons, method=method).measurements
    return tuple(known.get(m.name, m) for m in every if config.formula == "paper" or m.unit != "dB")


def _trust_measurements(
    image: StrainImage, noise: Noise, config: ElastographyConfig, method: Method
) -> tuple[Measurement, ...]:
    """Correlation after motion compensation and valid share: limited where the pair is limited or withheld."""
    correlation, interval = _typical_quality(image, noise, config.seed)
    return (
        _measurement("warped_correlation", correlation, interval, image, method),
        _measurement("valid_share", image.verdict.valid_share, None, image, method),
    )


def _measurement(name: str, value: float, interval: Interval | None, image: StrainImage, method: Method) -> Measurement:
    output, verdict = APPLICATION.output(name), image.verdict
    status = Status.OK if verdict.status is Status.OK else Status.LIMITED
    return Measurement(name, value, output.unit, status, method, verdict.reasons, interval, output.display)


def _motion_measurements(
    recording: RFFrames, image: StrainImage, noise: Noise, config: ElastographyConfig, method: Method
) -> tuple[Measurement, ...]:
    """Strain, displacement and trust over all valid pixels."""
    valid = image.valid
    strain = float(image.axial_strain[valid].mean())
    applied = applied_strain(image, recording.axial_step_m)
    low, high = (float(v) for v in np.percentile(image.axial_displacement_m[valid], [LOWEST, HIGHEST]))
    axial_m = image.axial_displacement_m
    errors = [
        displacement_error_m(low, noise, valid & (axial_m <= low)),
        displacement_error_m(high, noise, valid & (axial_m >= high)),
    ]
    values = {
        "mean_axial_strain": (strain, mean_strain_error(strain, noise, valid)),
        "applied_axial_strain": (applied, mean_strain_error(applied, noise, valid)),
        "axial_displacement_minimum": (low, errors[0]),
        "axial_displacement_maximum": (high, errors[1]),
        "axial_displacement_range": (high - low, float(np.hypot(*errors))),
    }
    motion = (_measurement(name, v, around(v, error), image, method) for name, (v, error) in values.items())
    return (*motion, *_trust_measurements(image, noise, config, method))


def _typical_quality(image: StrainImage, noise: Noise, seed: int) -> tuple[float, Interval | None]:
    """Median correlation of the whole image after motion compensation, its interval over independent cells."""
    everywhere = np.ones_like(image.valid)
    sums = cell_sums(image.agreement[everywhere], noise.cells(everywhere))

    def median(cells: np.ndarray) -> float:
        return float(np.median(cells[:, 1] / cells[:, 0]))

    return median(sums), resampled(median, (sums,), seed)
