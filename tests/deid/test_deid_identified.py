"""Simulated recordings under invented names: what goes in comes out of de-identification without them."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import dcmread

from sonometry.core import Cine, Device, Source
from sonometry.core.errors import DataError
from sonometry.deid.clip import deidentify_clip
from sonometry.deid.scorecard.identified import write_identified
from sonometry.deid.scorecard.screens import LAYOUTS
from sonometry.io.dicom_write import write_cine


@pytest.fixture(scope="module")
def identified(tmp_path_factory):
    """Two files of one simulated patient and one of another."""
    folder = tmp_path_factory.mktemp("identified")
    screen = LAYOUTS["Borealis Imaging", "LinScan 2"](np.random.default_rng(1), 2)
    pixels = screen.frames.max(axis=3)
    cine = Cine(
        pixels, frame_times_s=np.array([0, 0.04]), spacing_m=(1e-4, 1e-4), source=Source(device=Device("Boreal", "B1"))
    )
    for number, subject in enumerate(("sim-a", "sim-a", "sim-b")):
        path = folder / "in" / f"{number}.dcm"
        path.parent.mkdir(exist_ok=True)
        write_cine(cine, path, subject_key=subject, study_key=subject, view=None, quality=None, is_synthetic=True)
    return pixels, write_identified(folder / "in", folder / "out")


def test_files_of_one_patient_share_a_name_that_is_in_header_folder_and_pixels(identified):
    pixels, paths = identified
    headers = [dcmread(path) for path in paths]
    names = [str(header.PatientName) for header in headers]
    assert sorted(names.count(name) for name in set(names)) == [1, 2]
    for path, header in zip(paths, headers, strict=True):
        assert str(header.PatientName).split("^")[0] in path.parent.parent.name
        shown = header.pixel_array
        assert shown.shape[1] == pixels.shape[1] + 44
        assert (shown[:, :44] > 200).any()
        assert np.abs(shown[0, 44:].astype(int) - pixels[0]).mean() < 6
        assert header.BurnedInAnnotation == "YES"
        assert "PatientIdentityRemoved" not in header


@pytest.mark.slow
def test_the_name_is_gone_after_de_identification_and_the_echoes_are_there(identified, rules, models):
    pixels, paths = identified
    content = paths[0].read_bytes()
    name = str(dcmread(paths[0]).PatientName).split("^")[0]
    clip = deidentify_clip(content, rules, {})
    assert name.encode() not in clip.data
    assert not clip.plan.kept[:44].any()
    kept = clip.plan.kept[44:]
    echoes = pixels.max(axis=0) > 60
    assert (kept & echoes).sum() > 0.9 * echoes.sum()


def test_a_folder_without_recordings_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.dcm file"):
        write_identified(tmp_path / "empty", tmp_path / "out")
