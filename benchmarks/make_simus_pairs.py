"""Make the SIMUS frames of `sonometry.simulation.reference` (needs the extra [bench]; about ten minutes on one core).

    python benchmarks/make_simus_pairs.py src/sonometry/simulation/simus

Each line has a transmit of its own: the elements within the transmit aperture are focused on the line, all 32 listen,
and delay-and-sum with a dynamic aperture of constant f-number forms the line. Scatterers further than 5 mm from a line
are left out. A smooth gain over depth, the same for both frames, then flattens the mean level as a scanner's would.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pymust
from scipy.ndimage import map_coordinates

from sonometry.numerics.analytic import analytic_signal, envelope
from sonometry.simulation.motion import REST, true_motion
from sonometry.simulation.reference import (
    SIMUS_DEPTH_M,
    SIMUS_PHANTOMS,
    SIMUS_PROBE,
    TRUTH_STRIDE,
    recording_of,
    simus_cloud,
)

SOUND_SPEED_M_S = 1540.0
N_ELEMENTS = 32
#: A whole multiple of twice the centre frequency: otherwise PyMUST rounds the number of samples of each transmit, which
#: stretches its time axis by up to 0.04 % (half a sample at 20 mm), differently from line to line.
CHANNEL_RATE_HZ = 8 * SIMUS_PROBE.centre_frequency_hz
REACH_M = 5e-3
ELEMENTS_M = (np.arange(N_ELEMENTS) - (N_ELEMENTS - 1) / 2) * SIMUS_PROBE.line_pitch_m


def array_parameters() -> pymust.utils.Param:
    """The walking aperture."""
    parameters = pymust.utils.Param()
    parameters.fc = SIMUS_PROBE.centre_frequency_hz
    parameters.fs = CHANNEL_RATE_HZ
    parameters.bandwidth = 100 * SIMUS_PROBE.fractional_bandwidth
    parameters.pitch = SIMUS_PROBE.line_pitch_m
    parameters.width = 0.9 * SIMUS_PROBE.line_pitch_m
    parameters.Nelements = N_ELEMENTS
    parameters.radius = np.inf
    parameters.c = SOUND_SPEED_M_S
    parameters.attenuation = 0.0
    aperture_m = SIMUS_PROBE.focus_m / SIMUS_PROBE.transmit_f_number
    parameters.TXapodization = (np.abs(ELEMENTS_M) <= aperture_m / 2).astype(float)
    return parameters


def transmit_delays_s() -> np.ndarray:
    """(1, element) delays that focus on the line."""
    path_m = np.hypot(ELEMENTS_M, SIMUS_PROBE.focus_m)
    return ((path_m.max() - path_m) / SOUND_SPEED_M_S)[None]


def channels(positions_m: np.ndarray, amplitudes: np.ndarray, line_m: float) -> np.ndarray:
    """(sample, element) RF of one transmit."""
    options = pymust.utils.Options()
    options.WaitBar = False
    options.ParPool = False
    near = np.abs(positions_m[:, 1] - line_m) <= REACH_M
    depth, lateral = positions_m[near, 0], positions_m[near, 1] - line_m
    return pymust.simus(lateral, depth, amplitudes[near], transmit_delays_s(), array_parameters(), options)[0]


def form_line(rf: np.ndarray, depth_m: np.ndarray, start_s: float) -> np.ndarray:
    """(axial,) analytic line by delay-and-sum; `start_s` is the time of the pulse's middle at the elements."""
    analytic = analytic_signal(upsample(rf, 8))
    rate_hz = 8 * CHANNEL_RATE_HZ
    focal_path_m = np.hypot(ELEMENTS_M, SIMUS_PROBE.focus_m).max()
    there_m = focal_path_m - SIMUS_PROBE.focus_m + depth_m
    back_m = np.hypot(depth_m[:, None], ELEMENTS_M[None])
    times = ((there_m[:, None] + back_m) / SOUND_SPEED_M_S + start_s) * rate_hz
    columns = np.broadcast_to(np.arange(N_ELEMENTS), times.shape)
    weights = aperture_weights(depth_m)
    real = map_coordinates(analytic.real, [times, columns], order=3, mode="constant")
    imaginary = map_coordinates(analytic.imag, [times, columns], order=3, mode="constant")
    return ((real + 1j * imaginary) * weights).sum(axis=1) / weights.sum(axis=1)


