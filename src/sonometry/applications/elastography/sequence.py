"""A strain movie: pair after pair, with the strain carried along with the tissue and averaged in time.

In a compression that goes on, the strain of a piece of tissue is a nearly constant share r of the applied strain. Every
pair measures that share, z = strain / applied strain, with a variance R; a Kalman filter per pixel

    r(k) = r(k-1), carried to where the tissue has moved  +  drift of variance Q,    z(k) = r(k) + error of variance R

gives each pair as much weight as it deserves. What contradicts the past by more than three standard deviations (the
probe slid, another tissue) begins anew. A precise pair is hardly changed; a noisy one borrows from those before it.
R comes from the method's own standard deviation, or from the differences between neighbouring lines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.strain_image import StrainImage, applied_strain, line_distance_m, strain_image
from sonometry.core.errors import DataError
from sonometry.core.rf import RFFrames
from sonometry.numerics.kalman import measurement_variance

#: Standard deviation of the drift of a share from pair to pair, and the least of a measured share.
DRIFT, LEAST_SD = 0.04, 0.02
#: Contradiction, in standard deviations, that begins a pixel anew.
GATE = 3.0
#: Applied strain below which a pair says nothing about shares.
LEAST_APPLIED = 2e-4


@dataclass(frozen=True, eq=False)
class _Shares:
    """Share of the applied strain and its variance (axial, line), on the grid of frame `frame`."""

    share: np.ndarray
    variance: np.ndarray
    frame: int


class TemporalFilter:
    """Filters the strain images of a sequence one after the other."""

    def __init__(self, recording: RFFrames) -> None:
        self._step_m = recording.axial_step_m
        self._line_m = line_distance_m(recording)[:, None].astype(np.float32)
        self._known: _Shares | None = None

    def push(self, image: StrainImage) -> StrainImage:
        """The image with its strain averaged over the pairs so far, standard deviation included."""
        applied = applied_strain(image, self._step_m)
        if abs(applied) < LEAST_APPLIED or not image.valid.any():
            self._known = None
            return image
        measured, noise = self._measured(image, applied)
        if self._known is None or self._known.frame != image.pair[0]:
            share, variance = measured, noise
        else:
            share, variance = _updated(self._known, measured, noise, image.valid)
        self._known = self._carried(share, variance, image)
        strain, deviation = share * np.float32(applied), np.sqrt(variance) * np.float32(abs(applied))
        return replace(image, axial_strain=strain, axial_strain_sd=deviation)

    def _measured(self, image: StrainImage, applied: float) -> tuple[np.ndarray, np.ndarray]:
        """Share of the applied strain that this pair shows, and its variance."""
        if image.axial_strain_sd is None:
            known = np.where(image.valid, image.axial_strain, np.nan)
            deviation = np.full(image.axial_strain.shape, np.sqrt(measurement_variance(known)), np.float32)
        else:
            deviation = image.axial_strain_sd
        noise = np.maximum(deviation / np.float32(abs(applied)), LEAST_SD).astype(np.float32) ** 2
        return (image.axial_strain / np.float32(applied)).astype(np.float32), noise

    def _carried(self, share: np.ndarray, variance: np.ndarray, image: StrainImage) -> _Shares:
        """Shares on the grid of the later frame: what lies there now came from where the motion began."""
        rows, lines = np.indices(share.shape, dtype=np.float32)
        axial = image.axial_displacement_m / np.float32(self._step_m)
        lateral = image.lateral_displacement_m / self._line_m
        # The motion is known where the tissue was; once put into itself it is known where the tissue is.
        there = [_read(field, lines - lateral, rows - axial) for field in (axial, lateral)]
        moved = [_read(field, lines - there[1], rows - there[0]) for field in (share, variance)]
        return _Shares(moved[0], moved[1], image.pair[1])


def _read(image: np.ndarray, lines: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Linear interpolation, edges repeated."""
    read: np.ndarray = cv2.remap(
        np.ascontiguousarray(image, dtype=np.float32), lines, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return read


def _updated(
    known: _Shares, measured: np.ndarray, noise: np.ndarray, valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Kalman update; where the pair is not valid the past is kept, where it contradicts the past it begins anew."""
    predicted = known.variance + np.float32(DRIFT**2)
    innovation = measured - known.share
    gain = predicted / (predicted + noise)
    contradicts = innovation**2 > GATE**2 * (predicted + noise)
    gain = np.where(contradicts, np.float32(1), gain)
    gain = np.where(valid, gain, np.float32(0))
    variance = np.where(contradicts & valid, noise, (1 - gain) * predicted)
    return known.share + gain * innovation, variance.astype(np.float32)


class StrainStream:
    """Strain from frames as they arrive: every frame is compared with the one before it.

    like : recording whose geometry and physics the frames share; its samples are not used.
    """

    def __init__(self, like: RFFrames, config: ElastographyConfig | None = None) -> None:
        self._like = replace(like, samples=like.samples[:1], frame_times_s=None)
        self._config = config or ElastographyConfig()
        self._filter = TemporalFilter(like)
        self._last: np.ndarray | None = None
        self._count = 0

    def push(self, frame: np.ndarray) -> StrainImage | None:
        """Strain since the frame before; None for the first one. Raises DataError for a frame of another size.

        frame : (axial, line) RF. The pair of the image counts the frames pushed so far from 0.
        """
        if frame.shape != self._like.samples.shape[1:]:
            raise DataError(f"the stream has frames of {self._like.samples.shape[1:]}, this one has {frame.shape}")
        last, self._last = self._last, np.ascontiguousarray(frame, dtype=np.float32)
        self._count += 1
        if last is None:
            return None
        image = strain_image(replace(self._like, samples=np.stack([last, self._last])), (0, 1), self._config)
        image = replace(image, pair=(self._count - 2, self._count - 1))
        return self._filter.push(image) if self._config.temporal_filter else image
