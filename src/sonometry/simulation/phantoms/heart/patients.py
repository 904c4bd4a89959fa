"""Simulated patients, their clips with exact truth, cohorts, and an endless stream of training frames.

A patient has one heart, one scanner and several clips. Everything is drawn from the seed: the same seed gives the same
recording. Cohorts are lazy, so memory does not grow with their size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from sonometry.core.application import Simulated
from sonometry.core.errors import UsageError
from sonometry.simulation.appearance import RANDOM, VENDORS, Vendor, random_vendor
from sonometry.simulation.phantoms.heart.chambers import build_chambers
from sonometry.simulation.phantoms.heart.motion import HeartMotion
from sonometry.simulation.phantoms.heart.others import GUIDE_VIEWS, OtherPicture, OtherRecording
from sonometry.simulation.phantoms.heart.parameters import Condition, HeartParameters, sample_parameters
from sonometry.simulation.phantoms.heart.poses import OtherView, View
from sonometry.simulation.phantoms.heart.recording import ClipOptions, HeartRecording
from sonometry.simulation.phantoms.heart.truth import MASK_VALUES
from sonometry.simulation.phantoms.heart.valves import Valves, build_valves

Kind = View | OtherView | OtherPicture
KindT = TypeVar("KindT", View, Kind)
#: Everything that can be recorded, in a fixed order.
ANYTHING: tuple[Kind, ...] = (*View, *OtherView, *OtherPicture)

#: How often each view is recorded, after the numbers of sequences in the view paper's data.
VIEW_SHARES = {
    View.A2C: 0.07,
    View.A3C: 0.08,
    View.A4C: 0.24,
    View.A5C: 0.08,
    View.PLAX: 0.22,
    View.SAXBASAL: 0.13,
    View.SAXMID: 0.14,
    View.SUB4C: 0.04,
}
#: Recordings of a clip until one can be read; the last one is kept as it is.
_ATTEMPTS = 5
#: In a confounded cohort a patient keeps to the habits of the vendor with this probability.
_CONFOUNDED = 0.9
#: Samples of a training frame per row of it, and their bounds.
_SAMPLES_PER_ROW, _SAMPLES = 0.75, (128, 288)
_VENDOR_NAMES = (*VENDORS, RANDOM)
_STRUCTURE_TO_MASK = np.zeros(256, np.uint8)
for _structure, _value in MASK_VALUES.items():
    _STRUCTURE_TO_MASK[int(_structure)] = _value


@dataclass(eq=False)
class Patient:
    """One heart under one scanner.

    seed : draws everything that is not given. subject_key : pseudonym. vendor : a name of `VENDORS`, "random", or None.
    """

    seed: int
    parameters: HeartParameters | None = None
    condition: Condition | None = None
    vendor: str | None = None
    subject_key: str = ""
    valves: Valves = field(init=False)
    scanner: Vendor = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 10])
        if self.parameters is None:
            self.parameters = sample_parameters(rng, self.condition)
        name = str(rng.choice([*VENDORS, RANDOM])) if self.vendor is None else self.vendor
        if name not in (*VENDORS, RANDOM):
            raise UsageError(f"no simulated vendor is called {name!r}; choose {', '.join(VENDORS)} or {RANDOM}")
        self.scanner = random_vendor(rng) if name == RANDOM else VENDORS[name]
        self.subject_key = self.subject_key or f"sim-{self.seed}"
        self.valves = build_valves(build_chambers(HeartMotion(self.parameters)))

    def recording(self, view: View | OtherView, *, clip: int = 0, options: ClipOptions | None = None) -> HeartRecording:
        """Clip number `clip` of a section of the heart, not yet imaged; one that nobody could read is taken again."""
        for attempt in range(_ATTEMPTS):
            tried = self._recording(view, clip, options, attempt)
            if tried.is_readable(*tried.image(0)):
                break
        return self._recording(view, clip, options, attempt)

    def _recording(
        self, view: View | OtherView, clip: int, options: ClipOptions | None, attempt: int = 0
    ) -> HeartRecording:
        rng = np.random.default_rng([self.seed, 20, clip, ANYTHING.index(view), attempt])
        return HeartRecording(self.valves, self.scanner, view, options or ClipOptions(), rng)

    def other(self, picture: OtherPicture, *, clip: int = 0, options: ClipOptions | None = None) -> OtherRecording:
        """Clip number `clip` of something that is no section of the heart, not yet imaged."""
        rng = np.random.default_rng([self.seed, 21, clip, ANYTHING.index(picture)])
        options = options or ClipOptions()
        guide = HeartRecording(self.valves, self.scanner, GUIDE_VIEWS[int(rng.integers(3))], options, rng)
        return OtherRecording(picture, guide, options, rng)

    def clip(self, view: Kind, *, clip: int = 0, options: ClipOptions | None = None) -> Simulated:
        """Clip with truth and labels."""
        if isinstance(view, OtherPicture):
            other = self.other(view, clip=clip, options=options)
            return Simulated(other.cine(), other.truth(), self.labels(other))
        recording = self.recording(view, clip=clip, options=options)
        return Simulated(recording.cine(), recording.truth(), self.labels(recording))

    def labels(self, recording: HeartRecording | OtherRecording) -> dict[str, str | float | int]:
        """Row of the manifest; view is NONE for everything but the eight views."""
        assert self.parameters is not None
        p = self.parameters
        outflow = recording.reference.outflow if isinstance(recording, HeartRecording) else np.nan
        is_view = isinstance(recording.view, View)
        return {
            "subject_key": self.subject_key,
            "study_key": f"{self.subject_key}-study",
            "vendor": self.scanner.name,
            "view": recording.view.value if is_view else "NONE",
            "section": recording.view.value,
            "diagnosis": p.condition.value,
            "ejection_fraction": p.ejection_fraction,
            "global_longitudinal_strain": p.global_longitudinal_strain,
            "end_diastolic_volume_m3": p.end_diastolic_volume_m3,
            "heart_rate_hz": p.heart_rate_hz,
            "frame_rate_hz": float(1 / (recording.times_s[1] - recording.times_s[0]))
            if recording.n_frames > 1
            else 0.0,
            "is_border": int(np.isfinite(outflow) and 0.3 < outflow < 0.7),
        }


def simulate_clip(
    seed: int,
    view: Kind | None = None,
    *,
    parameters: HeartParameters | None = None,
    condition: Condition | None = None,
    vendor: str | None = None,
    options: ClipOptions | None = None,
) -> Simulated:
    """One clip of one new patient, with its exact truth.

    view : None draws it as often as clinics record it. See `ClipOptions` for frames, size and pose.
    """
    patient = Patient(seed, parameters, condition, vendor)
    if view is None:
        view = _draw_view(np.random.default_rng([seed, 11]))
    return patient.clip(view, options=options)


def simulate_patient(
    seed: int, views: Sequence[Kind] = tuple(View), *, options: ClipOptions | None = None, **patient: object
) -> list[Simulated]:
    """One clip of each view of one patient. Further arguments are those of `Patient`."""
    one = Patient(seed, **patient)  # type: ignore[arg-type]
    return [one.clip(view, clip=i, options=options) for i, view in enumerate(views)]


def cohort(
    n: int,
    seed: int,
    *,
    vendors: str = "balanced",
    views: Sequence[Kind] | None = None,
    clips_per_patient: int = 3,
    options: ClipOptions | None = None,
) -> Iterator[tuple[dict[str, str | float | int], Simulated]]:
    """Clips of n patients, one at a time.

    vendors : "balanced" gives every vendor the same mix; "confounded" ties views and conditions to vendors, so that a
    network can learn the screen instead of the heart. views : what may be recorded; None all eight.
    """
    choice = list(views) if views is not None else list(View)
    for i in range(n):
        enrolled = enrol((seed, i), key=f"sim-{seed}-{i:05d}", index=i, vendors=vendors)
        patient, preferred = enrolled.patient, enrolled.preferred(choice)
        for clip in range(clips_per_patient):
            view = preferred[int(enrolled.rng.integers(len(preferred)))]
            simulated = patient.clip(view, clip=clip, options=options)
            yield {**simulated.labels, "clip_key": f"{patient.subject_key}-{clip}"}, simulated


@dataclass(frozen=True, eq=False)
class Enrolled:
    """A patient of a cohort. rng : draws what is recorded. is_tied : whether that goes with the vendor."""

    patient: Patient
    rng: np.random.Generator
    is_tied: bool

    def preferred(self, choice: Sequence[KindT]) -> Sequence[KindT]:
        """What of `choice` is recorded of this patient: all, or the habits of the vendor."""
        first = _VENDOR_NAMES.index(self.patient.scanner.name) % len(choice)
        return list(choice)[first :: len(_VENDOR_NAMES)] if self.is_tied else choice


def enrol(
    seeds: Sequence[int],
    *,
    key: str,
    index: int,
    vendors: str = "balanced",
    vendor: str | None = None,
    condition: Condition | None = None,
    adapt: Callable[[HeartParameters], HeartParameters] | None = None,
) -> Enrolled:
    """Patient number `index` of a cohort.

    seeds : draw the patient. key : pseudonym. vendors : see `cohort`; vendors take turns unless `vendor` names one.
    condition : given, or drawn (in a confounded cohort mostly that of the vendor). adapt : changes the drawn heart.
    """
    if vendors not in ("balanced", "confounded"):
        raise UsageError(f"vendors must be 'balanced' or 'confounded', got {vendors!r}")
    rng = np.random.default_rng([*seeds, 12])
    name = vendor or _VENDOR_NAMES[index % len(_VENDOR_NAMES)]
    is_tied = vendors == "confounded" and bool(rng.random() < _CONFOUNDED)
    if condition is None and is_tied:
        condition = list(Condition)[_VENDOR_NAMES.index(name) % len(Condition)]
    seed = int(rng.integers(2**31))
    parameters = sample_parameters(np.random.default_rng([seed, 10]), condition)
    patient = Patient(seed, adapt(parameters) if adapt else parameters, vendor=name, subject_key=key)
    return Enrolled(patient, rng, is_tied)


@dataclass(frozen=True)
class TrainingFrame:
    """image : uint8 (H, W). mask : uint8 (H, W), 0 background 1 LV cavity 2 myocardium 3 left atrium."""

    image: np.ndarray
    mask: np.ndarray
    view: Kind
    vendor: str


def frames(
    rng: np.random.Generator,
    *,
    size: tuple[int, int] = (128, 128),
    views: Sequence[Kind] | None = None,
    vendors: Sequence[str] | None = None,
    frames_per_clip: int = 3,
    clips_per_patient: int = 2,
    samples: int | None = None,
    beams: int | None = None,
) -> Iterator[TrainingFrame]:
    """Endless single frames for training, never touching the disk.

    views : drawn evenly (repeat one to see it more often); None draws the eight views as often as clinics record them.
    vendors : drawn evenly; None all. samples, beams : of the imaging grid; None as many as the frames can show.
    Clips that nobody could read are left out. Frames of a clip lie far apart in time; the mask is that of the nearest
    beam sample, which is quicker than the exact one of `HeartRecording.truth` and differs from it by less than a beam.
    """
    samples = int(np.clip(_SAMPLES_PER_ROW * size[0], *_SAMPLES)) if samples is None else samples
    beams = samples // 2 if beams is None else beams
    while True:
        vendor = None if vendors is None else vendors[int(rng.integers(len(vendors)))]
        patient = Patient(int(rng.integers(2**31)), vendor=vendor)
        assert patient.parameters is not None
        for clip in range(clips_per_patient):
            view = _draw_view(rng) if views is None else views[int(rng.integers(len(views)))]
            options = ClipOptions(
                n_frames=frames_per_clip,
                frame_rate_hz=frames_per_clip * patient.parameters.heart_rate_hz * rng.uniform(0.9, 1.1),
                size=size, samples=samples, beams=beams, has_displacement=False,
            )  # fmt: skip
            yield from _training_frames(patient, view, clip, options)


def _training_frames(patient: Patient, view: Kind, clip: int, options: ClipOptions) -> Iterator[TrainingFrame]:
    if isinstance(view, OtherPicture):
        for image in patient.other(view, clip=clip, options=options).cine().frames():
            yield TrainingFrame(image, np.zeros_like(image), view, patient.scanner.name)
        return
    recording = _without_memory(patient._recording(view, clip, options))
    images = recording.apart(range(recording.n_frames))
    if not recording.is_readable(*images[0]):
        return
    stored = recording.screen.store([image for image, _ in images])
    for image, (_, structure) in zip(stored, images, strict=True):
        mask = recording.converter.nearest(_STRUCTURE_TO_MASK[structure])
        yield TrainingFrame(image, mask, view, patient.scanner.name)


def _without_memory(recording: HeartRecording) -> HeartRecording:
    """Persistence off: these frames do not follow each other."""
    display = replace(recording.engine.acquisition.display, persistence=0.0)
    recording.engine.acquisition = replace(recording.engine.acquisition, display=display)
    return recording


def _draw_view(rng: np.random.Generator) -> View:
    return View(rng.choice([v.value for v in VIEW_SHARES], p=list(VIEW_SHARES.values())))
