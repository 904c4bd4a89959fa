"""Movement of the whole heart against the probe: swing with each beat, breathing, an unsteady hand.

All of it is rigid, so strain does not change; it moves the section through the heart, which is how a real clip loses
its plane. Positions are those of the heart in its own coordinates at end-diastole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sonometry.simulation.phantoms.heart.poses import Pose

#: The body's axis, head to feet, in heart coordinates: down along the inferior wall and towards the apex.
_FEET = np.array([0.1, -0.72, 0.69])


@dataclass(frozen=True)
class Drift:
    """Amplitudes and phases of one clip.

    swing_m, swing_rad : translation and rotation of the heart at end-systole. breath_m, breath_hz, breath_phase_rad :
    along the body. hand_m, hand_rad : slow wandering of the probe; hand_hz, hand_phase_rad its two components.
    """

    swing_m: np.ndarray
    swing_rad: np.ndarray
    breath_m: float
    breath_hz: float
    breath_phase_rad: float
    hand_m: np.ndarray
    hand_rad: np.ndarray
    hand_hz: np.ndarray
    hand_phase_rad: np.ndarray

    def pose(self, pose: Pose, time_s: float, emptying: float) -> Pose:
        """The probe as the moved heart sees it."""
        rotation, translation = self._rigid(time_s, emptying)
        return pose.moved(_rotation(rotation), translation)

    def _rigid(self, time_s: float, emptying: float) -> tuple[np.ndarray, np.ndarray]:
        phase = 2 * math.pi * self.breath_hz * time_s + self.breath_phase_rad
        breath = self.breath_m * (math.sin(phase) - math.sin(self.breath_phase_rad)) * _FEET
        waves = np.sin(2 * np.pi * self.hand_hz * time_s + self.hand_phase_rad) - np.sin(self.hand_phase_rad)
        rotation = self.swing_rad * emptying + waves @ self.hand_rad
        return rotation, self.swing_m * emptying + breath + waves @ self.hand_m


def sample_drift(rng: np.random.Generator, *, share: float = 1.0) -> Drift:
    """Movement of one clip; share : 0 keeps heart and probe still. Half of the clips are taken at held breath."""
    breath = rng.uniform(0.5e-3, 4e-3) if rng.random() < 0.5 else 0.0
    return Drift(
        swing_m=share * rng.normal(0, 1.2e-3, 3),
        swing_rad=share * rng.normal(0, math.radians(1.5), 3),
        breath_m=share * breath,
        breath_hz=float(rng.uniform(0.18, 0.35)),
        breath_phase_rad=float(rng.uniform(0, 2 * math.pi)),
        hand_m=share * rng.normal(0, 0.6e-3, (2, 3)),
        hand_rad=share * rng.normal(0, math.radians(0.5), (2, 3)),
        hand_hz=rng.uniform(0.05, 0.6, 2),
        hand_phase_rad=rng.uniform(0, 2 * math.pi, 2),
    )


def _rotation(vector_rad: np.ndarray) -> np.ndarray:
    """Rotation matrix of a rotation vector."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(vector_rad).as_matrix())
