"""Findings become a record: inputs with digests, warnings in order, provenance."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from sonometry.applications import application
from sonometry.core import Cine, Device, Findings, Measurement, Method, Report, RFFrames, Signals, Source, Status, Study
from sonometry.reports.build import SIMULATED_INPUT, build_report, digest_of, input_records, is_simulated

METHOD = Method("ruler", "1")
FINDINGS = Findings((Measurement("mean_level", 0.4, "1", Status.OK, METHOD),), {}, ("close to the edge",))


def _cine(rng, source: Source | None = None) -> Cine:
    pixels = rng.integers(0, 255, (3, 4, 5), dtype=np.uint8)
    return Cine(pixels, frame_times_s=np.arange(3) / 25, source=source or Source("clip"))


def test_the_digest_of_a_file_is_kept(rng):
    cine = _cine(rng, Source("clip", "DICOM", sha256="ab" * 32))
    assert input_records(cine)[0].sha256 == "ab" * 32


def test_the_digest_of_samples_in_memory_is_that_of_their_bytes(rng):
    rf = RFFrames(rng.normal(size=(1, 6, 4)).astype(np.float32), 40e6, 6e6, 2e-4)
    expected = hashlib.sha256(b"<f4(1, 6, 4)" + rf.samples.tobytes()).hexdigest()
    assert digest_of(rf) == expected


def test_one_changed_sample_changes_the_digest(rng):
    signals = Signals(("emg",), ("V",), rng.normal(size=(50, 1)), 100.0)
    other = replace(signals, values=signals.values + np.eye(50, 1))
    assert digest_of(signals) != digest_of(other)


def test_recordings_of_a_study_have_names_that_differ(rng):
    study = Study("s1", "p1", (_cine(rng), _cine(rng), _cine(rng)))
    assert [r.name for r in input_records(study)] == ["clip", "clip_2", "clip_3"]
    assert [r.frames for r in input_records(study)] == [3, 3, 3]


@pytest.mark.parametrize(
    "source", [Source(format="simulation"), Source(device=Device("Sonometry", "simulated linear probe"))]
)
def test_a_simulated_input_is_said_first(rng, third_party, source):
    report = build_report(application("echo_level"), _cine(rng, source), FINDINGS)
    assert report.warnings == (SIMULATED_INPUT, "close to the edge")


def test_a_study_is_simulated_when_one_of_its_recordings_is(rng):
    assert is_simulated(Study("s1", "p1", (_cine(rng), _cine(rng, Source(format="simulation")))))
    assert not is_simulated(Study("s1", "p1", (_cine(rng),)))


def test_what_the_reader_was_told_is_a_warning(rng, third_party):
    cine = _cine(rng, Source(notes=("The spacing is 0.1 mm as told by --spacing-mm.",)))
    report = build_report(application("echo_level"), cine, FINDINGS, facts={"spacing_mm": (0.1, 0.1), "fps": None})
    assert report.warnings[0].startswith("The spacing is 0.1 mm")
    assert report.provenance["facts"] == {"spacing_mm": [0.1, 0.1]}


def test_options_and_their_digest_are_in_the_provenance(rng, third_party):
    echo_level = application("echo_level")
    config = echo_level.load("config")
    one, other = (build_report(echo_level, _cine(rng), FINDINGS, config=config(threshold=t)) for t in (0.3, 0.4))
    assert one.provenance["options"]["threshold"] == 0.3
    assert one.provenance["options_sha256"] != other.provenance["options_sha256"]


def test_the_numbers_of_a_prerequisite_are_recorded(rng, third_party):
    echo_level = application("echo_level")
    before = build_report(echo_level, _cine(rng), FINDINGS)
    after = build_report(echo_level, _cine(rng), FINDINGS, prerequisites={"view": before})
    assert isinstance(before, Report)
    assert after.provenance["prerequisites"]["view"]["measurements"][0]["value"] == 0.4
    assert "view: close to the edge" in after.warnings
