"""The method "sonometry" starts from AM2D, says what weights it can use, and gives up what helps nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sonometry.applications.elastography import am2d, refine  # noqa: E402
from sonometry.applications.elastography.config import ElastographyConfig  # noqa: E402
from sonometry.applications.elastography.displacement import LearnedConfig  # noqa: E402
from sonometry.applications.elastography.echo_pair import to_displacement  # noqa: E402
from sonometry.applications.elastography.features import CHANNELS, OUTPUTS  # noqa: E402
from sonometry.applications.elastography.strain_image import axial_strain  # noqa: E402
from sonometry.core.errors import DataError  # noqa: E402
from sonometry.models.elasto import RefinementNetwork  # noqa: E402
from sonometry.models.weights import export_network  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::Warning:torch", "ignore::FutureWarning")


def exported(
    folder: Path, *, bias: float = 0.0, log_variance: float = 0.0, channels: tuple[str, ...] = CHANNELS
) -> Path:
    """Weights of a small untrained network whose axial correction and whose log-variances are the same everywhere."""
    network = RefinementNetwork(len(channels), len(OUTPUTS), (4, 8))
    with torch.no_grad():
        # Every output has two biases, those of even and of odd rows.
        network.head.bias[:2] = bias
        network.head.bias[6:] = log_variance
    export_network(
        network, folder, refine.WEIGHTS, n_in=len(channels), metadata={"channels": channels, "outputs": OUTPUTS}
    )
    return folder


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> Path:
    return exported(tmp_path_factory.mktemp("untrained"))


@pytest.fixture
def copied(untrained, tmp_path) -> Path:
    """A copy of the weights that a test may spoil."""
    return Path(shutil.copytree(untrained, tmp_path / "weights"))


def test_an_untrained_network_leaves_the_motion_of_am2d(tracked_pair, untrained):
    pair = tracked_pair()
    before = am2d.track(pair.earlier, pair.later, context=pair.context)
    after = refine.track(pair.earlier, pair.later, context=pair.context, config=LearnedConfig(untrained))
    np.testing.assert_allclose(after.axial_samples, before.axial_samples, atol=1e-5)
    np.testing.assert_allclose(after.lateral_lines, before.lateral_lines, atol=1e-5)


def test_a_correction_in_doubt_leaves_displacement_and_strain_exactly_as_am2d_has_them(tracked_pair, tmp_path):
    pair = tracked_pair()
    before = am2d.track(pair.earlier, pair.later, context=pair.context)
    strain = axial_strain(
        before.axial_samples * np.float32(pair.context.axial_step_m), pair.context.axial_step_m, ElastographyConfig()
    )
    doubtful = exported(tmp_path, bias=1.0, log_variance=8.0)
    after = refine.track(pair.earlier, pair.later, context=pair.context, config=LearnedConfig(doubtful))
    assert after.is_refined
    np.testing.assert_array_equal(after.axial_samples, before.axial_samples)
    np.testing.assert_allclose(after.axial_strain, strain, atol=1e-9)


def test_a_correction_that_is_sure_of_itself_is_taken_in_full(tracked_pair, tmp_path):
    pair = tracked_pair()
    before = am2d.track(pair.earlier, pair.later, context=pair.context)
    sure = exported(tmp_path, bias=1.0, log_variance=-14.0)
    after = refine.track(pair.earlier, pair.later, context=pair.context, config=LearnedConfig(sure))
    moved = np.abs(after.axial_samples - before.axial_samples)[pair.inner()]
    assert np.allclose(moved, 0.01 * pair.context.samples_per_period / (2 * np.pi), rtol=0.1)


def test_its_strain_is_the_slope_of_its_displacement(tracked_pair, untrained):
    """Before training the strain is AM2D's slope, smoothed over a third of a millimetre."""
    pair = tracked_pair()
    found = refine.track(pair.earlier, pair.later, context=pair.context, config=LearnedConfig(untrained))
    slope = np.gradient(found.axial_samples.astype(np.float64), axis=0)
    inner = pair.inner()
    assert np.sqrt(np.mean((found.axial_strain - slope)[inner] ** 2)) < 0.1 * abs(slope[inner].mean())


def test_a_unit_of_output_is_a_hundredth_of_a_radian(tracked_pair, tmp_path):
    """A correction of 2 units is 0.02 rad of 6 MHz at 40 MHz: 0.021 samples."""
    pair = tracked_pair()
    echo, motion = am2d.track_baseband(pair.earlier, pair.later, context=pair.context)
    network = refine.refinement_network(exported(tmp_path, bias=2.0))
    moved = refine.corrected(echo, motion, context=pair.context, network=network).motion
    assert np.allclose(np.abs(moved[0] - motion[0]), 0.02 / echo.band.carrier_rad, rtol=1e-3)


def test_a_correction_that_spoils_the_agreement_is_given_up(tracked_pair, tmp_path):
    pair = tracked_pair()
    echo, motion = am2d.track_baseband(pair.earlier, pair.later, context=pair.context)
    network = refine.refinement_network(exported(tmp_path, bias=100.0))
    found = refine.refine(echo, motion, context=pair.context, network=network)
    assert not found.is_refined
    np.testing.assert_array_equal(found.axial_samples, to_displacement(echo, motion).axial_samples)
    least_squares = refine.least_squares_strain(echo, motion, pair.context)
    np.testing.assert_array_equal(found.axial_strain, least_squares)
    # One radian was refused: the standard deviation says that it was in question.
    assert found.axial_sd_samples is not None
    assert np.median(found.axial_sd_samples) > 0.9 / echo.band.carrier_rad


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(DataError, match=r"no weights at nothing.onnx; expected an .onnx file or the folder"):
        refine.refinement_network(tmp_path / "nothing.onnx")


def test_damaged_weights_are_refused(copied):
    path = copied / f"{refine.WEIGHTS}.onnx"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"is damaged or not the file its .json describes; copy both again"):
        refine.refinement_network(copied)


def test_weights_of_another_layout_are_refused(copied):
    path = copied / f"{refine.WEIGHTS}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"layout": 99}))
    with pytest.raises(DataError, match="was written for another version of Sonometry"):
        refine.refinement_network(copied)


def test_a_file_that_is_no_network_is_refused(copied):
    path = copied / "weights.pt"
    path.write_bytes(b"pickle")
    with pytest.raises(DataError, match=r"weights.pt is neither .onnx nor .safetensors weights"):
        refine.refinement_network(path)


def test_a_network_of_other_images_is_refused(tmp_path):
    other = exported(tmp_path / "other", channels=CHANNELS[:-1])
    with pytest.raises(DataError, match="are not a refinement network of this version of Sonometry; train it again"):
        refine.refinement_network(other)
