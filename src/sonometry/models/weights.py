"""Weights on disk: safetensors to train on, ONNX to measure with, and JSON that says what they are.

A folder of weights holds `<name>.safetensors`, `<name>.onnx` and `<name>.json` (digests, layout version, recipe).
Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sonometry.core.errors import DataError
from sonometry.io.atomic import atomic_file, write_atomic
from sonometry.models.inference import LAYOUT_VERSION

#: Rows and columns of the image that the export is traced with; any other size can be given later.
EXAMPLE_SIZE = 64


def export_network(
    network: nn.Module,
    folder: Path,
    name: str,
    *,
    n_in: int,
    metadata: Mapping[str, Any],
    size: tuple[int, int] | None = None,
) -> None:
    """Write a network with one image input of `n_in` channels and any batch.

    size : rows and columns that it needs; any size when None (fully convolutional).
    metadata : JSON values that inference needs (channel names, units, calibration) and the recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    with atomic_file(folder / f"{name}.safetensors") as temporary:
        save_file(state, temporary, metadata={"name": name, "layout": str(LAYOUT_VERSION)})
    with atomic_file(folder / f"{name}.onnx") as temporary:
        _export_onnx(network, temporary, n_in, size)
    record = {"name": name, "layout": LAYOUT_VERSION, **metadata}
    for kind in ("safetensors", "onnx"):
        record[f"{kind}_sha256"] = hashlib.sha256((folder / f"{name}.{kind}").read_bytes()).hexdigest()
    write_atomic(folder / f"{name}.json", json.dumps(record, indent=2, default=str) + "\n")


def add_metadata(folder: Path, name: str, metadata: Mapping[str, Any]) -> None:
    """Add to what the JSON of exported weights says, or change it; the digests stay."""
    path = folder / f"{name}.json"
    write_atomic(path, json.dumps({**json.loads(path.read_text()), **metadata}, indent=2, default=str) + "\n")


def _export_onnx(network: nn.Module, path: Path, n_in: int, size: tuple[int, int] | None) -> None:
    example = torch.zeros(2, n_in, *(size or (EXAMPLE_SIZE, EXAMPLE_SIZE)))
    axes = {0: "batch"} if size else {0: "batch", 2: "rows", 3: "lines"}
    with warnings.catch_warnings():
        # The older exporter handles dynamic sizes without onnxscript; it warns that it is the older one.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network.eval().to(memory_format=torch.contiguous_format),
            (example,),
            str(path),
            input_names=["image"],
            output_names=["output"],
            dynamic_axes={"image": axes, "output": {0: "batch"} if size else axes},
            opset_version=17,
            dynamo=False,
        )


def load_into(network: nn.Module, path: Path) -> None:
    """Load safetensors into a network of the same architecture; DataError when they do not fit."""
    try:
        network.load_state_dict(load_file(path))
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"{path.name} does not hold weights of this network; train it again or give another file"
        ) from error
