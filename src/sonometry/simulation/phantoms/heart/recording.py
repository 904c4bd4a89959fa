"""One clip being made: a heart, a rhythm, a probe and a scanner, frame by frame, with the truth of every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sonometry.core.cine import Cine
from sonometry.core.signals import Signals
from sonometry.core.source import Device, Source
from sonometry.simulation.appearance import Screen, ScreenSettings, Vendor
from sonometry.simulation.echo.arrays import Array, like
from sonometry.simulation.echo.beams import ScanConverter, Sector
from sonometry.simulation.echo.engine import EchoEngine
from sonometry.simulation.echo.settings import Acquisition, sample_acquisition
from sonometry.simulation.phantoms.heart.drift import Drift, sample_drift
from sonometry.simulation.phantoms.heart.motion import END_DIASTOLE, HeartMotion, MotionState
from sonometry.simulation.phantoms.heart.poses import (
    APICAL,
    OtherView,
    Pose,
    PoseVariation,
    View,
    place_probe,
    stack_poses,
)
from sonometry.simulation.phantoms.heart.timing import BeatState, Rhythm
from sonometry.simulation.phantoms.heart.tissue import (
    BLOOD,
    Imagined,
    Scene,
    SingleScene,
    Structure,
    sample_echogenicity,
)
from sonometry.simulation.phantoms.heart.truth import (
    Centreline,
    displacement_mm,
    find_centreline,
    pixel_truth,
    segment_strain_of,
    strain_of,
)
from sonometry.simulation.phantoms.heart.valves import Valves

#: Frames whose scenes are made at once.
_TOGETHER = 3


#: What must differ on a readable image: muscle and cavity of the left ventricle, all tissue and all blood.
_TOLD_APART = tuple(
    tuple(np.isin(np.arange(256), [int(kind) for kind in kinds]) for kinds in pair)
    for pair in (
        ((Structure.MYOCARDIUM,), (Structure.LEFT_VENTRICLE,)),
        ((Structure.MYOCARDIUM, Structure.RIGHT_WALL, Structure.CONNECTIVE), BLOOD),
    )
)
#: Grey levels between them, and the share of the screen that each must cover to count.
_LEAST_CONTRAST, _LEAST_SHARE = 15.0, 1.2e-3


@dataclass(frozen=True)
class ClipOptions:
    """How a clip is taken. None draws the value as a clinic would have it.

    n_frames : frames; None covers `beats`. frame_rate_hz : 25 to 90. start_s : first frame after an R peak.
    size : (rows, columns) of the frames; None keeps the vendor's screen. is_cropped : only the sector, no screen
    around. samples, beams : of the imaging grid. variation : spread of the pose. outflow : fixes the tilt from A4C
    (0) to A5C (1). drift : share of the usual movement of heart and probe. quality : 0 poor to 1 good.
    has_displacement : whether the truth holds dense displacement (two fields a frame). is_displacement_coarse : as
    float16, 1 um below 2 mm and 8 um at 16 mm, for half the memory and a third of the disk.
    """

    n_frames: int | None = None
    beats: float = 1.3
    frame_rate_hz: float | None = None
    start_s: float | None = None
    size: tuple[int, int] | None = (256, 256)
    is_cropped: bool | None = None
    samples: int = 288
    beams: int = 120
    variation: PoseVariation | None = None
    outflow: float | None = None
    drift: float = 1.0
    quality: float | None = None
    has_displacement: bool = True
    is_displacement_coarse: bool = False


@dataclass(eq=False)
class HeartRecording:
    """A clip of one heart. Frames are made on demand and in order; the truth is there without them."""

    valves: Valves
    vendor: Vendor
    view: View | OtherView
    options: ClipOptions
    rng: np.random.Generator
    times_s: np.ndarray = field(init=False)
    reference: Pose = field(init=False)

    def __post_init__(self) -> None:
        rng, options = self.rng, self.options
        parameters = self.motion.parameters
        rate = float(np.clip(rng.normal(52, 14), 25, 90)) if options.frame_rate_hz is None else options.frame_rate_hz
        n_frames = options.n_frames or max(2, round(options.beats / parameters.heart_rate_hz * rate))
        self.times_s = np.arange(n_frames) / rate
        start = rng.uniform(0, 1 / parameters.heart_rate_hz) if options.start_s is None else options.start_s
        self.rhythm = Rhythm(parameters, rng, duration_s=float(self.times_s[-1]), start_s=float(start))
        self.beat: BeatState = self.rhythm.state(self.times_s)
        self.states: MotionState = self.motion.states(self.rhythm, self.times_s)
        pose = place_probe(self.view, self.valves.chambers, rng, variation=options.variation, outflow=options.outflow)
        drift: Drift = sample_drift(rng, share=options.drift)
        self.poses = [
            drift.pose(pose, float(t), float(e)) for t, e in zip(self.times_s, self.beat.emptying, strict=True)
        ]
        peaks = self.rhythm.end_diastoles_s()
        self.reference = drift.pose(pose, float(peaks[0]), 0.0) if len(peaks) else pose
        self._set_up_scanner(rate)
        self.ecg = self.rhythm.ecg(rng, seconds=2.5)

    @property
    def motion(self) -> HeartMotion:
        return self.valves.chambers.motion

    @property
    def n_frames(self) -> int:
        return len(self.times_s)

    def _set_up_scanner(self, rate_hz: float) -> None:
        rng, options = self.rng, self.options
        grid = (options.samples, options.beams)
        sector = Sector(
            self.reference.depth_m,
            float(np.radians(rng.uniform(27, 46))),
            *grid,
            apex_m=float(rng.choice([0.0, rng.uniform(2e-3, 9e-3)])),
        )
        written_rate = rate_hz if rate_hz >= 15 else rng.uniform(25, 90)  # training frames far apart in time
        settings = ScreenSettings(
            frame_rate_hz=written_rate,
            heart_rate_per_min=60 * self.motion.parameters.heart_rate_hz,
            gain=int(rng.integers(40, 75)),
            mechanical_index=rng.uniform(0.6, 1.5),
            thermal_index=rng.uniform(0.4, 1.6),
        )
        is_cropped = bool(rng.random() < 0.4) if options.is_cropped is None else options.is_cropped
        self.screen = Screen(self.vendor, sector, settings, rng, size=options.size, is_cropped=is_cropped)
        self.converter = ScanConverter(sector, self.screen.raster)
        echogenicity = sample_echogenicity(rng, is_subcostal=self.view in (View.SUB4C, OtherView.IVC))
        self.imagined = Imagined(self.valves, echogenicity, sector, self.reference)
        self.acquisition: Acquisition = sample_acquisition(rng, grid, quality=options.quality, look=self.vendor.look)
        self.engine = EchoEngine(self.acquisition, grid, rng)

    # -- images --------------------------------------------------------------------------------------------------

    def scene(self, index: int) -> Scene:
        """What the beams meet at one frame."""
        return self.imagined.scene(
            self.states.frame(index),
            self.poses[index],
            mitral=float(self.beat.mitral[index]),
            aortic=float(self.beat.aortic[index]),
        )

    def image(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Screen (H, W) uint8 before storage, and structure map of the beams (sample, beam)."""
        return self._imaged(self.scene(index), index)

    def _imaged(self, scene: Scene | SingleScene, index: int) -> tuple[np.ndarray, np.ndarray]:
        picture = self.converter.convert(
            np.asarray(self.engine.frame(scene, time_s=float(self.times_s[index])), np.float32)
        )
        screen = self.screen.frame(picture, self.converter.mask, float(self.times_s[index]), self.ecg)
        return screen, scene.structure

    def is_readable(self, screen: np.ndarray, structure: np.ndarray) -> bool:
        """Whether a reader could tell muscle from blood on an image: nobody keeps a clip that shows neither."""
        shown = np.where(self.converter.mask, self.converter.nearest(structure), int(Structure.BACKGROUND))
        for tissue, blood in _TOLD_APART:
            bright, dark = screen[tissue[shown]], screen[blood[shown]]
            if min(len(bright), len(dark)) < _LEAST_SHARE * shown.size:
                continue
            if np.percentile(bright, 75) - np.median(dark) < _LEAST_CONTRAST:
                return False
        return True

    def apart(self, indices: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """`image` of frames that do not follow each other, quicker together: their scenes are made at once."""
        made = []
        for start in range(0, len(indices), _TOGETHER):
            index = np.asarray(indices[start : start + _TOGETHER])
            scenes = self._scenes(index, np.zeros(1, np.float32))
            made += [self._imaged(scenes.frame(k), i) for k, i in enumerate(index)]
        return made

    def batch(self, indices: Sequence[int], *, like_array: Array | None = None) -> tuple[Array, Array]:
        """Images (T, H, W) 0 to 1 without screen, and structures (T, sample, beam), of several frames at once.

        like_array : an array of the library and device to work on, such as a torch tensor on a GPU; NumPy by default.
        """
        index = np.asarray(indices)
        array = np.zeros(1, np.float32) if like_array is None else like_array
        scene = self._scenes(index, array)
        return self.converter.convert(self.engine.batch(scene, self.times_s[index])), scene.structure

    def _scenes(self, index: np.ndarray, array: Array) -> Scene:
        """Scenes of several frames as one, in the library and on the device of `array`."""
        valves = [like(opening[index][:, None, None], array) for opening in (self.beat.mitral, self.beat.aortic)]
        return self.imagined.on(array).scene(
            self.states[index].stacked(array),
            stack_poses([self.poses[i] for i in index]),
            mitral=valves[0],
            aortic=valves[1],
        )

    def beam_images(self, moments_s: np.ndarray) -> list[np.ndarray]:
        """Grey levels (sample, beam) at any moments of the recording's rhythm, without screen; for M-mode."""
        beat = self.rhythm.state(moments_s)
        states = self.motion.states(self.rhythm, moments_s)
        images = []
        for i, moment in enumerate(moments_s):
            valves = {"mitral": float(beat.mitral[i]), "aortic": float(beat.aortic[i])}
            scene = self.imagined.scene(states.frame(i), self.reference, **valves)
            images.append(np.asarray(self.engine.frame(scene, time_s=float(moment))))
        return images

    def cine(self) -> Cine:
        """All frames as a calibrated recording."""
        pixels = self.screen.store([self.image(i)[0] for i in range(self.n_frames)])
        pixel_m = self.screen.raster.pixel_m
        device = Device(self.vendor.manufacturer, self.vendor.model, "phased array")
        return Cine(
            pixels,
            frame_times_s=self.times_s,
            spacing_m=(pixel_m, pixel_m),
            sector=self.converter.mask,
            ecg=self.own_ecg(),
            source=Source(name="clip", format="simulation", device=device),
        )

    def own_ecg(self) -> Signals:
        """The ECG of the clip alone; the screen shows more."""
        n = max(2, round(float(self.times_s[-1]) * self.ecg.sampling_rate_hz) + 1)
        return replace(self.ecg, values=self.ecg.values[:n])

    # -- truth ---------------------------------------------------------------------------------------------------

    def truth(self) -> dict[str, np.ndarray]:
        """Arrays of every frame, named as in fields.npz; see docs/heart."""
        motion = self.motion
        at_end_systole = motion.states(self.rhythm, self.rhythm.first_end_systole_s()).frame(0)
        circumferential, radial = motion.circumferential_and_radial_strain(at_end_systole)
        truth = {
            "end_diastole": self._frames_at(self.rhythm.end_diastoles_s()),
            "end_systole": self._frames_at(self.rhythm.end_systoles_s()),
            "volume_m3": np.asarray(motion.cavity_volume_m3(self.states)),
            "ejection_fraction": np.asarray(motion.parameters.ejection_fraction),
            "global_longitudinal_strain": np.asarray(motion.parameters.global_longitudinal_strain),
            "global_circumferential_strain": np.asarray(circumferential),
            "global_radial_strain": np.asarray(radial),
            "longitudinal_strain_prescribed": motion.parameters.global_longitudinal_strain * self.beat.shortening,
            "frame_times_s": self.times_s,
            "spacing_m": np.asarray([self.screen.raster.pixel_m] * 2),
            "pose_origin_m": np.stack([p.origin_m for p in self.poses]),
            "pose_axes": np.stack([p.axes for p in self.poses]),
        }
        return {**truth, **self._pixel_truth(), **self._line_truth()}

    def _frames_at(self, times_s: np.ndarray) -> np.ndarray:
        """Nearest frames of events."""
        return np.array([int(np.argmin(np.abs(self.times_s - t))) for t in times_s], dtype=np.int64)

    def _pixel_truth(self) -> dict[str, np.ndarray]:
        raster, inside = self.screen.raster, self.converter.mask
        shape = (self.n_frames, *raster.shape)
        mask, segments = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        following, since = self._no_displacement(shape), self._no_displacement(shape)
        for i in range(self.n_frames):
            here = pixel_truth(self.valves.chambers, self.states.frame(i), self.poses[i], raster, inside)
            mask[i], segments[i] = here.mask, here.segments
            if not self.options.has_displacement:
                continue
            if i + 1 < self.n_frames:
                state, pose = self.states.frame(i + 1), self.poses[i + 1]
                following[i] = displacement_mm(self.motion, here, raster, state, pose, forwards=True)
            since[i] = displacement_mm(self.motion, here, raster, END_DIASTOLE, self.reference, forwards=False)
        arrays = {"mask": mask, "segments": segments}
        if self.options.has_displacement:
            arrays["displacement_next_mm"] = following
            arrays["displacement_since_end_diastole_mm"] = since
        return arrays

    def _no_displacement(self, shape: tuple[int, ...]) -> np.ndarray:
        """Where dense displacement will lie; nothing where it is not wanted."""
        dtype = np.float16 if self.options.is_displacement_coarse else np.float32
        return np.full((*shape, 2) if self.options.has_displacement else 0, np.nan, dtype)

    def _line_truth(self) -> dict[str, np.ndarray]:
        """Centreline and strain, for views along the ventricle."""
        line: Centreline | None = find_centreline(self.motion, self.reference) if self.view in APICAL else None
        if line is None:
            return {}
        moments = [
            (END_DIASTOLE, self.reference),
            *((self.states.frame(i), self.poses[i]) for i in range(self.n_frames)),
        ]
        positions = np.array([line.positions_m(self.motion, state, pose) for state, pose in moments])
        lateral, axial = positions[:, 0], positions[:, 1]
        rows, columns = self.screen.raster.to_pixels(lateral[1:], axial[1:])
        return {
            "centreline_px": np.stack([rows, columns], axis=-1).astype(np.float32),
            "longitudinal_strain": strain_of(lateral, axial)[1:],
            "segment_strain": segment_strain_of(lateral, axial)[1:],
        }
