"""The record of one measurement run. JSON is the record; HTML and DICOM are views of it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sonometry.core.measurement import Measurement

SCHEMA = "sonometry.report/1"
NOTICE = "Research use only. Not a medical device; not for diagnosis or treatment."


@dataclass(frozen=True)
class InputRecord:
    """What was measured: role, kind, digest of the file bytes and number of frames."""

    name: str
    kind: str
    sha256: str
    frames: int | None = None

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"name": self.name, "kind": self.kind, "sha256": self.sha256}
        return record if self.frames is None else {**record, "frames": self.frames}


@dataclass(frozen=True)
class Figure:
    """A picture or movie of the report.

    name : file stem, unique in the report. data : encoded bytes of `media_type`.
    """

    name: str
    title: str
    caption: str
    data: bytes = field(repr=False)
    media_type: str = "image/png"

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.media_type.split('/')[1].split('+')[0]}"

    @property
    def data_uri(self) -> str:
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True, eq=False)
class Report:
    """Measurements of one application on one recording, with everything needed to check them.

    fields : arrays written to fields.npz, named as in the design.
    provenance : versions, options and their digests, seed, time.
    """

    application: str
    application_version: str
    inputs: tuple[InputRecord, ...]
    measurements: tuple[Measurement, ...]
    figures: tuple[Figure, ...] = ()
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    notice: str = NOTICE

    def __post_init__(self) -> None:
        for what, names in (
            ("measurement", [m.name for m in self.measurements]),
            ("figure", [f.name for f in self.figures]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{what} names of a report must differ, got {names}")

    def __getitem__(self, name: str) -> Measurement:
        """The measurement called `name`. KeyError lists what there is."""
        for measurement in self.measurements:
            if measurement.name == name:
                return measurement
        raise KeyError(f"no measurement {name!r}; there are: {', '.join(m.name for m in self.measurements)}")

    def to_json(self) -> dict[str, Any]:
        """The record as plain types; figures by file name."""
        return {
            "schema": SCHEMA,
            "application": self.application,
            "application_version": self.application_version,
            "inputs": [record.to_json() for record in self.inputs],
            "measurements": [m.to_json() for m in self.measurements],
            "figures": [
                {"name": f.name, "title": f.title, "caption": f.caption, "file": f.file_name} for f in self.figures
            ],
            "warnings": list(self.warnings),
            "provenance": dict(self.provenance),
            "notice": self.notice,
        }

    def dumps(self) -> str:
        """JSON text; refuses NaN, which JSON does not have."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Report:
        """Inverse of `to_json`, without the bytes of figures and fields."""
        if record.get("schema") != SCHEMA:
            raise ValueError(f"expected a report of schema {SCHEMA}, got {record.get('schema')!r}")
        return cls(
            application=record["application"],
            application_version=record["application_version"],
            inputs=tuple(InputRecord(**i) for i in record["inputs"]),
            measurements=tuple(Measurement.from_json(m) for m in record["measurements"]),
            warnings=tuple(record["warnings"]),
            provenance=record["provenance"],
            notice=record["notice"],
        )

    def __str__(self) -> str:
        width = max((len(m.name) for m in self.measurements), default=0)
        lines = [f"{self.application} {self.application_version}"]
        lines += [f"  {m.name:<{width}}  {m}" for m in self.measurements]
        lines += [f"  warning: {w}" for w in self.warnings]
        return "\n".join([*lines, f"  {self.notice}"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(m.name)}</td><td>{html.escape(str(m))}</td></tr>" for m in self.measurements
        )
        pictures = "".join(
            f"<figure><img style='max-width:100%' alt='{html.escape(f.title)}' src='{f.data_uri}'>"
            f"<figcaption>{html.escape(f.caption)}</figcaption></figure>"
            for f in self.figures
            if f.media_type.startswith("image/")
        )
        return f"<table>{rows}</table>{pictures}<p>{html.escape(self.notice)}</p>"

    def show(self) -> None:
        """Show table and figures in a notebook; elsewhere print the table."""
        try:
            from IPython import get_ipython  # type: ignore[import-not-found, unused-ignore]
            from IPython.display import display  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            in_notebook = False
        else:
            in_notebook = get_ipython() is not None
        if in_notebook:
            display(self)
        else:
            print(self)  # noqa: T201 (showing is what the caller asked for)
