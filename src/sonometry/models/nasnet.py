"""NASNet-A (4 @ 1056), the mobile network of Zoph et al. 2018, arXiv:1707.07012.

A cell adds pairs of branches of the current and the previous state, as the tables below say, and joins the sums. Names
of parameters are those of the published PyTorch weights `nasnetamobile-7e03cead.pth`; padding is TensorFlow's "same".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

#: Epsilon of batch normalisation in the published network.
_EPSILON = 1e-3
STEM_FILTERS = 32
PENULTIMATE_FILTERS = 1056


class Branch(NamedTuple):
    """One operand: what is done (separable convolution, pooling, or nothing) with which state.

    of : "current", "previous", or the number of an earlier sum of the same cell. shrinks : takes part in the reduction.
    """

    kind: str
    of: str
    size: int = 0
    shrinks: bool = False


_SAME, _AVERAGE, _MAXIMUM, _SEPARABLE = "same", "average", "maximum", "separable"
NORMAL = (
    (Branch(_SEPARABLE, "current", 5), Branch(_SEPARABLE, "previous", 3)),
    (Branch(_SEPARABLE, "previous", 5), Branch(_SEPARABLE, "previous", 3)),
    (Branch(_AVERAGE, "current", 3), Branch(_SAME, "previous")),
    (Branch(_AVERAGE, "previous", 3), Branch(_AVERAGE, "previous", 3)),
    (Branch(_SEPARABLE, "current", 3), Branch(_SAME, "current")),
)
REDUCTION = (
    (Branch(_SEPARABLE, "current", 5, True), Branch(_SEPARABLE, "previous", 7, True)),
    (Branch(_MAXIMUM, "current", 3, True), Branch(_SEPARABLE, "previous", 7, True)),
    (Branch(_AVERAGE, "current", 3, True), Branch(_SEPARABLE, "previous", 5, True)),
    (Branch(_SAME, "1"), Branch(_AVERAGE, "0", 3)),
    (Branch(_SEPARABLE, "0", 3), Branch(_MAXIMUM, "current", 3, True)),
)


class Separable(nn.Module):
    """Depthwise convolution, then 1x1."""

    def __init__(self, n_in: int, n_out: int, size: int, stride: int) -> None:
        super().__init__()
        self.size, self.stride = size, stride
        self.depthwise_conv2d = nn.Conv2d(n_in, n_in, size, stride=stride, groups=n_in, bias=False)
        self.pointwise_conv2d = nn.Conv2d(n_in, n_out, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded = functional.pad(x, _same_padding(x, self.size, self.stride))
        result: torch.Tensor = self.pointwise_conv2d(self.depthwise_conv2d(padded))
        return result


class SeparableBranch(nn.Module):
    """Two separable convolutions, each after ReLU and with batch normalisation; the first may shrink."""

    def __init__(self, n_in: int, n_out: int, size: int, stride: int) -> None:
        super().__init__()
        self.separable_1 = Separable(n_in, n_out, size, stride)
        self.bn_sep_1 = nn.BatchNorm2d(n_out, eps=_EPSILON)
        self.separable_2 = Separable(n_out, n_out, size, 1)
        self.bn_sep_2 = nn.BatchNorm2d(n_out, eps=_EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn_sep_1(self.separable_1(functional.relu(x)))
        result: torch.Tensor = self.bn_sep_2(self.separable_2(functional.relu(x)))
        return result


class Cell(nn.Module):
    """One cell. previous : how the previous state is brought to size: "as_is", "projected" or "halved"."""

    def __init__(
        self,
        table: tuple[tuple[Branch, Branch], ...],
        n_previous: int,
        n_current: int,
        width: int,
        previous: str,
    ) -> None:
        super().__init__()
        self.table, self.previous = table, previous
        self.conv_1x1 = _projection(n_current, width)
        n_left = width
        if previous == "projected":
            self.conv_prev_1x1 = _projection(n_previous, width)
        elif previous == "halved":
            self.path_1 = nn.ModuleDict({"conv": nn.Conv2d(n_previous, width // 2, 1, bias=False)})
            self.path_2 = nn.ModuleDict({"conv": nn.Conv2d(n_previous, width // 2, 1, bias=False)})
            self.final_path_bn = nn.BatchNorm2d(width // 2 * 2, eps=_EPSILON)
        else:
            n_left = n_previous
        for number, pair in enumerate(table):
            for side, branch in zip(("left", "right"), pair, strict=True):
                if branch.kind == _SEPARABLE:
                    n_in = n_left if branch.of == "previous" else width
                    module = SeparableBranch(n_in, width, branch.size, 2 if branch.shrinks else 1)
                    self.add_module(f"comb_iter_{number}_{side}", module)

    def forward(self, current: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        states = {"current": self.conv_1x1(current), "previous": self._brought_to_size(previous)}
        for number, pair in enumerate(self.table):
            left, right = (
                self._branch(branch, f"comb_iter_{number}_{side}", states)
                for side, branch in zip(("left", "right"), pair, strict=True)
            )
            states[str(number)] = left + right
        first = [states["previous"], states["0"]] if self.table is NORMAL else []
        return torch.cat([*first, *(states[str(number)] for number in range(1, 5))], dim=1)

    def _brought_to_size(self, previous: torch.Tensor) -> torch.Tensor:
        if self.previous == "as_is":
            return previous
        if self.previous == "projected":
            projected: torch.Tensor = self.conv_prev_1x1(previous)
            return projected
        x = functional.relu(previous)
        shifted = functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        halves = (self.path_1["conv"](x[:, :, ::2, ::2]), self.path_2["conv"](shifted[:, :, ::2, ::2]))
        joined: torch.Tensor = self.final_path_bn(torch.cat(halves, dim=1))
        return joined

    def _branch(self, branch: Branch, name: str, states: dict[str, torch.Tensor]) -> torch.Tensor:
        x, stride = states[branch.of], 2 if branch.shrinks else 1
        if branch.kind == _SEPARABLE:
            result: torch.Tensor = self.get_submodule(name)(x)
            return result
        if branch.kind == _SAME:
            return x
        padding = _same_padding(x, branch.size, stride)
        if branch.kind == _MAXIMUM:
            return functional.max_pool2d(functional.pad(x, padding, value=-math.inf), branch.size, stride)
        inside = functional.avg_pool2d(functional.pad(torch.ones_like(x[:1, :1]), padding), branch.size, stride)
        return functional.avg_pool2d(functional.pad(x, padding), branch.size, stride) / inside


class NASNetMobile(nn.Module):
    """(B, 3, 224, 224) -> (B, 1056, 7, 7) maps; three groups of four cells between reductions."""

    def __init__(self, width: int = PENULTIMATE_FILTERS // 24) -> None:
        super().__init__()
        self.conv0 = nn.Sequential()
        self.conv0.add_module("conv", nn.Conv2d(3, STEM_FILTERS, 3, stride=2, bias=False))
        self.conv0.add_module("bn", nn.BatchNorm2d(STEM_FILTERS, eps=_EPSILON))
        self.cell_stem_0 = Cell(REDUCTION, STEM_FILTERS, STEM_FILTERS, width // 4, "as_is")
        self.cell_stem_1 = Cell(REDUCTION, STEM_FILTERS, width, width // 2, "halved")
        before, current = width, 2 * width
        self.order = ["cell_stem_0", "cell_stem_1"]
        for group, first in enumerate((0, 6, 12)):
            own = width * 2**group
            for k in range(4):
                cell = Cell(NORMAL, before, current, own, "projected" if k else "halved")
                before, current = current, 6 * own
                self._append(f"cell_{first + k}", cell)
            if group < 2:
                self._append(f"reduction_cell_{group}", Cell(REDUCTION, before, current, 2 * own, "projected"))
                before, current = current, 8 * own

    def _append(self, name: str, cell: Cell) -> None:
        self.add_module(name, cell)
        self.order.append(name)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        current = self.conv0(x)
        previous = current
        for name in self.order:
            current, previous = self.get_submodule(name)(current, previous), current
        return functional.relu(current)


def _projection(n_in: int, n_out: int) -> nn.Sequential:
    projection = nn.Sequential()
    projection.add_module("relu", nn.ReLU())
    projection.add_module("conv", nn.Conv2d(n_in, n_out, 1, bias=False))
    projection.add_module("bn", nn.BatchNorm2d(n_out, eps=_EPSILON))
    return projection


def _same_padding(x: torch.Tensor, size: int, stride: int) -> tuple[int, int, int, int]:
    """Left, right, top, bottom padding that gives ceil(n / stride) outputs, the odd pixel at the end."""
    rows, columns = (_padding_of(int(n), size, stride) for n in x.shape[2:])
    return *columns, *rows


def _padding_of(n: int, size: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(n / stride) - 1) * stride + size - n, 0)
    return total // 2, total - total // 2
