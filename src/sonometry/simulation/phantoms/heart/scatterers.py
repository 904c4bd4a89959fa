"""The same clip through the acoustic engine: point scatterers that move with the heart, summed to RF lines.

This is the slow path, about a second for 20,000 scatterers a frame, against which the fast imaging is checked.
Scatterers fill a slab around the image plane; those of tissue are material points and are moved by the closed-form
map, those of blood are new in every frame. Their strength is that of the scene at the place where they are, so both
paths show the same structures and differ in how speckle arises.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import map_coordinates

from sonometry.core.rf import Geometry, RFFrames
from sonometry.core.source import Source
from sonometry.simulation.acoustics import simulate_rf
from sonometry.simulation.phantoms.heart.motion import Material
from sonometry.simulation.phantoms.heart.recording import HeartRecording
from sonometry.simulation.probes import SectorProbe


@dataclass(eq=False)
class HeartScatterers:
    """Scatterers of one recording.

    n : number. slab_m : thickness of the slab across the image plane. Positions are drawn evenly in the slab of the
    reference pose.
    """

    recording: HeartRecording
    n: int
    rng: np.random.Generator
    slab_m: float = 10e-3
    material: Material = field(init=False)

    def __post_init__(self) -> None:
        lateral, axial, elevation = self._draw()
        motion, pose = self.recording.motion, self.recording.reference
        points = [
            float(pose.origin_m[i]) + pose.axes[0, i] * lateral + pose.axes[1, i] * axial + pose.axes[2, i] * elevation
            for i in range(3)
        ]
        self.material = motion.material(motion.shape.straighten((points[0], points[1], points[2])))
        self.is_heart = self.recording.valves.chambers.distances(self.material).envelope < 1.5e-3
        self._still = np.stack([axial, lateral, elevation], axis=1)
        self._reflectivity = self.rng.standard_normal(self.n)

    def _draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Even in area over the sector, even across the slab; lateral, axial, elevation."""
        sector = self.recording.imagined.sector
        first, last = sector.ranges_m[[0, -1]]
        reach = np.sqrt(self.rng.uniform(first**2, last**2, self.n))
        angle = self.rng.uniform(-sector.half_angle_rad, sector.half_angle_rad, self.n)
        elevation = self.rng.uniform(-self.slab_m / 2, self.slab_m / 2, self.n)
        return reach * np.sin(angle), reach * np.cos(angle) - sector.apex_m, elevation

    def positions_m(self, index: int) -> np.ndarray:
        """(N, 3) depth, lateral, elevation at a frame: the heart moves by its map, the chest stands still."""
        recording = self.recording
        space = recording.motion.to_space(self.material, recording.states.frame(index))
        lateral, axial, elevation = recording.poses[index].from_heart(space)
        moved = np.stack([axial, lateral, elevation], axis=1)
        return np.where(self.is_heart[:, None], moved, self._still)

    def rf(self, index: int, probe: SectorProbe) -> np.ndarray:
        """RF lines (axial, line) of one frame."""
        scene = self.recording.scene(index)
        positions = self.positions_m(index)
        tissue = self._reflectivity * self._at(scene.tissue, positions)
        lateral, axial, elevation = self._draw()
        blood_positions = np.stack([axial, lateral, elevation], axis=1)
        blood = self.rng.standard_normal(self.n) * self._at(scene.blood, blood_positions)
        sector = self.recording.imagined.sector
        return np.asarray(
            simulate_rf(
                np.concatenate([positions, blood_positions]),
                np.concatenate([tissue, blood]),
                probe,
                depth_m=(sector.start_m, sector.depth_m),
            )
        )

    def _at(self, amplitude: np.ndarray, positions_m: np.ndarray) -> np.ndarray:
        """Amplitude of the scene (sample, beam) at positions, 0 beyond the sector."""
        sector = self.recording.imagined.sector
        axial, lateral = positions_m[:, 0] + sector.apex_m, positions_m[:, 1]
        sample = (np.hypot(axial, lateral) - sector.ranges_m[0]) / sector.range_step_m
        beam = (np.arctan2(lateral, axial) + sector.half_angle_rad) / sector.angle_step_rad
        return np.asarray(map_coordinates(amplitude, [sample, beam], order=1, cval=0.0))


def sector_probe(recording: HeartRecording, *, n_lines: int = 120) -> SectorProbe:
    """A phased array whose lines span the sector of the recording."""
    sector = recording.imagined.sector
    return SectorProbe(
        n_lines=n_lines,
        line_angle_rad=2 * sector.half_angle_rad / (n_lines - 1),
        focus_m=0.5 * sector.depth_m,
        elevation_focus_m=0.5 * sector.depth_m,
        elevation_aperture_m=0.012,
    )


def heart_rf(
    recording: HeartRecording,
    indices: list[int],
    rng: np.random.Generator,
    *,
    n_scatterers: int = 100_000,
    probe: SectorProbe | None = None,
) -> RFFrames:
    """RF of frames of a recording by the full scatterer path. The virtual apex must lie in the probe's face."""
    if recording.imagined.sector.apex_m:
        raise ValueError("the scatterer path needs a sector whose apex lies in the probe's face (apex_m = 0)")
    probe = sector_probe(recording) if probe is None else probe
    scatterers = HeartScatterers(recording, n_scatterers, rng)
    samples = np.stack([scatterers.rf(i, probe) for i in indices]).astype(np.float32)
    return RFFrames(
        samples=samples,
        sampling_rate_hz=probe.sampling_rate_hz,
        centre_frequency_hz=probe.centre_frequency_hz,
        line_pitch_m=0.0,
        start_depth_m=recording.imagined.sector.start_m,
        frame_times_s=recording.times_s[indices] if len(indices) > 1 else None,
        geometry=Geometry.SECTOR,
        line_angle_rad=probe.line_angle_rad,
        source=Source(name="rf", format="simulation"),
    )
