"""Exports of invented scanners as DICOM files: identified in tags, nested sequences, private tags and pixels.

Every file comes with its exact truth: which texts stand where, which attributes name the patient, which must stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from sonometry.deid.scorecard.identities import STUDIES, TODAY, Identity, draw_identity
from sonometry.deid.scorecard.lettering import FONTS, TextItem, render
from sonometry.deid.scorecard.screens import LAYOUTS, Screen

_INKS = ((255, 255, 255), (255, 255, 90), (90, 255, 90), (215, 215, 215), (255, 190, 70), (120, 230, 255))
#: What scanners print beside the patient: no identifiers, and masked all the same.
_TECHNICAL = ("FR 42Hz", "14.0 cm", "MI 1.1", "TIS 0.6", "2D 58%", "C 50", "P Low", "HPen", "Gen 3.6MHz", "75 bpm")


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of one exported file."""

    path: Path
    identity: Identity
    study_date: date
    scanner: tuple[str, str]
    texts: tuple[TextItem, ...]
    sector: np.ndarray
    description: str


def write_exports(folder: Path, *, n_studies: int, seed: int) -> list[Truth]:
    """Write `n_studies` studies of half as many patients (at least one), as scanners export them; return the truth.

    Folders and files carry the patients' names, as on many scanners.
    """
    rng = np.random.default_rng(seed)
    n_patients = max(1, n_studies // 2)
    patients = [draw_identity(rng) for _ in range(n_patients)]
    truths = []
    for number in range(n_studies):
        identity = patients[number % n_patients]
        scanner = list(LAYOUTS)[number % len(LAYOUTS)]
        study_date = TODAY - timedelta(days=int(rng.integers(30, 3000)))
        study = Exam(identity, study_date, scanner, number, f"{rng.integers(10**7, 10**8)}")
        place = folder / f"{identity.family}_{identity.given}" / study_date.isoformat()
        place.mkdir(parents=True, exist_ok=True)
        for image in range(int(rng.integers(1, 3))):
            truths.append(_write_image(place / f"{identity.family}{number:03d}_{image}.dcm", study, image, rng))
    return truths


@dataclass(frozen=True)
class Exam:
    """One study of an invented patient."""

    identity: Identity
    date: date
    scanner: tuple[str, str]
    number: int
    accession: str

    @property
    def uid(self) -> str:
        return generate_uid(entropy_srcs=["study", self.identity.patient_id, str(self.number)])

    @property
    def description(self) -> str:
        return STUDIES[self.number % len(STUDIES)]


def _write_image(path: Path, study: Exam, image: int, rng: np.random.Generator) -> Truth:
    n_frames = 1 if study.scanner[1] == "Duo 700" else int(rng.choice([1, 4, 8]))
    screen = LAYOUTS[study.scanner](rng, n_frames)
    texts = _burn_in(screen, study, rng)
    header = _header(study, image, screen)
    encode(header, study.scanner[1], screen.frames)
    header.save_as(path, enforce_file_format=True)
    return Truth(path, study.identity, study.date, study.scanner, texts, screen.sector, study.description)


def encode(file: FileDataset, model: str, frames: np.ndarray) -> None:
    """Put (T, H, W, 3) frames into a file as the invented scanner of this model stores them."""
    _ENCODERS[model](file, frames)


def _burn_in(screen: Screen, study: Exam, rng: np.random.Generator) -> tuple[TextItem, ...]:
    """Write names and settings outside the sector, and one to three annotations inside."""
    identity = study.identity
    born, done = identity.birth.strftime("%d.%m.%Y"), study.date.strftime("%m/%d/%Y")
    outside = [
        str(rng.choice(identity.screen_names)),
        identity.patient_id,
        f"DOB: {born}",
        identity.hospital,
        f"{done} 10:42:17",
        *(str(text) for text in rng.choice(_TECHNICAL, 5, replace=False)),
    ]
    notes = [
        str(rng.choice(identity.screen_names)),
        f"{study.description[:12]} {identity.family}",
        f"ID {identity.patient_id}",
        f"Dr {identity.physician.split('^')[0]}",
        f"{done}",
        "LT KNEE LAT",
    ]
    inside = [str(text) for text in rng.choice(notes, int(rng.integers(1, 4)), replace=False)]
    taken = np.zeros(screen.sector.shape, bool)
    items = []
    for is_inside, texts in ((False, outside), (True, inside)):
        for text in texts:
            item = _place(screen, text, is_inside, taken, rng)
            if item is not None:
                items.append(item)
    return tuple(items)


def _place(screen: Screen, text: str, is_inside: bool, taken: np.ndarray, rng: np.random.Generator) -> TextItem | None:
    """Find room for a text, burn it into the frames and return its truth; None when there is none."""
    font, size = str(rng.choice(FONTS)), int(rng.integers(11, 25))
    glyphs = render(text, font, size)
    height, width = glyphs.coverage.shape
    rows, columns = screen.sector.shape
    if width + 8 >= columns:
        return None
    for _ in range(400):
        row, column = int(rng.integers(2, rows - height - 2)), int(rng.integers(2, columns - width - 2))
        near = slice(max(0, row - 8), row + height + 8), slice(max(0, column - 14), column + width + 14)
        box = slice(row, row + height), slice(column, column + width)
        fits = screen.sector[box].all() if is_inside else not screen.sector[near].any()
        if fits and not taken[near].any():
            break
    else:
        return None
    taken[box] = True
    first = int(rng.integers(0, len(screen.frames))) if is_inside and rng.random() < 0.15 else 0
    ink = np.array(_INKS[int(rng.integers(len(_INKS)))], np.float32)
    cover = glyphs.coverage[..., None]
    for frame in screen.frames[first:]:
        frame[box] = np.round(frame[box] * (1 - cover) + ink * cover).astype(np.uint8)
    return TextItem(text, font, size, row, column, glyphs.character, is_inside, True, first)


def _header(study: Exam, image: int, screen: Screen) -> FileDataset:
    """A header with the patient in every kind of place."""
    identity, is_cine = study.identity, len(screen.frames) > 1
    meta = FileMetaDataset()
    kind = UltrasoundMultiFrameImageStorage if is_cine else UltrasoundImageStorage
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["image", study.uid, str(image)])
    file = FileDataset("", {}, file_meta=meta, preamble=f"{identity.family:128.128}".encode())
    file.SpecificCharacterSet = "ISO_IR 192"
    file.SOPClassUID, file.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    file.ImageType = ["ORIGINAL", "PRIMARY", "", "0001"]
    identify(file, study, image)
    _add_technique(file, study, screen)
    return file


