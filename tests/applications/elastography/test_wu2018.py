"""The networks of the paper: their patches, their variants, and the way from frames to patches and back."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sonometry.applications.elastography import wu2018  # noqa: E402
from sonometry.applications.elastography.displacement import LearnedConfig  # noqa: E402
from sonometry.applications.elastography.echo_pair import prepare_pair  # noqa: E402
from sonometry.applications.elastography.study_ablation import (  # noqa: E402
    DISPLACEMENT_VARIANTS,
    STRAIN_VARIANTS,
    Variant,
)
from sonometry.applications.elastography.task_config import TaskConfig  # noqa: E402
from sonometry.applications.elastography.wu2018_task import (  # noqa: E402
    PLACE,
    PatchTask,
    RandomPlaces,
    TissuePatches,
    dense_sizes,
)
from sonometry.applications.elastography.wu2018_tissues import (  # noqa: E402
    Tissue,
    tissues_of_displacement,
    tissues_of_strain,
)
from sonometry.core.errors import DataError  # noqa: E402
from sonometry.models.wu2018 import LocallyConnected, PatchNetwork, absolute_errors  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::Warning:torch", "ignore::FutureWarning")


def patch_task(folder, **options) -> PatchTask:
    return PatchTask(TaskConfig(**{"network": "wu2018-displacement", "patches": 64} | options), folder)


def test_a_patch_lies_about_its_pixel():
    images = np.arange(2 * 40 * 20, dtype=np.float32).reshape(2, 40, 20)
    view = wu2018.windows(images, (7, 5))
    assert view.shape == (40, 20, 2, 7, 5)
    np.testing.assert_array_equal(view[20, 10], images[:, 17:24, 8:13])
    np.testing.assert_array_equal(view[:, :, :, 3, 2], np.moveaxis(images, 0, 2))


def test_displacement_patches_are_relative_to_their_middle():
    patches = np.random.default_rng(1).standard_normal((3, 1, 7, 5)).astype(np.float32)
    np.testing.assert_allclose(wu2018.centred(patches + 9), wu2018.centred(patches), atol=1e-5)
    assert wu2018.centred(patches)[:, 0, 3, 2].tolist() == [0, 0, 0]


def test_values_between_the_grid_are_interpolated():
    rows, columns = np.indices((2608, 128), dtype=np.float32)
    smooth = np.sin(rows / 300) + 0.01 * columns
    found = wu2018._between(smooth[::8, ::2], (2608, 128))
    assert np.abs(found - smooth)[8:-16, 4:-4].max() < 2e-3


def test_the_stretch_takes_the_applied_strain_away(tracked_pair):
    """What is left of 1 % over 1000 samples is below a sample in the middle half of the image."""
    pair = tracked_pair()
    echo = prepare_pair(pair.earlier, pair.later, pair.context)
    resized = wu2018.resize_pair(pair.earlier, pair.later, echo, pair.context)
    assert resized.frames.shape == (2, *wu2018.SIZE)
    assert np.ptp(resized.offset) == pytest.approx(0.01 * 2608, rel=0.15)
    first, second = resized.frames[:, 600:2000, 20:-20]
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.4


def test_a_kernel_differs_from_position_to_position():
    layer = LocallyConnected(1, 1, (6, 2))
    even = layer(torch.ones(6, 2, 1, 1)).flatten()
    assert len(torch.unique(even[2:-2])) > 4


def test_the_same_kernel_everywhere_is_a_convolution():
    torch.manual_seed(0)
    layer = LocallyConnected(3, 4, (9, 2), dilation=2)
    with torch.no_grad():
        layer.weight.copy_(layer.weight[:1].expand_as(layer.weight))
    x = torch.randn(9, 2, 5, 3)
    kernel = layer.weight[0].reshape(5, 3, 4).permute(2, 1, 0)[..., None]
    expected = torch.nn.functional.conv2d(x.permute(2, 3, 0, 1), kernel, dilation=(2, 1), padding=(4, 0))
    torch.testing.assert_close(layer(x).permute(2, 3, 0, 1), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("network", "variant"),
    [("wu2018-displacement", v) for v in DISPLACEMENT_VARIANTS] + [("wu2018-strain", v) for v in STRAIN_VARIANTS],
    ids=lambda value: value.name if isinstance(value, Variant) else value,
)
def test_every_variant_of_the_tables_is_a_network(network, variant, tmp_path):
    task = PatchTask(TaskConfig(network=network, **variant.changes), tmp_path)
    n_in = 2 if network == "wu2018-displacement" else 1
    assert task.network()(torch.randn(2, n_in, *task.patch)).shape == (2, 1)


def test_the_paper_has_64_32_and_1_units():
    assert dense_sizes(3) == (64, 32, 1)
    assert [n.out_features for n in PatchNetwork(2, (71, 9), has_separable=True, layers=("b",)).dense[::2]] == [
        64,
        32,
        1,
    ]


def test_places_are_a_function_of_seed_and_index():
    first, later = RandomPlaces(range(2, 5), 64, 1, 5, 0), RandomPlaces(range(2, 5), 64, 1, 2, 3)
    for name in PLACE:
        np.testing.assert_array_equal(first[4][name], later[1][name])
        assert not np.array_equal(first[0][name], first[1][name])
    assert set(first[0]["tissue"]) == {2, 3, 4}


@pytest.mark.parametrize("n_channels", [1, 2])
def test_patches_cut_in_training_are_those_of_inference(n_channels):
    rng = np.random.default_rng(0)
    tissues = [
        Tissue(rng.standard_normal((n_channels, 40, 30)).astype(np.float32), rng.standard_normal((40, 30)))
        for _ in range(3)
    ]
    places = tuple(torch.from_numpy(rng.integers(n, size=50)) for n in (3, 40, 30))
    found = TissuePatches(tissues, (7, 5)).at(*places)
    for k, (tissue, row, column) in enumerate(zip(*(p.tolist() for p in places), strict=True)):
        expected = wu2018.windows(tissues[tissue].images, (7, 5))[row, column]
        np.testing.assert_array_equal(found["patches"][0, k].numpy(), wu2018.centred(expected[None])[0])
        assert found["target"][0, k] == pytest.approx(tissues[tissue].answer[row, column])


def test_training_and_validation_do_not_share_tissues(tmp_path):
    task = patch_task(tmp_path, tissues=8)
    training, validation = task.training_data(seed=1, n_samples=1, first=0), task.validation_data()
    assert (list(training.numbers), list(validation.numbers)) == (list(range(8)), [8, 9])


def test_both_networks_learn_from_the_same_kept_simulation(tmp_path, monkeypatch):
    """The second stage reads what the first one made, and what the first network finds is found once."""
    from sonometry.applications.elastography import wu2018_tissues
    from sonometry.models.inference import shipped_weights

    first = tissues_of_displacement(tmp_path, [12_345])[0]
    weights = shipped_weights(wu2018.DISPLACEMENT_WEIGHTS)
    monkeypatch.setattr(wu2018_tissues, "paper_pair", None)
    second = tissues_of_strain(tmp_path, [12_345], weights)[0]
    monkeypatch.setattr(wu2018_tissues, "predicted_displacement", None)
    again = tissues_of_strain(tmp_path, [12_345], weights)[0]
    assert (first.images.shape, second.images.shape) == ((2, *wu2018.SIZE), (1, *wu2018.SIZE))
    assert first.answer.shape == second.answer.shape == wu2018.SIZE
    np.testing.assert_array_equal(second.images, again.images)
    # The motion that is left, in units of 2 samples, and strain beyond its mean, in units of 1 %: both are small.
    assert 0.01 < np.abs(first.answer).mean() < 2
    assert 0.01 < np.abs(second.answer).mean() < 2


@pytest.mark.slow
def test_tissues_made_in_processes_are_those_made_in_one(tmp_path):
    seeds = [12_345, 12_346, 12_347, 12_348]
    together = tissues_of_displacement(tmp_path / "together", seeds)
    alone = tissues_of_displacement(tmp_path / "alone", seeds[:1])
    np.testing.assert_array_equal(together[0].images, alone[0].images)


@pytest.mark.slow
def test_training_lowers_the_error_of_a_pattern_that_can_be_learned(tmp_path):
    """The answer is the shift of a wave between two frames."""
    rng = np.random.default_rng(0)
    shift = rng.uniform(-1, 1, 256).astype(np.float32)
    rows = np.arange(71, dtype=np.float32)[:, None]
    phase = rng.uniform(0, 6, 256)
    wave = [np.sin(rows + p) + np.zeros((1, 9)) for p in phase]
    moved = [np.sin(rows + p - s) + np.zeros((1, 9)) for p, s in zip(phase, shift, strict=True)]
    patches = torch.from_numpy(np.stack([np.stack(wave), np.stack(moved)], axis=1).astype(np.float32))
    torch.manual_seed(0)
    network = patch_task(tmp_path).network()
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    batch = {"patches": patches[None], "target": torch.from_numpy(shift)[None]}
    losses = []
    for _ in range(12):
        loss = absolute_errors(network, batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.75 * losses[0]


def test_an_exported_network_answers_alike_for_any_number_of_patches(tmp_path):
    from sonometry.models.inference import load_network

    task = patch_task(tmp_path, layers=2)
    network = task.network().eval()
    task.export(network, tmp_path / "weights", recipe={})
    patches = np.random.default_rng(0).standard_normal((5, 2, 71, 9)).astype(np.float32)
    expected = network(torch.from_numpy(patches)).detach().numpy()
    np.testing.assert_allclose(load_network(tmp_path / "weights")(patches), expected, atol=1e-4)


def test_a_folder_without_both_networks_is_refused(tracked_pair, tmp_path):
    pair = tracked_pair()
    with pytest.raises(DataError, match="no weights at elastography-wu2018-displacement"):
        wu2018.track(pair.earlier, pair.later, context=pair.context, config=LearnedConfig(tmp_path))
