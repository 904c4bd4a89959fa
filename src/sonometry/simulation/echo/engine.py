"""Fast imaging: from a scene in beam coordinates to grey levels.

field = (tissue x moving noise + blood x fresh noise) through the point spread function; its power plus side lobes,
haze, near-field clutter, reverberation and noise, times gain; then the display. One frame of 288 x 120 samples takes
a few milliseconds. All steps run on any array-API library; the noise that must be drawn is drawn with NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sonometry.simulation.echo.arrays import Array, clip, like, namespace
from sonometry.simulation.echo.blur import blur_across, blur_along, box_blur, power_after_blur
from sonometry.simulation.echo.settings import Acquisition, Display
from sonometry.simulation.echo.speckle import VOXEL_CORRELATION, crop_noise, material_noise

_FLOOR = 1e-9
#: At least this share of the samples below the near field is shown brighter than this.
_LIT_SHARE, _LIT = 0.14, 0.1
#: Share of the echo of a surface across the beam that is the same for neighbouring beams: a line, not speckle.
_COHERENT = 0.8


@dataclass(eq=False)
class EchoEngine:
    """Images of one clip. Keeps what lasts: static clutter, reference level, the frame before (persistence)."""

    acquisition: Acquisition
    shape: tuple[int, int]
    rng: np.random.Generator
    reference_db: float | None = None
    _before: Array | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        resolution = self.acquisition.resolution
        self._across = resolution.across(self.shape[0])
        kept = power_after_blur(resolution.along_samples, self._across, correlation=VOXEL_CORRELATION)
        self._gain_of_blur = 1 / kept
        self._offsets = [tuple(map(float, o)) for o in self.rng.uniform(0, 200, (resolution.looks, 3))]
        self._static = crop_noise(self.shape, self.rng, is_grainy=True)
        self._blood = crop_noise(self.shape, self.rng)
        self._clutter = self._clutter_power()
        self._gain = 10 ** (self.acquisition.artefacts.gain_db / 10)

    def frame(self, scene: Any, *, time_s: float = 0.0) -> Array:
        """Grey levels 0 to 1 (sample, beam) of a scene with `tissue`, `blood` and `texture`."""
        shown = self._shown(scene, time_s)
        if self._before is not None and self.acquisition.display.persistence:
            shown = shown + self.acquisition.display.persistence * (self._before - shown)
        self._before = shown
        return shown

    def batch(self, scene: Any, times_s: np.ndarray) -> Array:
        """Grey levels (T, sample, beam) of stacked scenes; on a GPU all frames at once. Without persistence."""
        return self._shown(scene, like(np.asarray(times_s)[:, None, None], scene.tissue))

    def _shown(self, scene: Any, time_s: Array) -> Array:
        power = self._power(scene, time_s)
        level = 10 * namespace(power).log10(power + _FLOOR)
        if self.reference_db is None:
            first = level if level.ndim == 2 else level[0, ...]
            first = first if isinstance(first, np.ndarray) else np.asarray(first.cpu())
            self.reference_db = _reference_db(first, self.acquisition.display)
        return compress(level, self.acquisition.display, self.reference_db)

    def _power(self, scene: Any, time_s: Array) -> Array:
        art, resolution = self.acquisition.artefacts, self.acquisition.resolution
        tissue = scene.tissue
        lead = tuple(tissue.shape[:-2])
        xp = namespace(tissue)
        mirror = self._mirror(tissue + scene.blood)
        blood_noise = like_complex(self._fresh_blood(lead), tissue)
        grain = like(self._fresh_grain(lead), tissue)
        along, across, elevation = scene.texture
        elevation = elevation + art.slide_per_s * time_s
        power = None
        for look in range(resolution.looks):
            noise = material_noise((along, across, elevation), self._offsets[look])
            echo = (noise + _COHERENT * mirror) * tissue + blood_noise * scene.blood
            echo = blur_along(blur_across(echo, self._across), resolution.along_samples)
            one = (xp.real(echo) ** 2 + xp.imag(echo) ** 2) / resolution.looks
            power = one if power is None else power + one
        power = power * like(self._gain_of_blur, tissue)[:, None]
        spread = box_blur(power, art.side_lobe_beams // 2, -1)
        smear = 10 ** (art.side_lobes / 10) * spread
        if art.haze is not None:
            reach = self.shape[0] // 24
            smear = smear + 10 ** (art.haze / 10) * box_blur(box_blur(spread, reach, -2), reach, -2)
        power = power + smear * grain
        gain = like(self._gain, tissue)
        return power * gain + like(self._clutter, tissue) * grain + like(self._noise_power(lead), tissue)

    def _mirror(self, amplitude: Array) -> Array:
        """Extra amplitude where the echo rises along the beam over several beams: surfaces across the beam."""
        xp = namespace(amplitude)
        smooth = box_blur(box_blur(amplitude, 1, -1), 2, -1)
        rise = clip(smooth[..., 2:, :] - smooth[..., :-2, :], 0.0, 2.0)
        edge = 0 * rise[..., :1, :]
        return self.acquisition.artefacts.mirror * xp.concat([edge, rise, edge], axis=-2)

    def _noise(self, lead: tuple[int, ...], *, is_grainy: bool = False) -> np.ndarray:
        """Complex noise (*lead, sample, beam)."""
        if not lead:
            return crop_noise(self.shape, self.rng, is_grainy=is_grainy)
        return np.stack([crop_noise(self.shape, self.rng, is_grainy=is_grainy) for _ in range(lead[0])])

    def _fresh_blood(self, lead: tuple[int, ...]) -> np.ndarray:
        """Noise that shares a quarter of its amplitude with the frame before."""
        fresh = self._noise(lead)
        if lead:
            before = np.concatenate([self._blood[None], fresh[:-1]])
            blood = np.float32(0.25) * before + np.float32(0.968) * fresh
            self._blood = blood[-1]
            return blood
        self._blood = np.float32(0.25) * self._blood + np.float32(0.968) * fresh
        return self._blood

    def _fresh_grain(self, lead: tuple[int, ...]) -> np.ndarray:
        """Speckle of clutter, mean 1: mostly the same in every frame."""
        still = self.acquisition.artefacts.still
        fresh = self._noise(lead, is_grainy=True)
        noise = np.float32(still**0.5) * self._static + np.float32((1 - still) ** 0.5) * fresh
        return noise.real**2 + noise.imag**2

    def _clutter_power(self) -> np.ndarray:
        """Mean clutter: near field, reverberation, patches of haze."""
        art = self.acquisition.artefacts
        depth = np.linspace(0, 1, self.shape[0])[:, None]
        across = np.linspace(0, 1, self.shape[1])[None]
        total = 10 ** (art.near_field / 10) * np.exp(-depth / art.near_field_depth)
        if art.reverberation is not None:
            bands = np.cos(np.pi * depth / art.reverberation_step) ** 8
            total = total + 10 ** (art.reverberation / 10) * bands * np.exp(-depth / 0.2)
        for level, row, column, along, wide in art.patches:
            total = total + 10 ** (level / 10) * np.exp(
                -(((depth - row) / along) ** 2) - ((across - column) / wide) ** 2
            )
        return total.astype(np.float32)

    def _noise_power(self, lead: tuple[int, ...]) -> np.ndarray:
        """Electronic noise, new in every frame, that grows with the depth gain."""
        art = self.acquisition.artefacts
        depth = np.linspace(-0.5, 0.5, self.shape[0])[:, None]
        level = 10 ** ((art.noise + art.noise_slope * depth) / 10)
        noise = self._noise(lead)
        return (level * (noise.real**2 + noise.imag**2)).astype(np.float32)


def _reference_db(level_db: np.ndarray, display: Display) -> float:
    """Level shown as white: a percentile of the first frame, lower where hardly anything would be seen, as whoever
    holds the probe turns the gain up."""
    below = level_db[level_db.shape[0] // 5 :]
    lit, white = np.percentile(below, 100 * (1 - _LIT_SHARE)), np.percentile(level_db, display.reference_percentile)
    shown = display.reject + (1 - display.reject) * _LIT ** (1 / display.gamma)
    return float(min(white, lit + display.dynamic_range_db * (1 - shown)))


def like_complex(values: np.ndarray, array: Array) -> Array:
    """Complex NumPy values in the library and on the device of a real array."""
    if isinstance(array, np.ndarray):
        return values
    return namespace(array).asarray(np.ascontiguousarray(values), device=array.device)


def compress(level_db: Array, display: Display, reference_db: float) -> Array:
    """Grey levels 0 to 1 of echo levels: log compression, reject, gamma, speckle filter, edge enhancement."""
    shown = clip((level_db - reference_db) / display.dynamic_range_db + 1, 0.0, 1.0)
    if display.reject:
        shown = clip((shown - display.reject) / (1 - display.reject), 0.0, 1.0)
    shown = shown**display.gamma
    if display.smooth_across:
        shown = blur_across(shown, np.full(shown.shape[-2], display.smooth_across))
    if display.smooth_along:
        shown = blur_along(shown, display.smooth_along)
    if display.edge:
        soft = blur_along(blur_across(shown, np.full(shown.shape[-2], 1.5)), 1.5)
        shown = clip(shown + display.edge * (shown - soft), 0.0, 1.0)
    return shown
