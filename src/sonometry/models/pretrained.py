"""ImageNet weights by file: taken from the folder where torch keeps such files, else fetched once.

Nothing is unpickled but tensors. Where a file cannot be fetched, the error names it and the folder it belongs in.
"""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch

from sonometry.core.errors import DataError, OutputError
from sonometry.io.atomic import atomic_file

#: Seconds to wait for the first answer of a server.
PATIENCE_S = 20.0
State = dict[str, torch.Tensor]


class WeightsMissingError(DataError):
    """ImageNet weights that are neither here nor can be fetched. file : its name. folder : where it belongs."""

    def __init__(self, network: str, file: str, folder: Path) -> None:
        self.network, self.file, self.folder = network, file, folder
        super().__init__(
            f"ImageNet weights of {network} could not be fetched; place {file} in {folder}, "
            "or train from scratch with --no-pretrained"
        )


@dataclass(frozen=True)
class WeightsFile:
    """Where published weights come from. file : name in the folder. url : what to fetch. licence : of the weights."""

    file: str
    url: str
    licence: str


def weights_folder() -> Path:
    """Where torch keeps downloaded weights; the environment variable TORCH_HOME moves it."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def is_available(weights: WeightsFile) -> bool:
    """Whether the file is here already."""
    return (weights_folder() / weights.file).is_file()


def pretrained_state(network: str, weights: WeightsFile) -> State:
    """The tensors of a file, fetched first where it is missing.

    Raises WeightsMissingError where it cannot be had, DataError where it is damaged.
    """
    path = weights_folder() / weights.file
    if not path.is_file():
        try:
            _fetch(weights.url, path)
        except (OSError, HTTPException, OutputError) as error:
            raise WeightsMissingError(network, weights.file, path.parent) from error
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch and safetensors raise whatever a damaged file leads them to
        raise DataError(f"{weights.file} in {path.parent} is damaged; delete it and run again") from error


def _fetch(url: str, path: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "sonometry"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer, atomic_file(path) as partial:
        with partial.open("xb") as stream:
            shutil.copyfileobj(answer, stream)
        expected = answer.headers.get("Content-Length")
        if expected and partial.stat().st_size != int(expected):
            raise urllib.error.URLError("the connection broke")
