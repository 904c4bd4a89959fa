"""Backbones have the published numbers of parameters, their stages hold every parameter, and their weights load."""

from __future__ import annotations

import itertools
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sonometry.core.errors import DataError, UsageError  # noqa: E402
from sonometry.models import pretrained  # noqa: E402
from sonometry.models.backbones import BACKBONES, backbone, build_classifier  # noqa: E402
from sonometry.models.classifier import Classifier, GridPool, count_parameters  # noqa: E402
from sonometry.models.classifier_export import export_classifier  # noqa: E402
from sonometry.models.classify import classify  # noqa: E402
from sonometry.models.inference import load_network  # noqa: E402
from sonometry.models.pretrained import WeightsMissingError  # noqa: E402
from sonometry.models.stages import hold_frozen, open_from  # noqa: E402

LIGHT = ("madani", "inception_dense")


def made(name: str, n_classes: int = 8, *, device: str = "meta") -> Classifier:
    """A network without values, which costs no time."""
    with torch.device(device):
        return build_classifier(name, n_classes, pretrained=False)


@pytest.mark.parametrize("name", [name for name, entry in BACKBONES.items() if entry.parameters])
@pytest.mark.slow
def test_the_number_of_parameters_is_the_published_one(name: str) -> None:
    entry = backbone(name)
    assert count_parameters(made(name, entry.published_classes)) == entry.parameters


def test_the_baseline_has_about_four_million_parameters() -> None:
    """Counted by hand: convolutions, two values of each normalisation, and the dense layers."""
    n = [1, 32, 32, 64, 64, 128, 128]
    convolutions = sum(9 * a * b + b + 2 * b for a, b in itertools.pairwise(n))
    dense = (3072 * 1028 + 3 * 1028) + (1028 * 512 + 3 * 512) + 512 * 8 + 8
    assert count_parameters(made("madani")) == convolutions + dense
    assert 3.95e6 < convolutions + dense < 4.0e6


def test_pooling_early_gives_what_the_published_order_gives() -> None:
    """Convolution, normalisation, ReLU, dropout, and pooling last, of the same layers."""
    block = made("madani", device="cpu").body.block1
    published = torch.nn.Sequential(*block[:6], block[7], block[8], block[6])
    image = torch.rand(3, 1, 16, 20)
    found = []
    for network in (block, published):
        torch.manual_seed(4)
        found.append(network(image))
    assert torch.equal(*found)
    assert (found[0].mean(dim=(2, 3)) == 0).any()  # channels were dropped


@pytest.mark.parametrize("name", LIGHT)
def test_light_networks_give_logits_and_an_embedding(name: str) -> None:
    network, entry = made(name, 5, device="cpu").eval(), backbone(name)
    image = torch.rand(2, 1, entry.rows, entry.columns)
    assert network(image).shape == (2, 5)
    assert network.embed(image).shape[0] == 2


def test_the_embedding_of_the_baseline_is_its_last_layer_of_512() -> None:
    assert made("madani", device="cpu").eval().embed(torch.rand(1, 1, 60, 80)).shape == (1, 512)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in LIGHT])
