"""A report as DICOM Structured Report: TID 1500 (Measurement Report) in a Comprehensive SR, one group per measurement.

A withheld measurement is there too, as a qualitative evaluation with its reasons: absence would read as "not measured".
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UltrasoundImageStorage

from sonometry.core.measurement import Measurement, Status
from sonometry.core.report import Report
from sonometry.io.atomic import write_atomic
from sonometry.io.dicom_codes import (
    PRIVATE_SCHEME,
    STATUS,
    STATUS_CODES,
    measurement_code,
    unit_code,
    value_code,
)
from sonometry.io.dicom_header import lenient_pydicom
from sonometry.io.dicom_identity import MANUFACTURER, SourceIdentity, new_uid, source_identity

if TYPE_CHECKING:
    from highdicom import sr

COMMENT = Code("121106", "DCM", "Comment")
ULTRASOUND = Code("16310003", "SCT", "Ultrasonography")
UPPER_UNCERTAINTY = Code("371886008", "SCT", "+, range of upper measurement uncertainty")
LOWER_UNCERTAINTY = Code("371885007", "SCT", "-, range of lower measurement uncertainty")

#: Series of results are numbered beyond those of scanners.
SERIES_NUMBER = 901


def write_structured_report(report: Report, source_dicom: Path, path: Path) -> None:
    """Write `report` into the study of `source_dicom`.

    Values keep their UCUM unit; the interval becomes the range of uncertainty above and below, its level an algorithm
    parameter. Raises DataError when the source cannot hold a result, OutputError when `path` cannot be written.
    """
    identity = source_identity(source_dicom)
    with lenient_pydicom():
        document = _document(report, identity)
        stream = io.BytesIO()
        document.save_as(stream, enforce_file_format=True)
    write_atomic(path, stream.getvalue())


def _document(report: Report, identity: SourceIdentity) -> Any:
    from highdicom.sr import ComprehensiveSR

    document = ComprehensiveSR(
        evidence=[evidence_of(identity)],
        content=_content(report, identity)[0],
        series_instance_uid=new_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=report.provenance.get("sonometry") or "unknown",
        series_description=f"Sonometry {report.application}"[:64],
        is_complete=True,
        coding_schemes=[private_scheme()],
        specific_character_set="ISO_IR 192",
    )
    name_source_class(document, identity)
    return document


def name_source_class(dataset: Dataset, identity: SourceIdentity) -> None:
    """Put the source's own SOP class into every reference to it; highdicom knows no retired ones."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                name_source_class(item, identity)
    if dataset.get("ReferencedSOPInstanceUID") == identity.sop_instance_uid:
        dataset.ReferencedSOPClassUID = identity.sop_class_uid


def evidence_of(identity: SourceIdentity) -> Dataset:
    """The source as highdicom needs it: identity and references, nothing else."""
    evidence = Dataset()
    evidence.update(identity.patient_and_study)
    evidence.SOPClassUID = UltrasoundImageStorage
    evidence.SOPInstanceUID = identity.sop_instance_uid
    evidence.SeriesInstanceUID = identity.series_instance_uid
    evidence.Modality = identity.modality
    evidence.Rows, evidence.Columns = identity.rows, identity.columns
    return evidence


def _content(report: Report, identity: SourceIdentity) -> Any:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=new_uid(), name=MANUFACTURER, manufacturer_name=MANUFACTURER, model_name=report.application
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=ULTRASOUND,
        imaging_measurements=[_group(measurement, identity) for measurement in report.measurements],
        title=codes.DCM.ImagingMeasurementReport,
    )
    for text in (report.notice, *report.warnings):
        content[0].ContentSequence.append(_comment(text))
    return content


def _group(measurement: Measurement, identity: SourceIdentity) -> sr.MeasurementsAndQualitativeEvaluations:
    from highdicom import sr

    name, value = measurement_code(measurement.name), measurement.value
    evaluations = [sr.QualitativeEvaluation(STATUS, STATUS_CODES[measurement.status])]
    if isinstance(value, str):
        evaluations.insert(0, sr.QualitativeEvaluation(name, value_code(value)))
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=new_uid(), identifier=measurement.name),
        finding_type=name,
        algorithm_id=_algorithm(measurement) if measurement.status is Status.WITHHELD else None,
        measurements=[_number(measurement, name, float(value))] if isinstance(value, int | float) else None,
        qualitative_evaluations=evaluations,
        source_images=[sr.SourceImageForMeasurementGroup(UltrasoundImageStorage, identity.sop_instance_uid)],
    )
    for reason in measurement.reasons:
        group[0].ContentSequence.append(_comment(reason))
    return group


def _number(measurement: Measurement, name: Code, value: float) -> sr.Measurement:
    from highdicom import sr

    unit = unit_code(measurement.unit)
    item = sr.Measurement(name, value, unit, algorithm_id=_algorithm(measurement))
    for code, distance in _uncertainty(measurement, value):
        child = sr.NumContentItem(code, distance, unit, relationship_type=sr.RelationshipTypeValues.HAS_PROPERTIES)
        item[0].ContentSequence.append(child)
    return item


def _uncertainty(measurement: Measurement, value: float) -> Iterator[tuple[Code, float]]:
    if (interval := measurement.interval) is not None:
        yield UPPER_UNCERTAINTY, max(interval.high - value, 0.0)
        yield LOWER_UNCERTAINTY, max(value - interval.low, 0.0)


def _algorithm(measurement: Measurement) -> sr.AlgorithmIdentification:
    from highdicom import sr

    parameters = []
    if measurement.interval is not None:
        parameters.append(f"interval level {measurement.interval.level:g}")
    if measurement.method.weights_sha256:
        parameters.append(f"weights sha256 {measurement.method.weights_sha256}")
    return sr.AlgorithmIdentification(
        measurement.method.name, measurement.method.version, parameters or None, manufacturer=MANUFACTURER
    )


def _comment(text: str) -> sr.TextContentItem:
    from highdicom import sr

    return sr.TextContentItem(COMMENT, text, sr.RelationshipTypeValues.CONTAINS)


def private_scheme() -> Dataset:
    """What a report tells of Sonometry's own codes (PS3.3 C.12.1.1.3)."""
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return CodingSchemeIdentificationItem(
        designator=PRIVATE_SCHEME,
        name="Sonometry names of measurements and categories",
        responsible_organization="The Sonometry developers",
    )