def identify(file: Dataset, study: Exam, image: int) -> None:
    """Put the patient into every kind of place of a header: where it belongs, and where nobody looks."""
    _add_patient(file, study)
    _add_study(file, study, image)
    _add_hidden(file, study)


def _add_patient(file: Dataset, study: Exam) -> None:
    identity = study.identity
    file.PatientName, file.PatientID = identity.name, identity.patient_id
    file.PatientBirthDate, file.PatientSex = identity.birth.strftime("%Y%m%d"), identity.sex
    file.PatientAge = f"{(study.date - identity.birth).days // 365:03d}Y"
    file.PatientAddress, file.PatientTelephoneNumbers = identity.address, identity.phone
    file.OtherPatientIDs = f"{identity.patient_id}-2"
    file.PatientComments = f"{identity.given} prefers mornings"
    file.AdditionalPatientHistory = f"seen by {identity.physician.split('^')[0]}"
    file.EthnicGroup, file.Occupation = "none stated", f"at {identity.hospital}"[:16]
    other = Dataset()
    other.PatientID, other.TypeOfPatientID = f"{identity.patient_id}-2", "TEXT"
    file.OtherPatientIDsSequence = Sequence([other])


def _add_study(file: Dataset, study: Exam, image: int) -> None:
    identity, day = study.identity, study.date.strftime("%Y%m%d")
    file.StudyDate = file.SeriesDate = file.ContentDate = file.AcquisitionDate = day
    file.StudyTime = file.ContentTime = "104217"
    file.AcquisitionDateTime = f"{day}104217.250000+0100"
    file.StudyInstanceUID, file.SeriesInstanceUID = study.uid, generate_uid(entropy_srcs=["series", study.uid])
    file.StudyID, file.AccessionNumber = f"ST{study.accession}", study.accession
    file.SeriesNumber, file.InstanceNumber = "1", str(image + 1)
    file.StudyDescription = f"{study.description} {identity.family}"
    file.SeriesDescription = f"{study.description} for {identity.given} {study.date.strftime('%d/%m/%Y')}"
    file.ProtocolName = f"{study.description} tel {identity.phone}"
    file.ReferringPhysicianName, file.OperatorsName = identity.physician, identity.operator
    file.InstitutionName, file.InstitutionAddress = identity.hospital, identity.address
    file.StationName = f"{identity.hospital.split()[0]}US1"[:16]
    request = Dataset()
    request.RequestedProcedureDescription = f"echo of {identity.family}"
    request.ScheduledProcedureStepID = study.accession
    request.RequestedProcedureID = study.accession
    file.RequestAttributesSequence = Sequence([request])
    referenced = Dataset()
    referenced.ReferencedSOPClassUID = UltrasoundImageStorage
    referenced.ReferencedSOPInstanceUID = generate_uid(entropy_srcs=["image", study.uid, "0"])
    file.SourceImageSequence = Sequence([referenced])


