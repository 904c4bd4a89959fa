"""What a view classifier must call none of its views: other anatomy, and screens that are not B-mode of the heart.

Aortic arch from the suprasternal notch, soft tissue without a heart (parenchyma with vessels, lung, a tube along the
beam's plane, no contact), Doppler spectra and M-mode strips with their small guiding image. Sections of the same heart
that are no standard view (short axis at the apex, inferior vena cava) are poses, see `poses`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

import cv2
import numpy as np

from sonometry.core.cine import Cine
from sonometry.core.source import Device, Source
from sonometry.simulation.appearance import Screen, ScreenSettings
from sonometry.simulation.echo.beams import ScanConverter, Sector
from sonometry.simulation.echo.engine import EchoEngine
from sonometry.simulation.echo.settings import sample_acquisition
from sonometry.simulation.echo.speckle import smooth_noise
from sonometry.simulation.phantoms.heart.poses import View
from sonometry.simulation.phantoms.heart.recording import ClipOptions, HeartRecording
from sonometry.simulation.phantoms.heart.solids import Capsule, Ellipsoid, Frame, union


class OtherPicture(StrEnum):
    """Recordings that are no section of the heart."""

    SUPRASTERNAL = "SUPRASTERNAL"
    NONCARDIAC = "NONCARDIAC"
    DOPPLER = "DOPPLER"
    MMODE = "MMODE"


@dataclass(frozen=True)
class FlatScene:
    """Tissue and blood amplitudes (sample, beam) with the coordinates of their speckle."""

    tissue: np.ndarray
    blood: np.ndarray
    texture: tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(eq=False)
class OtherRecording:
    """A clip of something else; the same interface as `HeartRecording`, with a mask that is empty.

    guide : a heart of the same patient, shown small beside spectra and strips.
    """

    picture: OtherPicture
    guide: HeartRecording
    options: ClipOptions
    rng: np.random.Generator
    times_s: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.times_s = self.guide.times_s
        self.vendor = self.guide.vendor
        self.view = self.picture
        if self.picture in (OtherPicture.SUPRASTERNAL, OtherPicture.NONCARDIAC):
            self._set_up_tissue()
        else:
            self._set_up_strip()

    @property
    def n_frames(self) -> int:
        return len(self.times_s)

    def image(self, index: int) -> np.ndarray:
        """Screen (H, W) uint8 before storage."""
        return self._strip_frame(index) if self._strip is not None else self._tissue_frame(index)

    def cine(self) -> Cine:
        """All frames; calibrated only where the whole picture is B-mode."""
        pixels = self.guide.screen.store([self.image(i) for i in range(self.n_frames)])
        spacing = None if self._strip is not None else (self.screen.raster.pixel_m,) * 2
        device = Device(self.vendor.manufacturer, self.vendor.model, "phased array")
        source = Source(name="clip", format="simulation", device=device)
        return Cine(pixels, frame_times_s=self.times_s, spacing_m=spacing, ecg=self.guide.own_ecg(), source=source)

    def truth(self) -> dict[str, np.ndarray]:
        """An empty mask and the times."""
        shape = (self.n_frames, *self.screen.shape)
        return {"mask": np.zeros(shape, np.uint8), "frame_times_s": self.times_s}

    # -- other tissue --------------------------------------------------------------------------------------------

    def _set_up_tissue(self) -> None:
        rng, options = self.rng, self.options
        grid = (options.samples, options.beams)
        self._strip = None
        self.sector = Sector(float(rng.uniform(0.07, 0.18)), float(np.radians(rng.uniform(28, 44))), *grid)
        is_cropped = bool(rng.random() < 0.4) if options.is_cropped is None else options.is_cropped
        self.screen = Screen(self.vendor, self.sector, ScreenSettings(), rng, size=options.size, is_cropped=is_cropped)
        self.converter = ScanConverter(self.sector, self.screen.raster)
        self.engine = EchoEngine(
            sample_acquisition(rng, grid, quality=options.quality, look=self.vendor.look), grid, rng
        )
        lateral, axial = self.sector.points_m()
        self._points = (lateral, axial, np.zeros_like(axial))
        make = _arch if self.picture is OtherPicture.SUPRASTERNAL else _soft_tissue
        self._cavities, self._strength, self._blood = make(rng, self._points, self.sector.depth_m)
        offset = rng.uniform(0, 200, 2)
        row, column = np.indices(grid).astype(np.float32)
        self._texture = (row + np.float32(offset[0]), column + np.float32(offset[1]), np.zeros(grid, np.float32))

    def _tissue_frame(self, index: int) -> np.ndarray:
        """The same tissue, with walls that pulse and a slow breath."""
        pulse = float(self.guide.beat.pulse[index]) if index < len(self.guide.beat.pulse) else 0.0
        share = np.clip(0.5 - (self._cavities - 1.2e-3 * pulse) / 1e-3, 0, 1)
        amplitude = (10 ** (self._strength / 20)).astype(np.float32)
        breath = np.float32(2 * math.sin(2 * math.pi * 0.25 * float(self.times_s[index])))
        texture = (self._texture[0] + breath, *self._texture[1:])
        scene = FlatScene(amplitude * (1 - share), np.float32(10 ** (self._blood / 20)) * share, texture)
        picture = self.converter.convert(np.asarray(self.engine.frame(scene, time_s=float(self.times_s[index]))))
        return self.screen.frame(picture, self.converter.mask, float(self.times_s[index]), self.guide.ecg)

    # -- spectra and strips --------------------------------------------------------------------------------------

    def _set_up_strip(self) -> None:
        self.screen = self.guide.screen
        rows, columns = self.screen.shape
        self._top = int(rows * self.rng.uniform(0.28, 0.45))
        shape = (int(0.96 * rows) - self._top, int(columns * self.rng.uniform(0.86, 1.0)))
        make = _m_mode if self.picture is OtherPicture.MMODE else _spectrum
        self._strip = make(self.rng, self.guide, shape)
        self._left = int(self.rng.integers(0, columns - shape[1] + 1))
        self._is_sweeping = self.rng.random() < 0.6
        self._sweep_start = self.rng.random()

    def _strip_frame(self, index: int) -> np.ndarray:
        rows, columns = self.screen.shape
        canvas = np.full((rows, columns), self.vendor.black, np.uint8)
        small = self.guide.image(index)[0]
        height = max(self._top - 4, 8)
        scale = height / small.shape[0]
        small = cv2.resize(small, (max(8, int(small.shape[1] * scale)), height), interpolation=cv2.INTER_AREA)
        start = (columns - small.shape[1]) // 2
        canvas[2 : 2 + height, max(start, 0) : max(start, 0) + small.shape[1]] = small[:, :columns]
        strip = self._strip
        assert strip is not None
        if self._is_sweeping:
            position = (self._sweep_start + index / 90) % 1.0
            strip = np.roll(strip, int(0.1 * strip.shape[1]), axis=1) if position < 0.5 else strip
            at = int(position * strip.shape[1])
            strip = strip.copy()
            strip[:, at : at + max(2, strip.shape[1] // 60)] = 0
        canvas[self._top : self._top + strip.shape[0], self._left : self._left + strip.shape[1]] = strip
        return canvas


def _arch(
    rng: np.random.Generator, points: tuple[np.ndarray, ...], depth_m: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Aortic arch over the right pulmonary artery, with its branches."""
    lateral, axial, _ = points
    radius, tube = rng.uniform(20e-3, 32e-3), rng.uniform(9e-3, 14e-3)
    middle = np.array([rng.normal(0, 8e-3), rng.uniform(0.35, 0.55) * depth_m + 0.01])
    distance = np.full(lateral.shape, 1.0, np.float32)
    ring = np.abs(np.hypot(lateral - middle[0], axial - middle[1]) - radius) - tube
    distance = np.minimum(distance, np.where(axial < middle[1], ring, 1.0))
    for side, end in ((-1, rng.uniform(0.01, 0.04)), (1, rng.uniform(0.03, 0.09))):
        leg = Capsule(
            np.array([middle[0] + side * radius, middle[1], 0]),
            np.array([middle[0] + side * radius * 1.1, middle[1] + end, 0]),
            tube,
        )
        distance = union(distance, leg.distance(points), blend_m=4e-3)  # type: ignore[arg-type]
    for place in (-0.5, 0.0, 0.45):
        foot = middle + radius * np.array([math.sin(place), -math.cos(place)])
        top = foot + np.array([8e-3 * place, -35e-3])
        branch = Capsule(np.array([*foot, 0]), np.array([*top, 0]), rng.uniform(2.5e-3, 4.5e-3))
        distance = union(distance, branch.distance(points), blend_m=2e-3)  # type: ignore[arg-type]
    artery = np.hypot(lateral - middle[0], axial - middle[1] - 4e-3) - rng.uniform(6e-3, 9e-3)
    distance = np.minimum(distance, artery)
    noise = smooth_noise(points, 12e-3, tuple(rng.uniform(0, 64, 3).tolist()))  # type: ignore[arg-type]
    strength = rng.uniform(-10, 0) + rng.uniform(2, 6) * noise + 8 * np.exp(-(((distance - 1.5e-3) / 1.5e-3) ** 2))
    return distance, strength.astype(np.float32), float(-rng.uniform(20, 45))


