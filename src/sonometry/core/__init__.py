"""Types, units, errors and provenance that everything else stands on; imports nobody."""

from sonometry.core.annotation import Annotation
from sonometry.core.application import Application, Findings, Output, Simulated, TruthCheck
from sonometry.core.cine import Cine, FrameSource
from sonometry.core.errors import DataError, MissingExtraError, OutputError, SonometryError, UsageError
from sonometry.core.measurement import Interval, Measurement, Method, Status
from sonometry.core.report import Figure, InputRecord, Report
from sonometry.core.rf import Geometry, RFFrames
from sonometry.core.signals import Signals
from sonometry.core.source import Device, Source
from sonometry.core.study import Deidentification, Recording, Study

__all__ = [
    "Annotation",
    "Application",
    "Cine",
    "DataError",
    "Deidentification",
    "Device",
    "Figure",
    "Findings",
    "FrameSource",
    "Geometry",
    "InputRecord",
    "Interval",
    "Measurement",
    "Method",
    "MissingExtraError",
    "Output",
    "OutputError",
    "RFFrames",
    "Recording",
    "Report",
    "Signals",
    "Simulated",
    "SonometryError",
    "Source",
    "Status",
    "Study",
    "TruthCheck",
    "UsageError",
]
