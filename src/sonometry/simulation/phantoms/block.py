"""Tissue blocks with inclusions and layers, compressed under a probe: RF of each frame with its exact truth.

The block lies under the probe: depth 0 is its surface, lateral 0 its middle. The probe stands still and the tissue is
pushed against it from below, so in the frame of the probe the displacement is negative and grows with depth.
The elastic problem is linear (small strain) and its solution scales with the compression: at 5 % the true finite
strain field would differ by about the strain times itself (0.25 %), but truth and motion are the same field anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sonometry.core import RFFrames, Simulated, Source
from sonometry.simulation.acoustics import add_noise, simulate_rf
from sonometry.simulation.fem import Plates, solve_block
from sonometry.simulation.motion import REST, SplineField, State, deform, true_motion
from sonometry.simulation.probes import Probe

#: Sub-samples per element edge when a modulus boundary cuts an element.
EDGE_SAMPLES = 4


@dataclass(frozen=True)
class Inclusion:
    """A disc of another stiffness. echo_gain_db : brightness of its scatterers over the background's."""

    centre_depth_m: float
    centre_lateral_m: float
    radius_m: float
    modulus_pa: float
    echo_gain_db: float = 0.0

    def contains(self, depth_m: np.ndarray, lateral_m: np.ndarray) -> np.ndarray:
        """Mask of the points inside."""
        return np.hypot(depth_m - self.centre_depth_m, lateral_m - self.centre_lateral_m) <= self.radius_m


@dataclass(frozen=True)
class Blob(Inclusion):
    """An inclusion whose outline is no circle: radius_m * (1 + sum of share * cos(order * angle + phase)).

    harmonics : (order, share, phase in rad) of each; order 2 makes an ellipse, higher ones lobes.
    """

    harmonics: tuple[tuple[int, float, float], ...] = ()

    def contains(self, depth_m: np.ndarray, lateral_m: np.ndarray) -> np.ndarray:
        """Mask of the points inside."""
        depth, lateral = np.broadcast_arrays(depth_m - self.centre_depth_m, lateral_m - self.centre_lateral_m)
        angle = np.arctan2(lateral, depth)
        outline = 1 + sum(share * np.cos(order * angle + phase) for order, share, phase in self.harmonics)
        inside: np.ndarray = np.hypot(depth, lateral) <= self.radius_m * outline
        return inside


@dataclass(frozen=True)
class Ripple:
    """A smooth variation of stiffness: the modulus times exp(amplitude * cos(2 pi (depth, lateral).waves + phase)).

    waves_per_m : along depth and across. amplitude : of the natural logarithm of the modulus.
    """

    amplitude: float
    waves_per_m: tuple[float, float]
    phase_rad: float

    def gain(self, depth_m: np.ndarray, lateral_m: np.ndarray) -> np.ndarray:
        """Factor of the modulus at points of any common shape."""
        turns = self.waves_per_m[0] * depth_m + self.waves_per_m[1] * lateral_m
        factor: np.ndarray = np.exp(self.amplitude * np.cos(2 * np.pi * turns + self.phase_rad))
        return factor


@dataclass(frozen=True)
class Layer:
    """A horizontal band of another stiffness; a thin, very soft one lets the tissue above slide on that below."""

    top_m: float
    bottom_m: float
    modulus_pa: float
    echo_gain_db: float = 0.0

    def contains(self, depth_m: np.ndarray, lateral_m: np.ndarray) -> np.ndarray:
        """Mask of the points inside."""
        inside = (depth_m >= self.top_m) & (depth_m < self.bottom_m)
        return np.broadcast_to(inside, np.broadcast_shapes(depth_m.shape, lateral_m.shape))


