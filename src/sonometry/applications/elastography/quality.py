"""Whether RF can be measured, how far each pixel of a pair is trusted, and what that means for the numbers.

Quality is the normalised correlation of the earlier frame with the later one after motion compensation, in a window of
a few pulse lengths: 1 where the frames show the same tissue in the same place, about 0 where they do not. Frames that
have nothing in common stay near 0 although the tracker did its best, so 0.5 separates the two widely. A method that
knows its own error lowers it further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from scipy.ndimage import maximum_filter, uniform_filter1d

from sonometry.applications.elastography.displacement import MINIMUM_SHAPE, Displacement, LearnedDisplacement
from sonometry.core.measurement import Status
from sonometry.core.rf import RFFrames

#: Shares of valid pixels: below the first nothing is measured, below the second what is measured is limited.
WITHHELD_BELOW, LIMITED_BELOW = 0.6, 0.9
#: Echo power over the mean of the frame below which a pixel holds no echo (zeros beside or below the image).
NO_ECHO = 1e-8
#: Band around the centre frequency that RF must have most of its power in, and the least share.
ECHO_BAND, LEAST_ECHO_SHARE = (0.4, 1.8), 0.3


@dataclass(frozen=True)
class Verdict:
    """Whether a pair may be measured, with the reasons, and the share of valid pixels among those with an echo."""

    status: Status
    reasons: tuple[str, ...]
    valid_share: float


def unmeasurable(recording: RFFrames) -> str | None:
    """Why no pair of the recording can be measured, in one sentence; None if one may be tried."""
    n_frames, n_samples, n_lines = recording.samples.shape
    if n_frames < 2:
        return "one frame was given and strain needs two; give the frames before and after the compression"
    if n_samples < MINIMUM_SHAPE[0] or n_lines < MINIMUM_SHAPE[1]:
        return (
            f"frames have {n_samples} samples x {n_lines} lines and tracking needs at least "
            f"{MINIMUM_SHAPE[0]} x {MINIMUM_SHAPE[1]}; give a larger part of the image"
        )
    varied = [i for i in range(n_frames) if np.ptp(recording.samples[i]) > 0]
    if len(varied) < 2:
        return "the frames are constant: they hold no echo"
    return _not_rf(recording, varied[0])


def _not_rf(recording: RFFrames, index: int) -> str | None:
    """Why a frame that varies does not look like RF; None if it does."""
    frame = recording.samples[index]
    frequency_hz, power = echo_spectrum(frame, recording.sampling_rate_hz)
    low, high = (edge * recording.centre_frequency_hz for edge in ECHO_BAND)
    share = float(power[(frequency_hz >= low) & (frequency_hz <= high)].sum() / max(float(power.sum()), 1e-300))
    if share >= LEAST_ECHO_SHARE:
        return None
    if frame.min() >= 0:
        return "this is an envelope or a B-mode image (no sample is negative, and there is no carrier); strain needs RF"
    strongest = frequency_hz[int(np.argmax(power))] / 1e6
    return (
        f"{100 * share:.0f} % of the power lies near {recording.centre_frequency_hz / 1e6:g} MHz (strongest at "
        f"{strongest:.1f} MHz), so this is not RF of that frequency; check --centre-mhz and --sampling-mhz"
    )


def echo_spectrum(frame: np.ndarray, sampling_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies, Hz, and mean power spectrum of the lines (axial, line) without their mean."""
    window = np.hanning(frame.shape[0])[:, None]
    lines = (frame - frame.mean(axis=0)) * window
    power = np.mean(np.abs(scipy.fft.rfft(lines, axis=0)) ** 2, axis=1)
    return scipy.fft.rfftfreq(frame.shape[0], 1 / sampling_rate_hz), power


def quality_map(displacement: Displacement) -> np.ndarray:
    """float32 (axial, line), 0 to 1: correlation after motion compensation, 0 where it is negative.

    A learned method also says how far off it may be; quality is then no more than 1 / (1 + (sd / believed sd)^2), which
    is a half where a pixel is as likely wrong by half a sample as not.
    """
    quality: np.ndarray = np.clip(displacement.correlation, 0.0, 1.0)
    if isinstance(displacement, LearnedDisplacement) and displacement.axial_sd_samples is not None:
        doubt = (displacement.axial_sd_samples / np.float32(displacement.believed_sd_samples)) ** 2
        quality = np.minimum(quality, 1 / (1 + doubt))
    return quality


def holds_echo(frame: np.ndarray, margin: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Bool (axial, line): where a frame is not empty, 80 dB below its mean power and less over 33 samples of a line.

    margin : samples and lines beside an empty part that are left out too. An echo that is cut off keeps its place in
    both frames while the tissue moves, and what is estimated next to the cut follows it. The edges of the frame itself
    are no such cut.
    """
    centred = frame - frame.mean(dtype=np.float64)
    power = uniform_filter1d(centred**2, 33, axis=0) - uniform_filter1d(centred, 33, axis=0) ** 2
    empty = power <= NO_ECHO * power.mean()
    if empty.any() and max(margin) > 0:
        empty = maximum_filter(empty, (2 * margin[0] + 1, 2 * margin[1] + 1), mode="constant", cval=False)
    return ~empty


def judge(valid: np.ndarray, quality: np.ndarray, has_echo: np.ndarray) -> Verdict:
    """Verdict on a pair from its valid pixels and its quality map, over the pixels that hold an echo.

    valid, has_echo : (axial, line) bool.
    """
    share = float(valid[has_echo].mean()) if has_echo.any() else 0.0
    lost = f"lock was lost in {100 * (1 - share):.0f} % of the image"
    if share < WITHHELD_BELOW:
        typical = float(np.median(quality[has_echo])) if has_echo.any() else 0.0
        reason = f"{lost}: the frames do not show the same tissue (median quality {typical:.2f})"
        return Verdict(Status.WITHHELD, (reason,), share)
    if share < LIMITED_BELOW:
        return Verdict(Status.LIMITED, (f"{lost}; the rest is measured",), share)
    return Verdict(Status.OK, (), share)
