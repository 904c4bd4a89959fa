"""Stages of every backbone from the head to the input, for training them one after the other; and freezing.

A stage is a name and the beginnings of the parameter names in a `Classifier` that belong to it. The orders of
MobileNet and VGG16 are those of tables D.1 and D.2 of the echo view thesis; the others are ours, one stage a block.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from sonometry.core.errors import UsageError


@dataclass(frozen=True)
class Stage:
    """name : as in the thesis. prefixes : of the names of modules and parameters."""

    name: str
    prefixes: tuple[str, ...]

    def holds(self, parameter: str) -> bool:
        """Whether a parameter or module belongs to the stage."""
        return any(parameter == prefix or parameter.startswith(prefix + ".") for prefix in self.prefixes)


HEAD = Stage("classification head", ("neck", "head"))


def _numbered(what: str, *prefixes: str) -> tuple[Stage, ...]:
    """Stages "what n" ... "what 1" for the prefixes of n to 1."""
    return tuple(Stage(f"{what} {len(prefixes) - i}", (prefix,)) for i, prefix in enumerate(prefixes))


def _layers(*numbers: int, module: str = "body") -> tuple[str, ...]:
    return tuple(f"{module}.{number}" for number in numbers)


_MOBILENET_BLOCKS = ("4.1", "4.0", "3.5", "3.4", "3.3", "3.2", "3.1", "3.0", "2.1", "2.0", "1.1", "1.0", "0.0")
#: Stages in the order in which they are opened; together they hold every parameter.
STAGES: dict[str, tuple[Stage, ...]] = {
    "mobilenet": (
        HEAD,
        *_numbered("conv block", *(f"body.blocks.{place}" for place in _MOBILENET_BLOCKS)),
        Stage("input", ("body.conv_stem", "body.bn1")),
    ),
    "vgg16": (
        HEAD,
        Stage("conv block 5", _layers(24, 26, 28)),
        Stage("conv block 4", _layers(17, 19, 21)),
        Stage("conv block 3", _layers(10, 12, 14)),
        Stage("conv block 2", _layers(5, 7)),
        Stage("input", _layers(0, 2)),
    ),
    "alexnet": (
        HEAD,
        *(Stage(f"convolution {5 - i}", _layers(k)) for i, k in enumerate((10, 8, 6, 3))),
        Stage("input", _layers(0)),
    ),
    "resnet50": (
        HEAD,
        *_numbered("layer", "body.layer4", "body.layer3", "body.layer2", "body.layer1"),
        Stage("input", ("body.conv1", "body.bn1")),
    ),
    "inception_v3": (
        HEAD,
        Stage("blocks C", ("body.Mixed_7a", "body.Mixed_7b", "body.Mixed_7c")),
        Stage("blocks B", ("body.Mixed_6a", "body.Mixed_6b", "body.Mixed_6c", "body.Mixed_6d", "body.Mixed_6e")),
        Stage("blocks A", ("body.Mixed_5b", "body.Mixed_5c", "body.Mixed_5d")),
        Stage(
            "input",
            tuple(f"body.Conv2d_{k}" for k in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")),
        ),
    ),
    "nasnet_mobile": (
        HEAD,
        Stage("cells 12-15", ("body.reduction_cell_1", *(f"body.cell_{k}" for k in range(12, 16)))),
        Stage("cells 6-9", ("body.reduction_cell_0", *(f"body.cell_{k}" for k in range(6, 10)))),
        Stage("cells 0-3", tuple(f"body.cell_{k}" for k in range(4))),
        Stage("input", ("body.conv0", "body.cell_stem_0", "body.cell_stem_1")),
    ),
    "view": (
        HEAD,
        *(Stage(f"level {level}", _layers(2 * level - 2, 2 * level - 1, module="body.1")) for level in (4, 3, 2, 1)),
        Stage("input", ("body.0",)),
    ),
    "madani": (HEAD, *_numbered("conv block", "body.block3", "body.block2", "body.block1")),
    "inception_dense": (
        HEAD,
        Stage("constant modules", ("body.constant1", "body.constant2")),
        *_numbered("inception", "body.inception3", "body.inception2", "body.inception1"),
        Stage("input", ("body.stem1", "body.stem2")),
    ),
}


def open_from(network: nn.Module, stages: tuple[Stage, ...], name: str) -> None:
    """Train the stages down to the one called `name`, which is nearest to the input, and freeze the others.

    Raises UsageError for a stage that the network does not have.
    """
    names = [stage.name for stage in stages]
    if name not in names:
        raise UsageError(f"there is no stage {name!r}; from the head to the input there are: {', '.join(names)}")
    opened = stages[: names.index(name) + 1]
    for parameter, value in network.named_parameters():
        value.requires_grad = any(stage.holds(parameter) for stage in opened)


def hold_frozen(network: nn.Module) -> None:
    """Put normalisation and dropout of frozen modules into evaluation mode, so that nothing of them changes."""
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(p.requires_grad for p in own) and hasattr(module, "running_mean"):
            module.eval()