def _add_technique(file: Dataset, study: Exam, screen: Screen) -> None:
    """What a measurement needs and must find again."""
    file.Modality = "US"
    file.Manufacturer, file.ManufacturerModelName = study.scanner
    file.SoftwareVersions, file.DeviceSerialNumber = "4.2.1", f"SN{study.accession}"
    file.TransducerType, file.TransducerData = "SECTOR_PHASED", ["P5-1", f"SN{study.accession}"]
    file.MechanicalIndex, file.HeartRate, file.LossyImageCompression = "1.1", "72", "00"
    file.UltrasoundColorDataPresent = 0
    if len(screen.frames) > 1:
        file.NumberOfFrames = len(screen.frames)
        file.FrameTime, file.CineRate = "25.0", "40"
        file.FrameIncrementPointer = 0x00181063
    regions = []
    for x0, y0, x1, y1, spatial, kind in screen.regions:
        region = Dataset()
        region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = spatial, kind, 0
        region.RegionLocationMinX0, region.RegionLocationMinY0 = x0, y0
        region.RegionLocationMaxX1, region.RegionLocationMaxY1 = x1, y1
        region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
        region.PhysicalDeltaX = region.PhysicalDeltaY = 0.03
        regions.append(region)
    if regions:
        file.SequenceOfUltrasoundRegions = Sequence(regions)


def _add_hidden(file: Dataset, study: Exam) -> None:
    """Names where nobody looks: private tags, coded entries, overlays, icons, nested sequences, unlisted text."""
    identity = study.identity
    block = file.private_block(0x0029, "INVENTED VENDOR 1.0", create=True)
    block.add_new(0x10, "LO", identity.name)
    block.add_new(0x11, "DS", "0.031")
    nested = Dataset()
    nested.PatientName, nested.PatientID = identity.name, identity.patient_id
    nested.PersonName = identity.physician
    block.add_new(0x12, "SQ", Sequence([nested]))
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "X1", "99LOCAL"
    code.CodeMeaning = f"room of {identity.operator.split('^')[0]}"
    standard = Dataset()
    standard.CodeValue, standard.CodingSchemeDesignator, standard.CodeMeaning = "80891009", "SCT", "Heart"
    file.AnatomicRegionSequence = Sequence([standard])
    file.ViewCodeSequence = Sequence([code])
    file.add_new(0x60000010, "US", 8)
    file.add_new(0x60000011, "US", 8)
    file.add_new(0x60000022, "LO", f"arrow by {identity.operator.split('^')[0]}")
    file.add_new(0x60003000, "OW", bytes(8))
    file.add_new(0x50003000, "OW", f"{identity.family:16.16}".encode())
    icon = Dataset()
    icon.Rows = icon.Columns = 2
    icon.SamplesPerPixel, icon.PhotometricInterpretation = 1, "MONOCHROME2"
    icon.BitsAllocated = icon.BitsStored = 8
    icon.HighBit, icon.PixelRepresentation = 7, 0
    icon.PixelData = b"\xff\x00\xff\x00"
    file.IconImageSequence = Sequence([icon])
    file.ImageComments = f"{identity.family} {identity.birth.isoformat()}"
    file.add_new(0x00204000, "LT", f"call {identity.phone} before")
    performed = Dataset()
    performed.add_new(0x00400280, "ST", f"{identity.given} was late")
    person = Dataset()
    person.PersonName = identity.operator
    performed.add_new(0x00081072, "SQ", Sequence([person]))
    file.ContributingEquipmentSequence = Sequence([performed])


