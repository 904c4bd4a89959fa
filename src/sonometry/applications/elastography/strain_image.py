"""From two RF frames to displacement, strain and quality images in metres, on the grid of the earlier frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.displacement import (
    CLASSICAL,
    METHODS,
    Displacement,
    LearnedConfig,
    LearnedDisplacement,
    TrackingSetup,
)
from sonometry.applications.elastography.quality import Verdict, holds_echo, judge, quality_map
from sonometry.core.measurement import Status
from sonometry.core.rf import Geometry, RFFrames
from sonometry.numerics.kalman import kalman_strain
from sonometry.numerics.strain import least_squares_strain, odd_window


@dataclass(frozen=True, eq=False)
class StrainImage:
    """Motion between two frames, all arrays (axial, line) float32 but `valid` (bool).

    pair : earlier and later frame, counted from 0. Displacement is later minus earlier, m; axial positive away from
    the probe, lateral positive with the line index. axial_strain : fraction, compression negative; finite everywhere,
    to be believed where `valid`. quality : 0 to 1.
    axial_strain_sd, axial_displacement_sd_m : standard deviations, where the method gives them.
    notes : what the reader of a report should know about this pair. correlation : after motion compensation, 0 to 1.
    """

    pair: tuple[int, int]
    axial_displacement_m: np.ndarray
    lateral_displacement_m: np.ndarray
    axial_strain: np.ndarray
    quality: np.ndarray
    valid: np.ndarray
    verdict: Verdict
    axial_strain_sd: np.ndarray | None = None
    axial_displacement_sd_m: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    correlation: np.ndarray | None = None

    @property
    def agreement(self) -> np.ndarray:
        """Correlation after motion compensation, 0 to 1; `quality` where a method knows nothing beside it."""
        return self.quality if self.correlation is None else self.correlation


def strain_image(recording: RFFrames, pair: tuple[int, int], config: ElastographyConfig) -> StrainImage:
    """Track the later frame of `pair` against the earlier one with the method of `config`, and differentiate."""
    earlier, later = recording.samples[pair[0]], recording.samples[pair[1]]
    setup = TrackingSetup.of(recording)
    if np.array_equal(earlier, later):
        return _at_rest(pair, earlier.shape)
    return image_of(recording, pair, track_pair(earlier, later, setup, config), config)


def image_of(
    recording: RFFrames, pair: tuple[int, int], moved: Displacement, config: ElastographyConfig
) -> StrainImage:
    """The images of a motion from the first to the second frame of `pair`, in metres, with quality and verdict."""
    earlier = recording.samples[pair[0]]
    axial_m = (moved.axial_samples * np.float32(recording.axial_step_m)).astype(np.float32)
    quality = quality_map(moved)
    has_echo = holds_echo(earlier, _margin(recording, config))
    valid = moved.has_lock & (quality >= config.quality_threshold) & has_echo
    learned = moved if isinstance(moved, LearnedDisplacement) else None
    own_strain = learned is not None and config.strain_estimator == "automatic"
    axial_sd = None if learned is None else learned.axial_sd_samples
    return StrainImage(
        pair,
        axial_m,
        (moved.lateral_lines * line_distance_m(recording)[:, None]).astype(np.float32),
        learned.axial_strain if learned and own_strain else axial_strain(axial_m, recording.axial_step_m, config),
        quality,
        valid,
        judge(valid, quality, has_echo),
        learned.strain_sd if learned and own_strain else None,
        None if axial_sd is None else axial_sd * np.float32(recording.axial_step_m),
        (UNREFINED,) if learned and not learned.is_refined else (),
        np.clip(moved.correlation, 0.0, 1.0),
    )


#: Said when a learned correction was given up.
UNREFINED = "The learned correction did not make the frames agree better, so displacement and strain are those of AM2D."


def track_pair(
    earlier: np.ndarray, later: np.ndarray, setup: TrackingSetup, config: ElastographyConfig
) -> Displacement:
    """Motion of one pair by the method of `config`, with the weights it names."""
    if config.method in CLASSICAL:
        return METHODS[config.method](earlier, later, context=setup)
    return METHODS[config.method](earlier, later, context=setup, config=LearnedConfig(weights=config.weights))


def _margin(recording: RFFrames, config: ElastographyConfig) -> tuple[int, int]:
    """Samples and lines beside an empty part of a frame that are not believed: a strain window and a millimetre."""
    lines = math.ceil(1e-3 / float(line_distance_m(recording).mean()))
    return math.ceil(config.strain_window_mm * 1e-3 / recording.axial_step_m), lines


def _at_rest(pair: tuple[int, int], shape: tuple[int, ...]) -> StrainImage:
    """Two identical frames: nothing moved, exactly, and nothing more can be said."""
    zero, one = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    verdict = Verdict(
        Status.LIMITED, ("the two frames are identical: nothing moved, or one frame was given twice",), 1.0
    )
    return StrainImage(pair, zero, zero, zero, one, one.astype(bool), verdict)


def axial_strain(displacement_m: np.ndarray, step_m: float, config: ElastographyConfig) -> np.ndarray:
    """float32 strain of a displacement (axial, line) by the estimator of `config`."""
    window = odd_window(config.strain_window_mm * 1e-3, step_m, n_available=displacement_m.shape[0])
    strain = least_squares_strain(displacement_m, step_m, window=window)
    if config.strain_estimator == "kalman":
        strain = kalman_strain(strain)
    return strain.astype(np.float32)


def line_distance_m(recording: RFFrames) -> np.ndarray:
    """(axial,) distance between two lines at every depth: the pitch, or the arc of a sector."""
    if recording.geometry is Geometry.SECTOR:
        arc: np.ndarray = recording.line_angle_rad * (recording.probe_radius_m + recording.depth_m)
        return arc
    return np.full(recording.samples.shape[1], recording.line_pitch_m)


def applied_strain(displacement: Displacement | StrainImage, step_m: float = 1.0) -> float:
    """Slope over depth of the median axial displacement of each row where lock was kept; 0 with fewer than two rows.

    step_m : distance of two samples in the unit of the displacement (1 for a `Displacement` in samples).
    """
    if isinstance(displacement, StrainImage):
        axial, trusted = displacement.axial_displacement_m, displacement.valid
    else:
        axial, trusted = displacement.axial_samples, displacement.has_lock
    weight = trusted.sum(axis=1).astype(float)
    rows = np.flatnonzero(weight)
    if rows.size < 2:
        return 0.0
    masked = np.where(trusted[rows], axial[rows], np.nan)
    return float(np.polyfit(rows * step_m, np.nanmedian(masked, axis=1), 1, w=np.sqrt(weight[rows]))[0])