def aperture_weights(depth_m: np.ndarray) -> np.ndarray:
    """(axial, element) share of each element that lies within the dynamic aperture."""
    half_m = np.minimum(depth_m / SIMUS_PROBE.receive_f_number, SIMUS_PROBE.max_aperture_m)[:, None] / 2
    return np.clip((half_m - np.abs(ELEMENTS_M)[None]) / SIMUS_PROBE.line_pitch_m + 0.5, 0, 1)


def upsample(rf: np.ndarray, factor: int) -> np.ndarray:
    """Band-limited interpolation along the first axis."""
    spectrum = np.fft.rfft(rf.astype(float), axis=0)
    return np.fft.irfft(spectrum, n=factor * len(rf), axis=0) * factor


def pulse_start_s(depth_m: np.ndarray) -> float:
    """Time of the middle of the pulse, from the echo of a single point at the focus."""
    point = np.array([[SIMUS_PROBE.focus_m, 0.0], [SIMUS_DEPTH_M[1] + 3e-3, 0.0]])
    rf = channels(point, np.array([1.0, 1e-9]), 0.0)
    magnitude = np.abs(form_line(rf, depth_m, 0.0))
    peak = int(magnitude.argmax())
    below, top, above = np.log(magnitude[peak - 1 : peak + 2])
    place_m = depth_m[peak] + (depth_m[1] - depth_m[0]) * (below - above) / (2 * (below - 2 * top + above))
    return 2 * (place_m - SIMUS_PROBE.focus_m) / SOUND_SPEED_M_S


def frame(positions_m: np.ndarray, amplitudes: np.ndarray, depth_m: np.ndarray, start_s: float) -> np.ndarray:
    """(axial, line) RF."""
    lines = []
    for number, line_m in enumerate(SIMUS_PROBE.line_coordinate):
        lines.append(form_line(channels(positions_m, amplitudes, line_m), depth_m, start_s).real)
        print(f"\r  line {number + 1}/{SIMUS_PROBE.n_lines}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return np.stack(lines, axis=1)


def flattening_gain(rf: np.ndarray) -> np.ndarray:
    """(axial, 1) gain: a cubic through the logarithm of the mean envelope."""
    axial = np.linspace(-1, 1, len(rf))
    level = np.log(envelope(rf).mean(axis=1) + 1e-30)
    return np.exp(-np.polyval(np.polyfit(axial, level, 3), axial))[:, None]


def make_pair(index: int, folder: Path) -> None:
    """Write pair<index>.npz."""
    cloud = simus_cloud(index)
    step_m = SOUND_SPEED_M_S / (2 * SIMUS_PROBE.sampling_rate_hz)
    n_samples = int((SIMUS_DEPTH_M[1] - SIMUS_DEPTH_M[0]) / step_m + 1e-6) + 1
    depth_m = SIMUS_DEPTH_M[0] + np.arange(n_samples) * step_m
    start_s = pulse_start_s(depth_m)
    frames = np.stack([frame(p, cloud.amplitudes, depth_m, start_s) for p in (cloud.before_m, cloud.after_m)])
    frames *= flattening_gain(frames[0])
    scale = np.iinfo(np.int16).max / np.abs(frames).max()
    phantom = SIMUS_PHANTOMS[index]
    rf = np.round(frames * scale).astype(np.int16)
    grid_m = recording_of(rf.astype(np.float32), "SIMUS").depth_m
    truth = true_motion(cloud.field, SIMUS_PROBE, grid_m, REST, phantom.state(phantom.compression))
    motion = np.stack([truth[name] for name in ("axial_displacement_m", "lateral_displacement_m", "axial_strain")])
    path = folder / f"pair{index}.npz"
    np.savez_compressed(path, rf=rf, motion=motion[:, ::TRUTH_STRIDE])
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB, middle of the pulse at {start_s * 1e9:.1f} ns")


if __name__ == "__main__":
    destination = Path(sys.argv[1])
    destination.mkdir(parents=True, exist_ok=True)
    for number in range(len(SIMUS_PHANTOMS)):
        make_pair(number, destination)