@dataclass(frozen=True)
class InclusionPhantom:
    """A compressed block of tissue.

    n_scatterers : in the block; 10,000 in 3x5 cm is the paper's sparse speckle, 50,000 and more is fully developed.
    background_pa, poisson : elasticity; inclusions and layers override the modulus (later ones, then inclusions, win).
    ripples : smooth variation of stiffness over all of it.
    compression : share of the thickness (0.01 for 1 %).
    lateral_slip_m, elevation_slip_m : rigid motion of the tissue under the probe at full compression.
    shear : lateral over axial motion of the lower plate (both plates bonded).
    top_bonded, bottom_bonded, plane : see `sonometry.simulation.fem.Plates`.
    thickness_m : extent across the image plane over which scatterers are spread; 0 puts them all in the plane.
    top_depth_m : depth of the upper face; negative where a curved probe dips into the tissue.
    elements : (deep, wide) of the finite-element mesh.
    """

    width_m: float = 0.03
    depth_m: float = 0.05
    n_scatterers: int = 10_000
    background_pa: float = 25e3
    poisson: float = 0.495
    inclusions: tuple[Inclusion, ...] = ()
    layers: tuple[Layer, ...] = ()
    ripples: tuple[Ripple, ...] = ()
    compression: float = 0.01
    lateral_slip_m: float = 0.0
    elevation_slip_m: float = 0.0
    shear: float = 0.0
    top_bonded: bool = False
    bottom_bonded: bool = False
    plane: str = "strain"
    thickness_m: float = 0.0
    top_depth_m: float = 0.0
    elements: tuple[int, int] = (160, 100)

    def modulus_pa(self, depth_m: np.ndarray, lateral_m: np.ndarray) -> np.ndarray:
        """Young's modulus at points of any common shape."""
        modulus = np.full(np.broadcast_shapes(depth_m.shape, lateral_m.shape), self.background_pa)
        for part in (*self.layers, *self.inclusions):
            modulus[part.contains(depth_m, lateral_m)] = part.modulus_pa
        for ripple in self.ripples:
            modulus *= ripple.gain(depth_m, lateral_m)
        return modulus

    def inclusion_labels(self, depth_m: np.ndarray, lateral_m: np.ndarray) -> np.ndarray:
        """uint8: 0 outside all inclusions, else the number of the inclusion counted from 1."""
        labels = np.zeros(np.broadcast_shapes(depth_m.shape, lateral_m.shape), dtype=np.uint8)
        for number, inclusion in enumerate(self.inclusions, start=1):
            labels[inclusion.contains(depth_m, lateral_m)] = number
        return labels

    def element_modulus_pa(self) -> np.ndarray:
        """(deep, wide) modulus per element: the geometric mean over it, so that a boundary moves smoothly."""
        n_deep, n_wide = self.elements
        depth = self.top_depth_m + (np.arange(n_deep * EDGE_SAMPLES) + 0.5) * self.depth_m / (n_deep * EDGE_SAMPLES)
        lateral = ((np.arange(n_wide * EDGE_SAMPLES) + 0.5) / (n_wide * EDGE_SAMPLES) - 0.5) * self.width_m
        fine = np.log(self.modulus_pa(depth[:, None], lateral[None, :]))
        return np.exp(fine.reshape(n_deep, EDGE_SAMPLES, n_wide, EDGE_SAMPLES).mean(axis=(1, 3)))

    def motion(self) -> SplineField:
        """Displacement field at a compression of 1 (scale it by the load of a `State`)."""
        plates = Plates(self.top_bonded, self.bottom_bonded, 1.0, self.shear, self.plane)
        nodal_m = solve_block(
            self.element_modulus_pa(), depth_m=self.depth_m, width_m=self.width_m, poisson=self.poisson, plates=plates
        )
        return SplineField.from_nodes(
            nodal_m, origin_m=(self.top_depth_m, -self.width_m / 2), size_m=(self.depth_m, self.width_m)
        )

    def scatterers(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Positions at rest (N, 2 or 3), m, and normally distributed reflectivities (N,)."""
        unit = rng.random((self.n_scatterers, 3 if self.thickness_m > 0 else 2))
        positions = unit * [self.depth_m, self.width_m, self.thickness_m][: unit.shape[1]]
        positions[:, 0] += self.top_depth_m
        positions[:, 1:] -= np.array([self.width_m, self.thickness_m])[: unit.shape[1] - 1] / 2
        amplitudes = rng.standard_normal(self.n_scatterers)
        gain_db = np.zeros(self.n_scatterers)
        for part in (*self.layers, *self.inclusions):
            gain_db[part.contains(positions[:, 0], positions[:, 1])] = part.echo_gain_db
        return positions, amplitudes * 10 ** (gain_db / 20)

    def state(self, compression: float) -> State:
        """State of the tissue at a compression; the slips grow in proportion to it."""
        share = compression / self.compression if self.compression else 1.0
        return State(compression, share * self.lateral_slip_m, share * self.elevation_slip_m)


def simulate_pair(
    phantom: InclusionPhantom,
    probe: Probe,
    *,
    snr_db: float = 30.0,
    rng: np.random.Generator,
    attenuation_db_cm_mhz: float = 0.0,
    sound_speed_m_s: float = 1540.0,
) -> Simulated:
    """RF before (frame 0) and after (frame 1) the compression of the phantom, with the truth between them.

    Truth is on the RF grid of frame 0: `axial_displacement_m`, `lateral_displacement_m`, `axial_strain` (float32;
    later minus earlier, axial positive away from the probe), `inclusion` (uint8), `depth_m`, `lateral_m` and
    `pair_frames`.
    """
    states = (REST, phantom.state(phantom.compression))
    return simulate_states(
        phantom,
        probe,
        states,
        snr_db=snr_db,
        rng=rng,
        attenuation_db_cm_mhz=attenuation_db_cm_mhz,
        sound_speed_m_s=sound_speed_m_s,
    )


def simulate_sequence(
    phantom: InclusionPhantom,
    probe: Probe,
    compressions: Sequence[float],
    *,
    snr_db: float = 30.0,
    rng: np.random.Generator,
    attenuation_db_cm_mhz: float = 0.0,
    sound_speed_m_s: float = 1540.0,
    frame_rate_hz: float = 30.0,
) -> Simulated:
    """RF of one frame per compression.

    The truth of `simulate_pair` is that from the first to the last frame; `axial_displacement_sequence_m`,
    `lateral_displacement_sequence_m` and `axial_strain_sequence` (P, axial, line) are those of each frame to the next,
    and `sequence_pairs` (P, 2) names these.
    Raises ValueError for fewer than two compressions.
    """
    if len(compressions) < 2:
        raise ValueError(f"a sequence needs two or more compressions, got {len(compressions)}")
    return simulate_states(
        phantom,
        probe,
        tuple(phantom.state(c) for c in compressions),
        snr_db=snr_db,
        rng=rng,
        attenuation_db_cm_mhz=attenuation_db_cm_mhz,
        sound_speed_m_s=sound_speed_m_s,
        frame_rate_hz=frame_rate_hz,
    )


def simulate_states(
    phantom: InclusionPhantom,
    probe: Probe,
    states: Sequence[State],
    *,
    snr_db: float,
    rng: np.random.Generator,
    attenuation_db_cm_mhz: float,
    sound_speed_m_s: float,
    frame_rate_hz: float | None = None,
) -> Simulated:
    """RF of the phantom in each state, noise independent from frame to frame."""
    field = phantom.motion()
    positions_m, amplitudes = phantom.scatterers(rng)
    frames = [
        simulate_rf(
            deform(positions_m, field, state),
            amplitudes,
            probe,
            depth_m=(0.0, phantom.depth_m),
            sound_speed_m_s=sound_speed_m_s,
            attenuation_db_cm_mhz=attenuation_db_cm_mhz,
        )
        for state in states
    ]
    recording = RFFrames(
        np.stack([add_noise(frame, snr_db, rng) for frame in frames]),
        probe.sampling_rate_hz,
        probe.centre_frequency_hz,
        probe.line_pitch_m,
        sound_speed_m_s,
        frame_times_s=None if frame_rate_hz is None else np.arange(len(frames)) / frame_rate_hz,
        geometry=probe.geometry,
        line_angle_rad=probe.line_angle_rad,
        probe_radius_m=probe.radius_m,
        source=Source(name="rf", format="simulation"),
    )
    truth = truth_of(phantom, field, probe, recording.depth_m, states)
    return Simulated(recording, truth, labels_of(phantom, states, snr_db, attenuation_db_cm_mhz))


def truth_of(
    phantom: InclusionPhantom, field: SplineField, probe: Probe, range_m: np.ndarray, states: Sequence[State]
) -> dict[str, np.ndarray]:
    """Truth arrays from the first to the last state; for more than two states also from each to the next."""
    origins, directions = probe.line_frames()
    depth_m = origins[:, 0] + range_m[:, None] * directions[:, 0]
    lateral_m = origins[:, 1] + range_m[:, None] * directions[:, 1]
    truth = true_motion(field, probe, range_m, states[0], states[-1])
    truth["inclusion"] = phantom.inclusion_labels(depth_m, lateral_m)
    truth["depth_m"] = range_m
    truth["lateral_m"] = probe.line_index * probe.line_pitch_m
    truth["pair_frames"] = np.array([0, len(states) - 1])
    if len(states) > 2:
        steps = [true_motion(field, probe, range_m, a, b) for a, b in pairwise(states)]
        for name in ("axial_displacement", "lateral_displacement"):
            truth[f"{name}_sequence_m"] = np.stack([step[f"{name}_m"] for step in steps])
        truth["axial_strain_sequence"] = np.stack([step["axial_strain"] for step in steps])
        truth["sequence_pairs"] = np.stack([np.arange(len(steps)), np.arange(1, len(steps) + 1)], axis=1)
    return truth


def labels_of(
    phantom: InclusionPhantom, states: Sequence[State], snr_db: float, attenuation_db_cm_mhz: float
) -> dict[str, str | float | int]:
    """What the manifest tells of a simulated recording; the first inclusion stands for all."""
    labels: dict[str, str | float | int] = {
        "compression": states[-1].load - states[0].load,
        "background_pa": phantom.background_pa,
        "n_inclusions": len(phantom.inclusions),
        "n_scatterers": phantom.n_scatterers,
        "snr_db": snr_db,
        "attenuation_db_cm_mhz": attenuation_db_cm_mhz,
    }
    if phantom.inclusions:
        first = phantom.inclusions[0]
        labels |= {
            "inclusion_pa": first.modulus_pa,
            "inclusion_depth_m": first.centre_depth_m,
            "inclusion_lateral_m": first.centre_lateral_m,
            "inclusion_radius_m": first.radius_m,
        }
    return labels
