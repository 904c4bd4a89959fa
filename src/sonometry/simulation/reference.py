"""Three small pairs of RF frames made by another simulator, with exact truth.

SIMUS (PyMUST) sums, element by element, the far-field pressure of a linear array; `benchmarks/make_simus_pairs.py` made
the frames with it once, focused and beam-formed line by line. They check the acoustic engine of this package and give
elastography methods a test that the engine's own simplifications cannot favour. Scatterers and motion come from the
phantoms below; the frames are kept as int16, the truth on every fourth sample.
Source: Garcia 2022, SIMUS, doi:10.1016/j.cmpb.2022.106726.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from importlib import resources

import numpy as np
from scipy.interpolate import CubicSpline

from sonometry.core import RFFrames, Simulated, Source
from sonometry.simulation.acoustics import add_noise, simulate_rf
from sonometry.simulation.motion import REST, SplineField, deform
from sonometry.simulation.phantoms.block import Inclusion, InclusionPhantom, labels_of, truth_of
from sonometry.simulation.probes import LinearProbe

#: The truth is kept on every fourth axial sample (77 um, finer than the elements of the motion field).
TRUTH_STRIDE = 4

#: Array of the SIMUS frames: 32 elements of this pitch walk along, so lines lie one pitch apart.
#: Centre frequency and bandwidth are the transducer's, as a scanner would state them.
SIMUS_PROBE = LinearProbe(
    n_lines=48,
    line_pitch_m=0.2e-3,
    transmit_f_number=2.0,
    focus_m=0.012,
    receive_f_number=2.0,
    max_aperture_m=32 * 0.2e-3,
)

#: The same for this package's engine, with the centre and width of the spectrum that SIMUS echoes really have: its
#: one-cycle excitation and the directivity of its elements narrow them and shift them down.
ENGINE_PROBE = replace(SIMUS_PROBE, centre_frequency_hz=5.58e6, fractional_bandwidth=0.537)

#: First and last depth of the SIMUS frames, m.
SIMUS_DEPTH_M = (0.003, 0.020)


def block(compression: float, *inclusions: Inclusion, lateral_slip_m: float = 0.0) -> InclusionPhantom:
    """One of the small blocks behind the SIMUS frames."""
    return InclusionPhantom(
        width_m=0.0136,
        depth_m=0.024,
        n_scatterers=11_000,
        elements=(160, 96),
        inclusions=inclusions,
        compression=compression,
        lateral_slip_m=lateral_slip_m,
    )


#: A soft disc at 1 %, a hard one at 2 %, and two discs at 0.5 % with a lateral slip of a quarter line.
SIMUS_PHANTOMS = (
    block(0.01, Inclusion(0.012, 0.0, 0.0022, 8e3)),
    block(0.02, Inclusion(0.011, 0.0005, 0.0025, 80e3)),
    block(0.005, Inclusion(0.008, -0.002, 0.0014, 14e3), Inclusion(0.0145, 0.0018, 0.0018, 45e3), lateral_slip_m=5e-5),
)


@dataclass(frozen=True, eq=False)
class Cloud:
    """Scatterers of a reference pair before and after compression: (N, 2) positions, m, and (N,) reflectivities."""

    before_m: np.ndarray
    after_m: np.ndarray
    amplitudes: np.ndarray
    field: SplineField


def simus_cloud(index: int) -> Cloud:
    """The scatterers that SIMUS was given for pair `index` (0, 1, 2); they follow from the index."""
    phantom = phantom_of(index)
    before_m, amplitudes = phantom.scatterers(np.random.default_rng([3, index]))
    field = phantom.motion()
    return Cloud(before_m, deform(before_m, field, phantom.state(phantom.compression)), amplitudes, field)


def simus_pair(index: int, *, snr_db: float = 30.0) -> Simulated:
    """Pair `index` (0, 1, 2) as SIMUS made it, with its truth; white noise is added `snr_db` below the signal.

    Names and grid of the truth are those of `simulate_pair`. Infinite `snr_db` gives the frames without noise.
    """
    phantom = phantom_of(index)
    with resources.files("sonometry.simulation").joinpath(f"simus/pair{index}.npz").open("rb") as stream:
        kept = dict(np.load(stream, allow_pickle=False))
    rng = np.random.default_rng([4, index])
    samples = kept["rf"].astype(np.float32) / np.iinfo(np.int16).max
    recording = recording_of(np.stack([add_noise(frame, snr_db, rng) for frame in samples]), "SIMUS simulation")
    rows = np.arange(samples.shape[1])
    spline = CubicSpline(rows[::TRUTH_STRIDE], kept["motion"], axis=1)
    names = ("axial_displacement_m", "lateral_displacement_m", "axial_strain")
    truth = dict(zip(names, spline(rows).astype(np.float32), strict=True))
    truth |= {
        "inclusion": phantom.inclusion_labels(recording.depth_m[:, None], recording.lateral_m[None, :]),
        "depth_m": recording.depth_m,
        "lateral_m": recording.lateral_m,
        "pair_frames": np.array([0, 1]),
    }
    states = (REST, phantom.state(phantom.compression))
    return Simulated(recording, truth, labels_of(phantom, states, snr_db, 0.0))


def engine_pair(index: int) -> Simulated:
    """The same scatterers and motion through this package's engine, without noise: what SIMUS is compared with."""
    phantom, cloud = phantom_of(index), simus_cloud(index)
    frames = [
        simulate_rf(positions, cloud.amplitudes, ENGINE_PROBE, depth_m=SIMUS_DEPTH_M)
        for positions in (cloud.before_m, cloud.after_m)
    ]
    recording = recording_of(np.stack(frames), "simulation")
    states = (REST, phantom.state(phantom.compression))
    truth = truth_of(phantom, cloud.field, SIMUS_PROBE, recording.depth_m, states)
    return Simulated(recording, truth, labels_of(phantom, states, math.inf, 0.0))


def recording_of(samples: np.ndarray, simulator: str) -> RFFrames:
    """RF of the reference probe."""
    return RFFrames(
        samples,
        SIMUS_PROBE.sampling_rate_hz,
        SIMUS_PROBE.centre_frequency_hz,
        SIMUS_PROBE.line_pitch_m,
        start_depth_m=SIMUS_DEPTH_M[0],
        source=Source(name="rf", format=simulator),
    )


def phantom_of(index: int) -> InclusionPhantom:
    """Phantom of a reference pair. Raises ValueError for an index that is not 0, 1 or 2."""
    if not 0 <= index < len(SIMUS_PHANTOMS):
        raise ValueError(f"there are SIMUS pairs 0 to {len(SIMUS_PHANTOMS) - 1}, not {index}")
    return SIMUS_PHANTOMS[index]
