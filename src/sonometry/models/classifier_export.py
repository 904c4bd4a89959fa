"""A trained classifier as files: safetensors to go on with, ONNX to measure with, and JSON that says what it is.

The ONNX file takes `image`, grey (B, 1, rows, columns) in 0-1, and gives `logits` (B, classes) and `embedding`.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from sonometry.io.atomic import atomic_file, write_atomic
from sonometry.models.classifier import Classifier
from sonometry.models.inference import LAYOUT_VERSION


class _WithEmbedding(nn.Module):
    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        own = self.classifier
        features = own.neck(own.body(own.scaling(image)))
        embedding = features if features.ndim == 2 else features.mean(dim=(2, 3))
        return own.head(features), embedding


def export_classifier(
    network: Classifier, folder: Path, name: str, *, size: tuple[int, int], metadata: Mapping[str, Any]
) -> None:
    """Write `<name>.safetensors`, `<name>.onnx` and `<name>.json` into `folder`.

    size : (rows, columns) of the pictures. metadata : JSON values; "class_names" in the order of the logits among them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = network.eval().cpu()
    with atomic_file(folder / f"{name}.safetensors") as partial:
        save_file(
            {k: v.detach().contiguous() for k, v in network.state_dict().items()},
            partial,
            metadata={"name": name, "layout": str(LAYOUT_VERSION)},
        )
    with atomic_file(folder / f"{name}.onnx") as partial, warnings.catch_warnings():
        # The older exporter needs no onnxscript; it warns that it is the older one.
        warnings.simplefilter("ignore")
        names = ("image", "logits", "embedding")
        torch.onnx.export(
            _WithEmbedding(network).eval(),
            (torch.zeros(2, 1, *size),),
            str(partial),
            input_names=list(names[:1]),
            output_names=list(names[1:]),
            dynamic_axes={each: {0: "batch"} for each in names},
            opset_version=17,
            dynamo=False,
        )
    record = {"name": name, "layout": LAYOUT_VERSION, "rows": size[0], "columns": size[1], **metadata}
    for kind in ("safetensors", "onnx"):
        record[f"{kind}_sha256"] = hashlib.sha256((folder / f"{name}.{kind}").read_bytes()).hexdigest()
    write_atomic(folder / f"{name}.json", json.dumps(record, indent=2, default=str) + "\n")
