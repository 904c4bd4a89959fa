"""Patients as the view and strain applications need them: several clips of one heart under one scanner.

`simulate_view` and `simulate_strain` give one clip of a new patient; `view_cohort` and `strain_cohort` give all clips
of patient number i of a cohort, one at a time, so that memory does not grow with the size of either. Screens are those
that scanners export: the whole picture of the vendor, not the cropped and shrunk frames of public collections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from sonometry.core.application import Simulated
from sonometry.core.errors import DataError, UsageError
from sonometry.simulation.appearance import Vendor
from sonometry.simulation.phantoms.heart.others import OtherPicture
from sonometry.simulation.phantoms.heart.parameters import Condition, HeartParameters, sample_parameters
from sonometry.simulation.phantoms.heart.patients import VIEW_SHARES, Kind, Patient, enrol
from sonometry.simulation.phantoms.heart.poses import OtherView, View
from sonometry.simulation.phantoms.heart.recording import ClipOptions

Mix = Literal["balanced", "confounded"]
VendorName = Literal["aurelia", "boreal", "cascade", "dorado", "ember", "random"]
ApicalName = Literal["A2C", "A3C", "A4C"]

#: Keep what is drawn for the two kinds of cohort, and for single clips, apart.
_VIEW_STREAM, _STRAIN_STREAM = 1, 2
_NONE: tuple[OtherView | OtherPicture, ...] = (*OtherView, *OtherPicture)


@dataclass(frozen=True)
class HeartSimulation:
    """What every simulation of the heart can be asked for; None draws it as a clinic would have it."""

    vendors: Mix = field(
        default="balanced",
        metadata={"help": "Cohorts: every vendor with the same mix of views and diagnoses, or with its own"},
    )
    vendor: VendorName | None = field(default=None, metadata={"help": "Only this invented vendor"})
    diagnosis: Condition | None = field(default=None, metadata={"help": "Only this kind of heart"})
    beats: float = field(default=1.3, metadata={"help": "Heart beats a clip covers"})
    frames: int | None = field(default=None, metadata={"help": "Frames a clip has, whatever its beats"})
    fps: float | None = field(
        default=None, metadata={"help": "Frame rate, drawn from 25 to 90 by default", "unit": "Hz"}
    )
    quality: float | None = field(default=None, metadata={"help": "Image quality from 0 (poor) to 1 (good)"})
    size_px: tuple[int, int] | None = field(
        default=None, metadata={"help": "Rows and columns of the frames instead of the vendor's screen"}
    )
    largest_rows: int = field(
        default=480, metadata={"help": "Vendors' screens of more rows are exported with so many, in proportion"}
    )

    def __post_init__(self) -> None:
        if self.beats <= 0 or (self.frames is not None and self.frames < 1):
            raise UsageError(f"--beats must be positive and --frames at least 1, got {self.beats}, {self.frames}")
        if self.fps is not None and not 5 <= self.fps <= 200:
            raise UsageError(f"--fps must lie between 5 and 200, got {self.fps}")
        if self.quality is not None and not 0 <= self.quality <= 1:
            raise UsageError(f"--quality must lie between 0 and 1, got {self.quality}")
        if min(self.largest_rows, *(self.size_px or (self.largest_rows,))) < 64:
            raise UsageError("--largest-rows and --size-px must be 64 or more")

    def clip_options(self, vendor: Vendor, *, has_displacement: bool = False) -> ClipOptions:
        """How a clip under this vendor is taken."""
        return ClipOptions(
            n_frames=self.frames,
            frame_rate_hz=self.fps,
            beats=self.beats,
            size=self.size_px or _exported(vendor.shape, self.largest_rows),
            is_cropped=False,
            quality=self.quality,
            has_displacement=has_displacement,
            is_displacement_coarse=True,
        )


@dataclass(frozen=True)
class ViewSimulation(HeartSimulation):
    """Options of `simulate view`."""

    view: View | None = field(default=None, metadata={"help": "Only this view"})
    clips: int = field(default=4, metadata={"help": "Cohorts: clips of a patient"})
    shares: Literal["even", "clinic"] = field(
        default="even", metadata={"help": "Cohorts: views alike, or as often as clinics record them"}
    )
    none_share: float = field(
        default=0.2, metadata={"help": "Cohorts: share of clips that are none of the eight views", "unit": "1"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clips < 1 or not 0 <= self.none_share <= 1:
            raise UsageError(
                f"--clips must be 1 or more and --none-share between 0 and 1, got {self.clips}, {self.none_share}"
            )


@dataclass(frozen=True)
class StrainSimulation(HeartSimulation):
    """Options of `simulate strain`."""

    views: tuple[ApicalName, ...] = field(
        default=("A4C", "A2C", "A3C"), metadata={"help": "Views of a patient; a single clip is of the first"}
    )
    clips: int = field(default=1, metadata={"help": "Cohorts: clips of each view"})
    global_longitudinal_strain: float | None = field(
        default=None, metadata={"help": "Prescribed mid-wall strain, -0.3 to -0.01", "unit": "1"}
    )
    ejection_fraction: float | None = field(
        default=None, metadata={"help": "Prescribed ejection fraction, 0.08 to 0.82", "unit": "1"}
    )
    displacement: bool = field(default=True, metadata={"help": "Whether the truth holds dense displacement"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clips < 1 or not self.views:
            raise UsageError(f"--clips must be 1 or more and --views name a view, got {self.clips}, {self.views}")
        try:
            self.parameters(HeartParameters())
        except DataError as error:
            raise UsageError(f"--global-longitudinal-strain or --ejection-fraction: {error}") from error

    def parameters(self, drawn: HeartParameters) -> HeartParameters:
        """The drawn heart with the function that was asked for."""
        strain, fraction = self.global_longitudinal_strain, self.ejection_fraction
        return replace(
            drawn,
            global_longitudinal_strain=drawn.global_longitudinal_strain if strain is None else strain,
            ejection_fraction=drawn.ejection_fraction if fraction is None else fraction,
        )


def simulate_view(seed: int, options: ViewSimulation | None = None) -> Simulated:
    """One clip of a new patient: the view asked for, or one of the eight, all alike."""
    options = options or ViewSimulation()
    rng = np.random.default_rng([seed, 31])
    patient = _patient(seed, options)
    view = options.view or list(View)[int(rng.integers(len(View)))]
    return patient.clip(view, options=options.clip_options(patient.scanner))


def view_cohort(seed: int, patient: int, options: ViewSimulation | None = None) -> Iterator[Simulated]:
    """All clips of patient number `patient` of the cohort `seed`, one at a time."""
    options = options or ViewSimulation()
    one, kinds = view_patient(seed, patient, options)
    for clip, kind in enumerate(kinds):
        yield one.clip(kind, clip=clip, options=options.clip_options(one.scanner))


def view_patient(seed: int, patient: int, options: ViewSimulation) -> tuple[Patient, list[Kind]]:
    """Patient number `patient` of the cohort `seed`, and what is recorded of it."""
    enrolled = enrol(
        (_VIEW_STREAM, seed, patient),
        key=f"view-{seed}-{patient:06d}",
        index=patient,
        vendors=options.vendors,
        vendor=options.vendor,
        condition=options.diagnosis,
    )
    views = [options.view] if options.view is not None else list(View)
    preferred, rng = enrolled.preferred(views), enrolled.rng
    kinds: list[Kind] = []
    for _ in range(options.clips):
        is_none = options.view is None and rng.random() < options.none_share
        kinds.append(_NONE[int(rng.integers(len(_NONE)))] if is_none else _drawn(preferred, options.shares, rng))
    return enrolled.patient, kinds


def simulate_strain(seed: int, options: StrainSimulation | None = None) -> Simulated:
    """One apical clip of a new patient, with dense displacement, strain curves and ejection fraction."""
    options = options or StrainSimulation()
    return _strain_clip(_patient(seed, options), View(options.views[0]), 0, options)


def strain_cohort(seed: int, patient: int, options: StrainSimulation | None = None) -> Iterator[Simulated]:
    """The apical clips of patient number `patient` of the cohort `seed`, one at a time."""
    options = options or StrainSimulation()
    enrolled = enrol(
        (_STRAIN_STREAM, seed, patient),
        key=f"strain-{seed}-{patient:06d}",
        index=patient,
        vendors=options.vendors,
        vendor=options.vendor,
        condition=options.diagnosis,
        adapt=options.parameters,
    )
    for clip in range(options.clips):
        for view in options.views:
            yield _strain_clip(enrolled.patient, View(view), clip, options)


def _patient(seed: int, options: HeartSimulation) -> Patient:
    parameters = None
    if isinstance(options, StrainSimulation):
        parameters = options.parameters(sample_parameters(np.random.default_rng([seed, 30]), options.diagnosis))
    return Patient(seed, parameters, options.diagnosis, options.vendor)


def _strain_clip(patient: Patient, view: View, clip: int, options: StrainSimulation) -> Simulated:
    taken = options.clip_options(patient.scanner, has_displacement=options.displacement)
    return patient.clip(view, clip=clip, options=taken)


def _drawn(views: Sequence[View], shares: str, rng: np.random.Generator) -> View:
    weights = np.array([VIEW_SHARES[view] if shares == "clinic" else 1.0 for view in views])
    return views[int(rng.choice(len(views), p=weights / weights.sum()))]


def _exported(shape: tuple[int, int], largest_rows: int) -> tuple[int, int]:
    """A screen in its proportions with at most so many rows."""
    scale = min(1.0, largest_rows / shape[0])
    return round(shape[0] * scale), 2 * round(shape[1] * scale / 2)
