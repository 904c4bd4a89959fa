"""Marks of one reading as DICOM Structured Report: TID 1500 with a person as observer.

A contour is a planar region (TID 1410: a polyline on its frame, with its area where the spacing is known); a view, a
phase or an unusable clip is a qualitative evaluation (TID 1501), a score a number of unit {score}. The round of reading
is the activity session of every group. Coordinates of an SR are float32 and count from the outer corner of the first
pixel, column before row (PS3.3 C.18.6.1.1).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.sr.coding import Code
from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from sonometry.core.annotation import Annotation
from sonometry.core.errors import DataError
from sonometry.core.provenance import library_version
from sonometry.io.annotated_clip import END_DIASTOLE, END_SYSTOLE, REGIONS, AnnotatedClip, score_name
from sonometry.io.atomic import write_atomic
from sonometry.io.dicom_codes import PRIVATE_SCHEME, VIEW_CODES, unit_code, value_code
from sonometry.io.dicom_header import lenient_pydicom
from sonometry.io.dicom_identity import MANUFACTURER, SourceIdentity, new_uid
from sonometry.io.dicom_report import ULTRASOUND, evidence_of, name_source_class, private_scheme
from sonometry.io.dicom_segmentation import REGION_CODES, reader_name, source_of
from sonometry.io.sniff import check_readable
from sonometry.numerics.polygons import polygon_area_px

SERIES_NUMBER = 904
AREA = Code("42798000", "SCT", "Area")
IMAGE_VIEW = Code("111031", "DCM", "Image View")
CYCLE_PHASE = Code("246092007", "SCT", "Cardiac cycle phase")
PHASE_CODES = {
    END_DIASTOLE: Code("416190007", "SCT", "End diastole"),
    END_SYSTOLE: Code("416430001", "SCT", "End Systole"),
}
CORNER_PX = 0.5
#: Concept names that are read back (PS3.16 TID 1500, 1410, 1501, 4019).
_TRACKING, _SESSION, _PERSON, _FINDING, _MEASUREMENTS = "112039", "C67447", "121008", "121071", "126010"


def write_marks(clip: AnnotatedClip, path: Path | str) -> None:
    """Write all marks of a clip beside the study of its DICOM file.

    Raises DataError where the clip is no DICOM file of its size or has no mark, OutputError.
    """
    if not clip.annotations:
        raise DataError(f"{clip.clip_key} has no mark to report")
    identity = source_of(clip)
    with lenient_pydicom():
        document = _document(clip, identity)
        stream = io.BytesIO()
        document.save_as(stream, enforce_file_format=True)
    write_atomic(path, stream.getvalue())


def read_marks(path: Path | str, *, clip_key: str) -> tuple[Annotation, ...]:
    """Marks of a report that `write_marks` made, in its order, as marks of `clip_key`; times are that of the report.

    Contours come back as float32. DataError for any other file.
    """
    path = Path(path)
    check_readable(path)
    try:
        with lenient_pydicom():
            document = pydicom.dcmread(path)
            time = datetime.strptime(document.ContentDate + document.ContentTime[:6], "%Y%m%d%H%M%S").replace(
                tzinfo=UTC
            )
            author = next(str(item.PersonName) for item in _children(document) if _name(item) == _PERSON)
            groups = [item for part in _children(document) if _name(part) == _MEASUREMENTS for item in _children(part)]
            return tuple(_mark(group, clip_key, author.rstrip("^"), time) for group in groups)
    except (InvalidDicomError, AttributeError, KeyError, IndexError, ValueError, OSError, StopIteration) as error:
        raise DataError(f"{path.name} is no report of marks that Sonometry wrote") from error


def _document(clip: AnnotatedClip, identity: SourceIdentity) -> Any:
    from highdicom.sr import ComprehensiveSR

    evidence = evidence_of(identity)
    if clip.shape[0] > 1:
        evidence.SOPClassUID, evidence.NumberOfFrames = UltrasoundMultiFrameImageStorage, clip.shape[0]
    document = ComprehensiveSR(
        evidence=[evidence],
        content=_content(clip, identity)[0],
        series_instance_uid=new_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=library_version("sonometry") or "unknown",
        series_description=f"Sonometry marks, round {clip.round}",
        is_complete=True,
        coding_schemes=[private_scheme()],
        specific_character_set="ISO_IR 192",
    )
    name_source_class(document, identity)
    made = max(mark.time for mark in clip.annotations).astimezone(UTC)
    for name, form in (("ContentDate", "%Y%m%d"), ("ContentTime", "%H%M%S")):
        setattr(document, name, made.strftime(form))
    return document


def _content(clip: AnnotatedClip, identity: SourceIdentity) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    observer = sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(name=reader_name(clip.author)),
    )
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_person_context=observer),
        procedure_reported=ULTRASOUND,
        imaging_measurements=[_group(mark, clip, identity) for mark in clip.annotations],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _group(mark: Annotation, clip: AnnotatedClip, identity: SourceIdentity) -> Any:
    from highdicom import sr

    common: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(uid=new_uid(), identifier=mark.structure),
        "session": str(mark.round),
    }
    if mark.contour_px is not None:
        return _region(mark, clip, identity, common)
    if mark.score is not None:
        name = Code(score_name(mark)[:16], PRIVATE_SCHEME, score_name(mark)[:64])
        common["measurements"] = [sr.Measurement(name, mark.score, unit_code("{score}"))]
    else:
        common["qualitative_evaluations"] = [sr.QualitativeEvaluation(*_evaluation(mark))]
    frames = [mark.frame + 1] if mark.frame is not None and clip.shape[0] > 1 else None
    source = sr.SourceImageForMeasurementGroup(_known_class(clip), identity.sop_instance_uid, frames)
    return sr.MeasurementsAndQualitativeEvaluations(**common, source_images=[source])


def _region(mark: Annotation, clip: AnnotatedClip, identity: SourceIdentity, common: dict[str, Any]) -> Any:
    from highdicom import sr

    frame = [(mark.frame or 0) + 1] if clip.shape[0] > 1 else None
    points = np.asarray(mark.contour_px, np.float64)[:, ::-1] + CORNER_PX
    _, kind = REGION_CODES.get(REGIONS.get(mark.structure, ""), (None, None))
    region = sr.ImageRegion(
        sr.GraphicTypeValues.POLYLINE if len(points) > 1 else sr.GraphicTypeValues.POINT,
        points,
        sr.SourceImageForRegion(_known_class(clip), identity.sop_instance_uid, frame),
    )
    if clip.spacing_m is not None and len(points) > 2:
        area_mm2 = polygon_area_px(points) * clip.spacing_m[0] * clip.spacing_m[1] * 1e6
        common["measurements"] = [sr.Measurement(AREA, area_mm2, Code("mm2", "UCUM", "square millimeter"))]
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        **common,
        referenced_region=region,
        finding_type=kind or Code(mark.structure[:16], PRIVATE_SCHEME, mark.structure.replace("_", " ")[:64]),
    )


def _known_class(clip: AnnotatedClip) -> str:
    """A class that highdicom knows; `name_source_class` puts the source's own in its place."""
    return UltrasoundMultiFrameImageStorage if clip.shape[0] > 1 else UltrasoundImageStorage


