"""Scatterers to radio-frequency echo lines.

Line l is the sum over scatterers n of a Gaussian-enveloped pulse, delayed by exactly 2 r_n / c and weighted by the
two-way beam (magnitude and wavefront curvature, at the centre frequency) and by attenuation:

    S_l(f) = P(f) sum_n a_n B_ln 10^(-A f 2 r_n / 20) exp(-2 pi i f 2 r_n / c),    rf_l(t) = Re S_l(t)

Two ways to the same sum: `summed_rf` adds every scatterer at every frequency of the band, on any array library
(torch on a GPU included); `gridded_rf` spreads each scatterer over six samples of a grid with the kernel of a
non-uniform FFT, a few hundred times faster on a CPU. A test bounds their difference at -80 dB of the signal.
Source: Barnett, Magland, af Klinteberg 2019, doi:10.1137/18M120885X (kernel); Meunier & Bertrand 1995,
doi:10.1109/58.464818 (echo as a sum over scatterers).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np
import scipy.fft

from sonometry.simulation.gridding import KERNEL_WIDTH, kernel_transform, kernel_values, spread
from sonometry.simulation.probes import Probe

#: Spectrum and beam are cut where their amplitude has fallen to this share (-80 dB).
CUT = 1e-4

#: Scatterers taken at once by the direct sum: bounds its memory.
CHUNK = 4096


@dataclass(frozen=True)
class Record:
    """Time axis and band of one echo line.

    n_samples : samples kept, after `pad` samples that hold the start of the pulse.
    n_fft : length of the transform, both pads included. band : first and last bin (inclusive) that carry signal.
    reference : bin in the middle of the band, to which the gridded method demodulates.
    """

    start_m: float
    n_samples: int
    pad: int
    n_fft: int
    band: tuple[int, int]
    sampling_rate_hz: float
    sound_speed_m_s: float

    @property
    def step_m(self) -> float:
        return self.sound_speed_m_s / (2 * self.sampling_rate_hz)

    @property
    def bin_hz(self) -> float:
        return self.sampling_rate_hz / self.n_fft

    @property
    def reference(self) -> int:
        return (self.band[0] + self.band[1]) // 2

    @property
    def bins(self) -> np.ndarray:
        """Bins of the band, ascending."""
        return np.arange(self.band[0], self.band[1] + 1)

    @property
    def frequencies_hz(self) -> np.ndarray:
        return self.bins * self.bin_hz


def simulate_rf(
    positions_m: Any,
    amplitudes: Any,
    probe: Probe,
    *,
    depth_m: tuple[float, float],
    sound_speed_m_s: float = 1540.0,
    attenuation_db_cm_mhz: float = 0.0,
    xp: Any = np,
) -> Any:
    """RF lines of a cloud of scatterers.

    positions_m : (N, 2) depth, lateral, or (N, 3) with elevation, m; the probe's surface centre is the origin.
    amplitudes : (N,) reflectivities. A single scatterer on a line gives an envelope of its amplitude times the beam.
    depth_m : (first, last) depth (range for a sector) of the record, m; samples are c / (2 fs) apart, first included.
    attenuation_db_cm_mhz : one way, linear in frequency; also shifts the spectrum downwards with depth.
    xp : array library to compute with. numpy arrays take `gridded_rf`; those of any other library (torch, on their
        device) take `summed_rf`. Naming another library than numpy converts the inputs to it.
    Returns float32 (axial, line). Scatterers beyond the record by more than a pulse length are not heard.
    Raises ValueError for an empty depth range or wrong shapes.
    """
    if xp is not np:
        positions_m, amplitudes = xp.asarray(positions_m), xp.asarray(amplitudes)
    on_numpy = array_api_compat.is_numpy_array(positions_m)
    method = gridded_rf if on_numpy else summed_rf
    return method(
        positions_m,
        amplitudes,
        probe,
        depth_m=depth_m,
        sound_speed_m_s=sound_speed_m_s,
        attenuation_db_cm_mhz=attenuation_db_cm_mhz,
    )


def gridded_rf(
    positions_m: np.ndarray,
    amplitudes: np.ndarray,
    probe: Probe,
    *,
    depth_m: tuple[float, float],
    sound_speed_m_s: float = 1540.0,
    attenuation_db_cm_mhz: float = 0.0,
) -> np.ndarray:
    """`simulate_rf` by spreading onto a grid (numpy only)."""
    record = plan_record(probe, depth_m, sound_speed_m_s)
    points = heard_points(positions_m, amplitudes, probe, record, array_api_compat.numpy)
    grid_position = (points.range_m - record.start_m) / record.step_m + record.pad
    turns = record.reference * grid_position / record.n_fft
    frequency_hz = record.reference * record.bin_hz
    amplitude = points.amplitude * np.exp(-2j * np.pi * turns)
    amplitude *= attenuation(points.range_m, frequency_hz, attenuation_db_cm_mhz, np)
    first = np.ceil(grid_position - KERNEL_WIDTH / 2).astype(np.int64)
    kernel = kernel_values(first[:, None] + np.arange(KERNEL_WIDTH) - grid_position[:, None])
    nodes_m, shares = depth_nodes(points.range_m, attenuation_db_cm_mhz, record)
    grid = np.zeros((probe.n_lines, nodes_m.size, record.n_fft), dtype=np.complex64)
    spread(
        grid, first, kernel, amplitude, points.coordinate, probe.line_coordinate,
        points.arc_radius_m, points.alpha, points.beta, points.reach, shares,
    )  # fmt: skip
    offset = record.bins - record.reference
    gain = attenuation(nodes_m[:, None], record.frequencies_hz - frequency_hz, attenuation_db_cm_mhz, np)
    gain *= pulse_spectrum(probe, record) / kernel_transform(offset / record.n_fft) * record.n_fft
    echo = scipy.fft.fft(grid, axis=2, overwrite_x=True)[:, :, offset]
    spectrum = np.zeros((probe.n_lines, record.n_fft), dtype=np.complex64)
    spectrum[:, record.bins] = np.einsum("lkf,kf->lf", echo, gain.astype(np.float32))
    lines = scipy.fft.ifft(spectrum, axis=1, overwrite_x=True).real
    return np.ascontiguousarray(lines[:, record.pad : record.pad + record.n_samples].T)


def summed_rf(
    positions_m: Any,
    amplitudes: Any,
    probe: Probe,
    *,
    depth_m: tuple[float, float],
    sound_speed_m_s: float = 1540.0,
    attenuation_db_cm_mhz: float = 0.0,
) -> Any:
    """`simulate_rf` by the plain sum over scatterers and frequencies, on the array library of the inputs."""
    xp = array_api_compat.array_namespace(positions_m, amplitudes)
    device = array_api_compat.device(positions_m)
    record = plan_record(probe, depth_m, sound_speed_m_s)
    points = heard_points(positions_m, amplitudes, probe, record, xp)
    lines = xp.asarray(probe.line_coordinate, device=device)[:, None]
    frequencies_hz = xp.asarray(record.frequencies_hz, device=device)
    origin_m = record.start_m - record.pad * record.step_m
    total = xp.zeros((probe.n_lines, record.bins.size), dtype=xp.complex128, device=device)
    for begin in range(0, points.range_m.shape[0], CHUNK):
        part = slice(begin, begin + CHUNK)
        beam = beam_weights(points, part, lines, xp) * points.amplitude[part]
        range_m = points.range_m[part][:, None]
        turns = 2 * (range_m - origin_m) / sound_speed_m_s * frequencies_hz
        echo = attenuation(range_m, frequencies_hz, attenuation_db_cm_mhz, xp) * xp.exp(-2j * math.pi * turns)
        total = total + xp.matmul(beam, echo)
    total = total * xp.asarray(pulse_spectrum(probe, record) * record.n_fft, device=device)
    before = xp.zeros((probe.n_lines, record.band[0]), dtype=xp.complex128, device=device)
    after = xp.zeros((probe.n_lines, record.n_fft - record.band[1] - 1), dtype=xp.complex128, device=device)
    rf = xp.real(xp.fft.ifft(xp.concat([before, total, after], axis=1), axis=1))
    kept = rf[:, record.pad : record.pad + record.n_samples]
    return xp.astype(xp.permute_dims(kept, (1, 0)), xp.float32)


def add_noise(rf: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    """`rf` plus white Gaussian noise, `snr_db` below its root mean square; float32. Infinity adds none."""
    if math.isinf(snr_db) and snr_db > 0:
        return rf.astype(np.float32)
    level = float(np.sqrt(np.mean(rf.astype(np.float64) ** 2))) * 10 ** (-snr_db / 20)
    return (rf + level * rng.standard_normal(rf.shape, dtype=np.float32)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Points:
    """Scatterers as a probe hears them, each (N,).

    coordinate : line coordinate (m, or rad in a sector); arc_radius_m : distance from the apex, 0 for parallel lines.
    alpha, beta : lateral profile exp(-(alpha + i beta) x^2), 1/m2. reach : line coordinate beyond which it is cut.
    amplitude : complex; reflectivity, normalisation and elevation profile.
    """

    range_m: Any
    coordinate: Any
    arc_radius_m: Any
    alpha: Any
    beta: Any
    reach: Any
    amplitude: Any


def plan_record(probe: Probe, depth_m: tuple[float, float], sound_speed_m_s: float) -> Record:
    """Time axis, padding and band of the lines of a probe."""
    start_m, stop_m = depth_m
    if not 0 <= start_m < stop_m:
        raise ValueError(f"depth_m must be (start, stop) with 0 <= start < stop, got {depth_m}")
    rate_hz = probe.sampling_rate_hz
    n_samples = int((stop_m - start_m) * 2 * rate_hz / sound_speed_m_s + 1e-6) + 1
    cut_sigmas = math.sqrt(-2 * math.log(CUT))
    pad = math.ceil(cut_sigmas / (2 * math.pi * probe.bandwidth_sigma_hz) * rate_hz) + KERNEL_WIDTH
    n_fft = scipy.fft.next_fast_len(n_samples + 2 * pad)
    half_band_hz = cut_sigmas * probe.bandwidth_sigma_hz
    lowest = math.ceil((probe.centre_frequency_hz - half_band_hz) * n_fft / rate_hz)
    highest = math.floor((probe.centre_frequency_hz + half_band_hz) * n_fft / rate_hz)
    band = max(lowest, 1), min(highest, (n_fft - 1) // 2)
    return Record(start_m, n_samples, pad, n_fft, band, rate_hz, sound_speed_m_s)


def pulse_spectrum(probe: Probe, record: Record) -> np.ndarray:
    """(band,) amplitude spectrum of a pulse whose envelope peaks at 1."""
    deviation = (record.frequencies_hz - probe.centre_frequency_hz) / probe.bandwidth_sigma_hz
    spectrum = np.exp(-0.5 * deviation**2)
    return spectrum / spectrum.sum()


def attenuation(range_m: Any, frequency_hz: Any, attenuation_db_cm_mhz: float, xp: Any) -> Any:
    """Amplitude left after the way there and back, broadcast over range and frequency."""
    neper = attenuation_db_cm_mhz * math.log(10) / 20 * 1e-6 * 2e2
    return xp.exp(-neper * range_m * frequency_hz)


def heard_points(positions_m: Any, amplitudes: Any, probe: Probe, record: Record, xp: Any) -> Points:
    """The scatterers within the record, with their beam parameters."""
    if positions_m.ndim != 2 or positions_m.shape[1] not in (2, 3) or amplitudes.shape != positions_m.shape[:1]:
        raise ValueError(
            f"expected positions_m (N, 2 or 3) and amplitudes (N,), got {positions_m.shape} and {amplitudes.shape}"
        )
    positions = xp.astype(positions_m, xp.float64)
    range_m, coordinate = probe.beam_coordinates(positions[:, 0], positions[:, 1], xp)
    sample = (range_m - record.start_m) / record.step_m
    margin = record.pad - KERNEL_WIDTH
    heard = (sample > -margin) & (sample < record.n_samples - 1 + margin) & (range_m > 0)
    range_m, coordinate, positions = range_m[heard], coordinate[heard], positions[heard, :]
    wavenumber = 2 * math.pi * probe.centre_frequency_hz / record.sound_speed_m_s
    # Nearer than a wavelength the Fresnel approximation has no meaning.
    beam_depth_m = xp.clip(range_m, 2 * math.pi / wavenumber, None)
    alpha, beta = probe.lateral_beam(beam_depth_m, wavenumber, xp)
    amplitude = xp.astype(amplitudes[heard], xp.float64) * (2 * alpha / math.pi) ** 0.25 * math.sqrt(1e-3)
    amplitude = xp.astype(amplitude, xp.complex128)
    if positions.shape[1] == 3:
        amplitude = amplitude * elevation_weight(positions[:, 2], beam_depth_m, probe, wavenumber, xp)
    reach = xp.sqrt(-math.log(CUT) / alpha)
    arc_radius_m = xp.zeros_like(range_m)
    if probe.line_angle_rad > 0:
        arc_radius_m = range_m + probe.radius_m
        # The range is already measured along the arc: take its curvature out of the wavefront's.
        beta = beta - wavenumber / arc_radius_m
        reach = xp.asin(xp.clip(reach / arc_radius_m, None, 1.0))
    return Points(range_m, coordinate, arc_radius_m, alpha, beta, reach, amplitude)


def elevation_weight(elevation_m: Any, depth_m: Any, probe: Probe, wavenumber: float, xp: Any) -> Any:
    """Complex two-way weight of scatterers beside the image plane, of unit energy over 1 mm."""
    alpha, beta = probe.elevation_beam(depth_m, wavenumber)
    exponent = xp.astype(-alpha * elevation_m**2, xp.complex128) - 1j * beta * elevation_m**2
    return xp.exp(exponent) * (2 * alpha / math.pi) ** 0.25 * math.sqrt(1e-3)


def beam_weights(points: Points, part: slice, lines: Any, xp: Any) -> Any:
    """(line, n) complex lateral weights of a slice of the scatterers."""
    difference = points.coordinate[part] - lines
    radius_m = points.arc_radius_m[part]
    distance_m = xp.where(radius_m > 0, radius_m * xp.sin(difference), difference)
    exponent = xp.astype(-points.alpha[part] * distance_m**2, xp.complex128)
    weights = xp.exp(exponent - 1j * points.beta[part] * distance_m**2)
    return xp.where(xp.abs(difference) <= points.reach[part], weights, xp.zeros_like(weights))


def depth_nodes(range_m: np.ndarray, attenuation_db_cm_mhz: float, record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Depths at which attenuation is evaluated, and the (node, N) weights that interpolate between them.

    Only what differs from the middle of the band is interpolated, exp(-A (f - f0) 2 r). That is a smooth function of
    depth, and Chebyshev nodes reproduce it to -80 dB of its maximum with seven nodes more than its half range in neper.
    """
    if attenuation_db_cm_mhz == 0 or range_m.size == 0:
        return np.zeros(1), np.ones((range_m.size, 1))
    low, high = float(range_m.min()), float(range_m.max()) + 1e-9
    half_band_hz = (record.band[1] - record.band[0]) / 2 * record.bin_hz
    loss = attenuation(high - low, half_band_hz, attenuation_db_cm_mhz, np)
    n_nodes = math.ceil(-0.5 * math.log(loss)) + 7
    angles = (np.arange(n_nodes) + 0.5) * np.pi / n_nodes
    nodes = np.cos(angles)
    difference = (2 * (range_m - low) / (high - low) - 1)[:, None] - nodes
    difference[difference == 0] = 1e-15
    barycentric = np.sin(angles) * (-1.0) ** np.arange(n_nodes) / difference
    return low + (nodes + 1) / 2 * (high - low), barycentric / barycentric.sum(axis=1, keepdims=True)