def _soft_tissue(
    rng: np.random.Generator, points: tuple[np.ndarray, ...], depth_m: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Parenchyma with vessels, lung below a bright line, one wide tube, or nothing but clutter."""
    lateral, axial, _ = points
    offset = tuple(rng.uniform(0, 64, 3).tolist())
    noise = smooth_noise(points, rng.uniform(6e-3, 25e-3), offset)  # type: ignore[arg-type]
    strength = rng.uniform(-12, 0) + rng.uniform(0.5, 6) * noise
    distance = np.full(lateral.shape, 1.0, np.float32)
    kind = rng.choice(["parenchyma", "lung", "tube", "nothing"], p=[0.45, 0.25, 0.2, 0.1])
    if kind == "parenchyma":
        for _ in range(rng.integers(2, 9)):
            start = np.array([rng.uniform(-0.07, 0.07), rng.uniform(0.02, depth_m), 0])
            end = start + np.array([rng.normal(0, 0.03), rng.normal(0, 0.03), 1e-4])
            distance = np.minimum(distance, Capsule(start, end, rng.uniform(1.5e-3, 9e-3)).distance(points))  # type: ignore[arg-type]
        organ = Ellipsoid(
            Frame(np.array([rng.uniform(-0.05, 0.05), rng.uniform(0.3, 0.9) * depth_m, 0]), np.eye(3)),
            (0.05, 0.03, 0.1),
        )
        inside = organ.distance(points)  # type: ignore[arg-type]
        strength = strength + np.where(inside < 0, rng.uniform(-8, 8), 0) + 10 * np.exp(-((inside / 1.5e-3) ** 2))
    elif kind == "lung":
        pleura = rng.uniform(0.012, 0.035)
        below = np.maximum(axial - pleura, 0)
        bands = np.cos(np.pi * axial / pleura) ** 10 * rng.uniform(0, 20)
        rays = rng.uniform(0, 25) * np.clip(
            smooth_noise((lateral / (axial + 1e-3) * 0.1, 0 * axial, 0 * axial), 6e-3, offset), 0, 1
        )  # type: ignore[arg-type]
        strength = np.where(axial > pleura, -12 - 250 * below + bands + rays, strength)
        strength = strength + 16 * np.exp(-(((axial - pleura) / 1.2e-3) ** 2))
    elif kind == "tube":
        slope, at, half = rng.normal(0, 0.2), rng.uniform(0.25, 0.6) * depth_m, rng.uniform(3e-3, 11e-3)
        distance = (np.abs(axial - at - slope * lateral) - half).astype(np.float32)
        strength = strength + 9 * np.exp(-(((distance - 1e-3) / 1e-3) ** 2))
    else:
        strength = strength - 40 - 600 * axial
    return distance, strength.astype(np.float32), float(-rng.uniform(18, 45))


def _m_mode(rng: np.random.Generator, guide: HeartRecording, shape: tuple[int, int]) -> np.ndarray:
    """One beam of the guiding image over two or three beats."""
    beam = int(rng.uniform(0.35, 0.65) * guide.options.beams)
    beats = rng.uniform(1.8, 3.5)
    moments = np.linspace(0, beats / guide.motion.parameters.heart_rate_hz, 48)
    columns = [column[:, beam] for column in guide.beam_images(moments)]
    strip = cv2.resize(np.stack(columns, axis=1).astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)
    return (255 * np.clip(strip, 0, 1)).astype(np.uint8)


def _spectrum(rng: np.random.Generator, guide: HeartRecording, shape: tuple[int, int]) -> np.ndarray:
    """Velocity over time: inflow (E and A) or outflow or tissue, above or below a line, with spectral noise."""
    rows, columns = shape
    beats = rng.uniform(2, 5)
    time = np.linspace(0, beats / guide.motion.parameters.heart_rate_hz, columns)
    velocity = _flow(rng, guide, time)
    baseline = rng.uniform(0.3, 0.7) * rows
    sign = rng.choice([-1, 1])
    peak = (baseline if sign > 0 else rows - baseline) * rng.uniform(0.5, 0.95) * velocity / max(velocity.max(), 1e-6)
    height = sign * (baseline - np.arange(rows)[:, None])
    filled = rng.random() < 0.5  # continuous wave fills the curve, pulsed wave only its edge
    width = np.maximum(peak * rng.uniform(0.1, 0.3), 2)[None]
    body = np.clip((peak[None] - height) / 4, 0, 1) * np.clip(height / 3, 0, 1)
    shade = body if filled else body * np.exp(-np.maximum(peak[None] - height - width, 0) / width)
    clutter = np.exp(-np.abs(height) / (0.02 * rows)) * rng.uniform(0.1, 0.6)
    grain = rng.gamma(2.0, 0.5, shape)
    grain = cv2.GaussianBlur(grain.astype(np.float32), (0, 0), sigmaX=rng.uniform(0.6, 1.6), sigmaY=0.6)
    picture = (shade * rng.uniform(0.6, 1.0) + clutter + rng.uniform(0, 0.12)) * grain
    line = np.clip(255 * picture, 0, 255).astype(np.uint8)
    line[int(baseline)] = rng.integers(100, 255)
    return line


def _flow(rng: np.random.Generator, guide: HeartRecording, time_s: np.ndarray) -> np.ndarray:
    """Speed over time from the simulated volume: filling or ejection rate."""
    beat = 1 / guide.motion.parameters.heart_rate_hz
    state = guide.rhythm.state(time_s % beat)
    rate = np.gradient(state.emptying, time_s)
    speed = np.maximum(rate if rng.random() < 0.5 else -rate, 0)
    return cv2.GaussianBlur(speed[None].astype(np.float32), (0, 0), 2)[0] + 1e-3


#: Views whose small image guides spectra and strips.
GUIDE_VIEWS = (View.A4C, View.PLAX, View.A5C)