def _evaluation(mark: Annotation) -> tuple[Code, Code]:
    label = mark.label or ""
    if mark.structure == "view":
        return IMAGE_VIEW, value_code(label)
    if label in PHASE_CODES:
        return CYCLE_PHASE, PHASE_CODES[label]
    return Code(mark.structure[:16], PRIVATE_SCHEME, mark.structure[:64]), Code(label[:16], PRIVATE_SCHEME, label[:64])


def _mark(group: Dataset, clip_key: str, author: str, time: datetime) -> Annotation:
    """One group of measurements as the mark it was written from."""
    values: dict[str, Any] = {}
    frame = None
    for item in _children(group):
        match item.ValueType:
            case "SCOORD":
                points = np.asarray(item.GraphicData, np.float32).astype(np.float64).reshape(-1, 2)
                values["contour_px"] = points[:, ::-1] - CORNER_PX
                frame = _frame(item.ContentSequence[0], default=0)
            case "IMAGE":
                frame = _frame(item, default=None)
            case "CODE" if _name(item) != _FINDING:
                values["label"] = _label(item)
            case "NUM" if _name(item) != AREA.value:
                values["score"] = float(item.MeasuredValueSequence[0].NumericValue)
    texts = {_name(item): str(item.TextValue) for item in _children(group) if item.ValueType == "TEXT"}
    return Annotation(
        clip_key=clip_key,
        structure=texts[_TRACKING],
        author=author,
        round=int(texts[_SESSION]),
        time=time,
        frame=frame,
        **values,
    )


def _label(item: Dataset) -> str:
    code = item.ConceptCodeSequence[0]
    names = {(c.value, c.scheme_designator): name for name, c in {**VIEW_CODES, **PHASE_CODES}.items()}
    known = names.get((code.CodeValue, code.CodingSchemeDesignator))
    return known or str(code.CodeMeaning)


def _frame(item: Dataset, default: int | None) -> int | None:
    number = item.ReferencedSOPSequence[0].get("ReferencedFrameNumber")
    if number is None:
        return default
    return int(number if isinstance(number, int | str) else next(iter(number))) - 1


def _children(item: Dataset) -> Iterator[Dataset]:
    return iter(item.get("ContentSequence", ()))


def _name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeValue) if names else ""
