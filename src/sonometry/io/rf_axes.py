"""Which axis of an array is depth, which the lines, which time.

Depth is found by physics rather than by the order of the axes: only along depth does RF oscillate with its carrier, so
only there is the power near zero frequency far below that of the peak. Across lines and frames the spectrum is highest
near zero. Where the data do not tell (constant, white noise, too short), the order that is usual for the format counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

#: Lines looked at along each axis; the mean spectrum of this many is smooth enough.
LINES_LOOKED_AT = 256
#: Shorter axes do not show a carrier.
SHORTEST_AXIS = 32
#: Larger samples would overflow when squared; no receiver gives them.
LARGEST_SAMPLE = 1e100
#: No probe forms so few lines: then the axis called lines is rather time.
FEW_LINES = 8
#: Frames half a recording apart are more alike than lines half a probe apart: by 0.6 to 0.8 in the arm, by 0.15 in a
#: mouse liver in motion.
MORE_ALIKE = 0.1
#: Cycles per sample below which a carrier has no power, and above which it lies (scanners and simulators take up to 33
#: samples a cycle). Both at least a few bins of the spectrum.
NEAR_ZERO, LOWEST_CARRIER = 0.01, 0.02
#: Power near zero over the peak: 0.0001 to 0.02 along depth in the arm and mouse recordings, 0.8 to 1.3 across lines.
CARRIER = 0.25


@dataclass(frozen=True)
class Orientation:
    """Positions of the axes (time, axial, line) in the array as stored; `note` tells where it differs from usual."""

    order: tuple[int, int, int]
    note: str | None = None


def carrier(lines: np.ndarray) -> tuple[float, float]:
    """Power near zero frequency relative to the peak, and the peak in cycles per sample, of (N, samples) lines.

    A ratio far below 1 means that the lines carry a modulated wave. (inf, 0) where all lines are constant.
    """
    n_samples = lines.shape[1]
    values = _finite(lines)
    waves = values - values.mean(axis=1, keepdims=True)
    power = np.mean(np.abs(np.fft.rfft(waves * np.hanning(n_samples), axis=1)) ** 2, axis=0)
    bins = np.arange(len(power))
    width = max(1, round(0.02 * n_samples))
    smooth = np.convolve(power, np.ones(width) / width, "same")
    near_zero = (bins >= 2) & (bins <= max(3, NEAR_ZERO * n_samples))  # 0 and 1 hold the offset of the receiver
    above = bins >= max(4, LOWEST_CARRIER * n_samples)
    peak = smooth[above].max(initial=0.0)
    if not peak > 0:
        return float("inf"), 0.0
    return float(power[near_zero].mean() / peak), float(bins[above][smooth[above].argmax()] / n_samples)


def orientation(frames: np.ndarray, usual: tuple[int, int, int]) -> Orientation:
    """How to turn a 3-D array into (time, axial, line).

    frames : any order of time, depth and lines; an axis of length 1 for what is missing.
    usual : positions of (time, axial, line) by the custom of the format.
    """
    found = _axial_axis(frames, fallback=usual[1])
    if found != usual[1]:
        rest = [axis for axis in range(3) if axis != found]
        time = _time_axis(frames, found, rest, usual)
        order = (time, found, next(axis for axis in rest if axis != time))
    elif _are_lines_frames(frames, usual):
        order = (usual[2], usual[1], usual[0])
    else:
        return Orientation(usual)
    size = " x ".join(map(str, frames.shape))
    return Orientation(
        order, f"Depth was found along axis {order[1] + 1} and time along axis {order[0] + 1} of {size}."
    )


def _are_lines_frames(frames: np.ndarray, usual: tuple[int, int, int]) -> bool:
    """Whether the axis called lines is short and repeats the image, so that it is rather time."""
    time, axial, line = usual
    if frames.shape[line] >= min(FEW_LINES, frames.shape[time]):
        return False
    if frames.shape[line] == 1:
        return True
    return _likeness(frames, axial, line) > _likeness(frames, axial, time) + MORE_ALIKE


def _axial_axis(frames: np.ndarray, fallback: int) -> int:
    """The one axis along which there is a carrier; `fallback` where none or several show one."""
    long_enough = [axis for axis in range(3) if frames.shape[axis] >= SHORTEST_AXIS]
    ratios = {axis: carrier(_some_lines(frames, axis))[0] for axis in long_enough}
    if not ratios:
        return fallback
    best = min(ratios, key=lambda axis: ratios[axis])
    others = [ratio for axis, ratio in ratios.items() if axis != best]
    is_clear = ratios[best] < CARRIER and all(ratio > 4 * ratios[best] for ratio in others)
    return best if is_clear else fallback


def _some_lines(frames: np.ndarray, axis: int) -> np.ndarray:
    """(N, samples) lines along `axis`, spread over the whole array, as float64."""
    counts = [n for a, n in enumerate(frames.shape) if a != axis]
    share = np.sqrt(LINES_LOOKED_AT / max(1, counts[0] * counts[1]))
    picked = [
        np.arange(n) if a == axis else _spread(n, int(np.clip(np.ceil(n * share), min(n, 4), n)))
        for a, n in enumerate(frames.shape)
    ]
    # Only these lines are read where the array lies on disk.
    lines: np.ndarray = np.moveaxis(frames[np.ix_(*picked)], axis, -1).reshape(-1, frames.shape[axis])
    return lines


def _finite(lines: np.ndarray) -> np.ndarray:
    """float64, with 0 for what is not finite or absurdly large; reading refuses such samples later, by itself."""
    with np.errstate(all="ignore"):
        values = lines.astype(np.float64)
    values[~(np.abs(values) < LARGEST_SAMPLE)] = 0.0
    return values


def _spread(n: int, wanted: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, max(1, wanted)).round().astype(np.intp))


def _time_axis(frames: np.ndarray, axial: int, rest: list[int], usual: tuple[int, int, int]) -> int:
    """Of the two axes that are not depth, the one along which the image repeats itself.

    Frames half a recording apart still show the same tissue; lines half a probe apart do not. Without a clear answer
    the shorter axis is time, as in nearly every recording.
    """
    for axis in rest:
        if frames.shape[axis] == 1:
            return axis
    likeness = {axis: _likeness(frames, axial, axis) for axis in rest}
    first, second = rest
    if abs(likeness[first] - likeness[second]) > MORE_ALIKE:
        return max(rest, key=lambda axis: likeness[axis])
    if frames.shape[first] != frames.shape[second]:
        return min(rest, key=lambda axis: frames.shape[axis])
    return usual[0] if usual[0] in rest else first


def _likeness(frames: np.ndarray, axial: int, axis: int) -> float:
    """Mean correlation (-1 to 1) of amplitude profiles half the length of `axis` apart, after the best small shift."""
    ordered = np.moveaxis(frames, (axis, axial), (0, 2))
    half = ordered.shape[0] // 2
    picks = _spread(ordered.shape[1], 16)
    scores = [
        _best_correlation(_profile(ordered[0][picks]), _profile(ordered[half][picks])),
        _best_correlation(_profile(ordered[half][picks]), _profile(ordered[-1][picks])),
    ]
    return float(np.mean(scores))


def _profile(lines: np.ndarray) -> np.ndarray:
    """(N, samples) speckle along depth: log amplitude over about two carrier cycles, without its slow trend."""
    n_samples = lines.shape[1]
    values = _finite(lines)
    amplitude = np.abs(values - values.mean())
    fine, coarse = _running_mean(amplitude, 16), _running_mean(amplitude, max(64, n_samples // 10))
    floor = 1e-3 * coarse.mean() + 1e-300
    profile: np.ndarray = np.log(fine + floor) - np.log(coarse + floor)
    profile -= profile.mean(axis=1, keepdims=True)
    return profile


def _running_mean(lines: np.ndarray, width: int) -> np.ndarray:
    mean: np.ndarray = uniform_filter1d(lines, min(width, lines.shape[1]), axis=1)
    return mean


def _best_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over lines of the highest correlation within a shift of 5 % of the depth."""
    n_samples = a.shape[1]
    reach = max(1, n_samples // 20)
    spectrum = np.fft.rfft(a, 2 * n_samples, axis=1) * np.conj(np.fft.rfft(b, 2 * n_samples, axis=1))
    lags = np.fft.irfft(spectrum, axis=1)
    near = np.concatenate([lags[:, : reach + 1], lags[:, -reach:]], axis=1).max(axis=1)
    energy = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return float(np.mean(near / np.maximum(energy, 1e-300)))