def test_heavy_networks_give_logits(name: str) -> None:
    network, entry = made(name, 3, device="cpu").eval(), backbone(name)
    with torch.no_grad():
        assert network(torch.rand(1, 1, entry.rows // 2, entry.columns // 2)).shape == (1, 3)


@pytest.mark.parametrize("name", LIGHT)
def test_stages_of_light_networks_hold_every_parameter_once(name: str) -> None:
    check_stages(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in LIGHT])
def test_stages_of_heavy_networks_hold_every_parameter_once(name: str) -> None:
    check_stages(name)


def check_stages(name: str) -> None:
    network, stages = made(name), backbone(name).stages
    for parameter, _ in network.named_parameters():
        assert sum(stage.holds(parameter) for stage in stages) == 1, parameter
    for stage in stages:
        for prefix in stage.prefixes:
            assert any(p == prefix or p.startswith(prefix + ".") for p, _ in network.named_parameters()) or (
                prefix == "neck"
            ), prefix


@pytest.mark.slow
def test_the_orders_of_tables_d1_and_d2() -> None:
    blocks = [f"conv block {k}" for k in range(13, 0, -1)]
    assert [s.name for s in backbone("mobilenet").stages] == ["classification head", *blocks, "input"]
    vgg = ["classification head", *(f"conv block {k}" for k in (5, 4, 3, 2)), "input"]
    assert [s.name for s in backbone("vgg16").stages] == vgg
    network = made("mobilenet")
    open_from(network, backbone("mobilenet").stages, "conv block 13")
    opened = {name for name, p in network.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in opened} == {"head", "body"}
    assert all(name.startswith(("head.", "body.blocks.4.1.")) for name in opened)


def test_opening_a_stage_opens_all_that_follow_it_and_freezes_the_rest() -> None:
    network = made("madani", device="cpu").train()
    open_from(network, backbone("madani").stages, "conv block 3")
    trained = {name.split(".")[1] for name, p in network.body.named_parameters(prefix="body") if p.requires_grad}
    assert trained == {"block3"}
    assert all(p.requires_grad for p in network.neck.parameters())
    hold_frozen(network)
    before = network.body.block1[1].running_mean.clone()
    network(torch.rand(4, 1, 60, 80))
    torch.testing.assert_close(network.body.block1[1].running_mean, before)
    assert (network.body.block3[1].running_mean != 0).any()
    with pytest.raises(UsageError, match="no stage 'conv block 9'; from the head to the input there are: class"):
        open_from(network, backbone("madani").stages, "conv block 9")


@pytest.mark.parametrize(("height", "width"), [(7, 7), (2, 2), (9, 15), (5, 8)])
def test_a_grid_of_means_is_that_of_torch(height: int, width: int) -> None:
    maps = torch.rand(2, 3, height, width)
    torch.testing.assert_close(GridPool(7, 6)(maps), torch.nn.functional.adaptive_avg_pool2d(maps, (7, 6)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")
def test_a_network_for_smaller_pictures_is_exported_too(tmp_path: Path) -> None:
    network = made("alexnet", 3, device="cpu").eval()
    export_classifier(network, tmp_path, "small", size=(96, 64), metadata={"class_names": ["a", "b", "c"]})
    pictures = np.random.default_rng(0).integers(0, 255, (3, 96, 64), dtype=np.uint8)
    logits, _ = classify(load_network(tmp_path), pictures)
    with torch.no_grad():
        expected = network(torch.from_numpy(pictures.astype(np.float32))[:, None] / 255)
    np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)


def test_whitening_travels_with_the_weights() -> None:
    network = made("madani", device="cpu")
    network.whiten(0.2, 0.1)
    copy = made("madani", device="cpu")
    copy.load_state_dict(network.state_dict())
    torch.testing.assert_close(copy.scaling(torch.full((1, 1, 2, 2), 0.3)), torch.ones(1, 1, 2, 2))


def test_an_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown backbone 'mobilnet'; did you mean 'mobilenet'"):
        backbone("mobilnet")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a connection; the folder of weights."""

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(pretrained.urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return tmp_path / "checkpoints"


def test_weights_that_cannot_be_fetched_name_the_file_and_its_folder(no_network: Path) -> None:
    with pytest.raises(WeightsMissingError, match=r"place vgg16-397923af\.pth in .*checkpoints, or .*--no-pretrained"):
        build_classifier("vgg16", 8, pretrained=True)


def test_damaged_weights_are_told(no_network: Path) -> None:
    no_network.mkdir()
    (no_network / "alexnet-owt-7be5be79.pth").write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"alexnet-owt-7be5be79\.pth in .* is damaged; delete it"):
        build_classifier("alexnet", 8, pretrained=True)


@pytest.mark.slow
def test_weights_in_the_folder_are_loaded_and_the_head_is_fresh(no_network: Path) -> None:
    from torchvision.models import resnet50

    published = resnet50(weights=None)
    no_network.mkdir()
    torch.save(published.state_dict(), no_network / "resnet50-0676ba61.pth")
    network = build_classifier("resnet50", 8, pretrained=True)
    torch.testing.assert_close(network.body.layer3[1].conv2.weight, published.layer3[1].conv2.weight)
    assert network.head.out_features == 8
    torch.save(resnet50(weights=None).layer1.state_dict(), no_network / "resnet50-0676ba61.pth")
    with pytest.raises(DataError, match="does not hold the weights of this network"):
        build_classifier("resnet50", 8, pretrained=True)


@pytest.mark.slow
def test_mobilenet_and_nasnet_weights_load_by_their_published_names(no_network: Path) -> None:
    """Names as published: those of timm's own network, and of the PyTorch NASNet, of which a few are spelled out."""
    import timm
    from safetensors.torch import save_file

    no_network.mkdir()
    published = timm.create_model("mobilenetv1_100", pretrained=False)
    save_file(published.state_dict(), no_network / "mobilenetv1_100.ra4_e3600_r224_in1k.safetensors")
    network = build_classifier("mobilenet", 8, pretrained=True)
    torch.testing.assert_close(network.body.conv_stem.weight, published.conv_stem.weight)
    names = set(build_classifier("nasnet_mobile", 8, pretrained=False).body.state_dict())
    assert names >= {
        "conv0.conv.weight", "cell_stem_0.comb_iter_0_right.separable_1.depthwise_conv2d.weight",
        "cell_stem_1.path_2.conv.weight", "cell_stem_1.final_path_bn.running_var", "cell_0.conv_1x1.bn.bias",
        "cell_1.conv_prev_1x1.conv.weight", "reduction_cell_0.comb_iter_4_left.bn_sep_2.weight",
        "cell_15.comb_iter_4_left.separable_2.pointwise_conv2d.weight",
    }  # fmt: skip
