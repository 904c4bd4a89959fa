"""The backbones by name. One entry each: to add one, write what builds it and its line in `BACKBONES` and `STAGES`.

Each brings its picture size, its scaling, its ImageNet weights where they exist, and keeps the head it was published
with, whose last layer gets as many outputs as there are classes and fresh weights throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from sonometry.core.errors import DataError, UsageError
from sonometry.core.options import nearest
from sonometry.models.classifier import Classifier, GridPool, Parts, ScalingKind
from sonometry.models.inception_dense import inception_dense
from sonometry.models.madani import madani
from sonometry.models.nasnet import PENULTIMATE_FILTERS, NASNetMobile
from sonometry.models.pretrained import State, WeightsFile, pretrained_state
from sonometry.models.stages import STAGES, Stage
from sonometry.models.view import view_parts


@dataclass(frozen=True)
class Backbone:
    """One network architecture.

    rows, columns : of its pictures. scaling : how grey 0-1 becomes its input. weights : of ImageNet, or None.
    parameters : published number of trained values with `published_classes` outputs; None where none is published.
    """

    name: str
    title: str
    source: str
    rows: int
    columns: int
    scaling: ScalingKind
    build: Callable[[int, State | None], Parts]
    weights: WeightsFile | None = None
    parameters: int | None = None
    published_classes: int = 1000

    @property
    def stages(self) -> tuple[Stage, ...]:
        """From the head to the input."""
        return STAGES[self.name]


def backbone(name: str) -> Backbone:
    """The entry called `name`; UsageError names the nearest."""
    if name not in BACKBONES:
        raise UsageError(f"unknown backbone {name!r}; {nearest(name, BACKBONES)}")
    return BACKBONES[name]


def build_classifier(name: str, n_classes: int, *, pretrained: bool) -> Classifier:
    """A network for `n_classes` classes. pretrained : start from ImageNet where the backbone has such weights.

    Raises UsageError for an unknown name, WeightsMissingError where the weights cannot be had.
    """
    entry = backbone(name)
    state = pretrained_state(entry.title, entry.weights) if pretrained and entry.weights else None
    return Classifier(entry.scaling, entry.build(n_classes, state))


def _loaded(network: nn.Module, state: State | None, ignored: tuple[str, ...], file: str) -> None:
    """Load all of `state` but the heads that are replaced; DataError where it is of another network."""
    if state is None:
        return
    kept = {name: value for name, value in state.items() if not name.startswith(ignored)}
    missing, unexpected = network.load_state_dict(kept, strict=False)
    missing = [name for name in missing if not name.startswith(ignored) and "num_batches" not in name]
    if missing or unexpected:
        raise DataError(f"{file} does not hold the weights of this network; delete it and run again")


def _alexnet(n_classes: int, state: State | None) -> Parts:
    from torchvision.models import alexnet

    network = alexnet(weights=None)
    _loaded(network, state, ("classifier",), _ALEXNET.file)
    neck = nn.Sequential(GridPool(6, 6), nn.Flatten(), *network.classifier[:-1])
    return Parts(network.features, neck, nn.Linear(4096, n_classes))


def _vgg16(n_classes: int, state: State | None) -> Parts:
    from torchvision.models import vgg16

    network = vgg16(weights=None)
    _loaded(network, state, ("classifier",), _VGG16.file)
    neck = nn.Sequential(GridPool(7, 7), nn.Flatten(), *network.classifier[:-1])
    return Parts(network.features, neck, nn.Linear(4096, n_classes))


def _resnet50(n_classes: int, state: State | None) -> Parts:
    from torchvision.models import resnet50

    network = resnet50(weights=None)
    _loaded(network, state, ("fc",), _RESNET50.file)
    names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
    return Parts(_in_order(network, names), _pooled(), nn.Linear(2048, n_classes))


def _inception_v3(n_classes: int, state: State | None) -> Parts:
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, aux_logits=False, init_weights=state is None, transform_input=False)
    _loaded(network, state, ("fc", "AuxLogits"), _INCEPTION_V3.file)
    names = [name for name, _ in network.named_children() if name not in ("avgpool", "dropout", "fc")]
    return Parts(_in_order(network, names), nn.Sequential(*_pooled(), nn.Dropout(0.5)), nn.Linear(2048, n_classes))


def _mobilenet(n_classes: int, state: State | None) -> Parts:
    import timm

    network = timm.create_model("mobilenetv1_100", pretrained=False, num_classes=0, global_pool="")
    _loaded(network, state, ("classifier",), _MOBILENET.file)
    return Parts(network, nn.Sequential(*_pooled(), nn.Dropout(1e-3)), nn.Linear(1024, n_classes))


def _nasnet_mobile(n_classes: int, state: State | None) -> Parts:
    network = NASNetMobile()
    _loaded(network, state, ("last_linear",), _NASNET.file)
    neck = nn.Sequential(*_pooled(), nn.Dropout(0.5))
    return Parts(network, neck, nn.Linear(PENULTIMATE_FILTERS, n_classes))


def _in_order(network: nn.Module, names: list[str] | tuple[str, ...]) -> nn.Sequential:
    body = nn.Sequential()
    for name in names:
        body.add_module(name, network.get_submodule(name))
    return body


def _pooled() -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


_TORCH, _HUB = "https://download.pytorch.org/models/", "https://huggingface.co/timm/"
_ALEXNET = WeightsFile("alexnet-owt-7be5be79.pth", _TORCH + "alexnet-owt-7be5be79.pth", "BSD-3-Clause")
_VGG16 = WeightsFile("vgg16-397923af.pth", _TORCH + "vgg16-397923af.pth", "BSD-3-Clause")
_RESNET50 = WeightsFile("resnet50-0676ba61.pth", _TORCH + "resnet50-0676ba61.pth", "BSD-3-Clause")
_INCEPTION_V3 = WeightsFile(
    "inception_v3_google-0cc3c7bd.pth", _TORCH + "inception_v3_google-0cc3c7bd.pth", "BSD-3-Clause"
)
_MOBILENET = WeightsFile(
    "mobilenetv1_100.ra4_e3600_r224_in1k.safetensors",
    _HUB + "mobilenetv1_100.ra4_e3600_r224_in1k/resolve/main/model.safetensors",
    "Apache-2.0",
)
_NASNET = WeightsFile(
    "nasnetamobile-7e03cead.pth",
    "http://data.lip6.fr/cadene/pretrainedmodels/nasnetamobile-7e03cead.pth",
    "BSD-3-Clause",
)

BACKBONES: dict[str, Backbone] = {
    entry.name: entry
    for entry in (
        Backbone(
            "madani", "the baseline of Madani", "doi:10.1038/s41746-017-0013-1", 60, 80, "whitening",
            lambda n, _: madani(n),
        ),
        Backbone(
            "mobilenet", "MobileNet v1", "arXiv:1704.04861", 224, 224, "symmetric", _mobilenet, _MOBILENET, 4_231_976
        ),
        Backbone(
            "nasnet_mobile", "NASNet-A mobile", "arXiv:1707.07012", 224, 224, "symmetric", _nasnet_mobile, _NASNET,
            5_289_978,
        ),
        Backbone(
            "inception_v3", "Inception-v3", "arXiv:1512.00567", 299, 299, "symmetric", _inception_v3, _INCEPTION_V3,
            23_834_568,
        ),
        Backbone("vgg16", "VGG16", "arXiv:1409.1556", 224, 224, "imagenet", _vgg16, _VGG16, 138_357_544),
        Backbone("alexnet", "AlexNet", "arXiv:1404.5997", 224, 224, "imagenet", _alexnet, _ALEXNET, 61_100_840),
        Backbone("resnet50", "ResNet-50", "arXiv:1512.03385", 224, 224, "imagenet", _resnet50, _RESNET50, 25_557_032),
        Backbone(
            "inception_dense", "the inception-dense network of Østvik", "Østvik et al. 2018, section 2.1", 128, 128,
            "whitening", lambda n, _: inception_dense(n),
        ),
        Backbone(
            "view", "the residual network of the view application", "arXiv:1512.03385", 128, 128, "whitening",
            lambda n, _: view_parts(n),
        ),
    )
}  # fmt: skip