def _common(file: FileDataset, frames: np.ndarray, *, samples: int, photometric: str, syntax: UID) -> None:
    file.Rows, file.Columns = frames.shape[1:3]
    file.SamplesPerPixel, file.PhotometricInterpretation = samples, photometric
    file.BitsAllocated = file.BitsStored = 8
    file.HighBit, file.PixelRepresentation = 7, 0
    if samples == 3:
        file.PlanarConfiguration = 0
    file.file_meta.TransferSyntaxUID = syntax


def _as_jpeg(subsampling: str, photometric: str) -> Callable[[FileDataset, np.ndarray], None]:
    def encode(file: FileDataset, frames: np.ndarray) -> None:
        import simplejpeg

        _common(file, frames, samples=3, photometric=photometric, syntax=JPEGBaseline8Bit)
        streams = [
            simplejpeg.encode_jpeg(np.ascontiguousarray(f), quality=88, colorspace="RGB", colorsubsampling=subsampling)
            for f in frames
        ]
        file.LossyImageCompression, file.LossyImageCompressionMethod = "01", "ISO_10918_1"
        file.PixelData = encapsulate([s + b"\x00" * (len(s) % 2) for s in streams])
        file["PixelData"].is_undefined_length = True

    return encode


def _as_grey(file: FileDataset, frames: np.ndarray) -> None:
    _common(file, frames, samples=1, photometric="MONOCHROME2", syntax=ExplicitVRLittleEndian)
    grey = np.ascontiguousarray(frames.max(axis=3))
    file.PixelData = grey.tobytes() + b"\x00" * (grey.size % 2)


def _as_rle(file: FileDataset, frames: np.ndarray) -> None:
    _common(file, frames, samples=3, photometric="RGB", syntax=ExplicitVRLittleEndian)
    file.PixelData = frames.tobytes()
    file.compress(RLELossless)


def _as_palette(file: FileDataset, frames: np.ndarray) -> None:
    """216 colours of a cube after 40 greys: scanners put their graphics beside the greys."""
    _common(file, frames, samples=1, photometric="PALETTE COLOR", syntax=ImplicitVRLittleEndian)
    greys = np.linspace(0, 255, 128).round().astype(int)
    steps = np.array([0, 85, 170, 212, 255])
    cube = np.array([(r, g, b) for r in steps for g in steps for b in steps])
    table = np.concatenate([np.repeat(greys[:, None], 3, axis=1), cube])
    spread = np.ptp(frames.astype(int), axis=3)
    as_grey = np.round(frames.mean(axis=3) / 255 * 127).astype(np.uint8)
    nearest = np.abs(frames[..., None].astype(int) - steps).argmin(axis=-1)
    as_colour = (128 + nearest @ np.array([25, 5, 1])).astype(np.uint8)
    indices = np.where(spread < 24, as_grey, as_colour)
    for name, channel in zip(("Red", "Green", "Blue"), table.T, strict=True):
        setattr(file, f"{name}PaletteColorLookupTableDescriptor", [len(table), 0, 16])
        setattr(file, f"{name}PaletteColorLookupTableData", (channel * 257).astype("<u2").tobytes())
    file.PixelData = indices.tobytes() + b"\x00" * (indices.size % 2)


def _as_jpeg_ls(file: FileDataset, frames: np.ndarray) -> None:
    _common(file, frames, samples=3, photometric="RGB", syntax=ExplicitVRLittleEndian)
    file.PixelData = frames.tobytes()
    file.compress(JPEGLSLossless)


_ENCODERS: dict[str, Callable[[FileDataset, np.ndarray], None]] = {
    "Cardea 5": _as_jpeg("420", "YBR_FULL_422"),
    "LinScan 2": _as_grey,
    "Abdo X": _as_rle,
    "Duo 700": _as_palette,
    "Portable E3": _as_jpeg("422", "YBR_FULL_422"),
    "F2 Trapez": _as_jpeg_ls,
}
