"""Run shipped networks with onnxruntime, without torch.

Weights lie in `sonometry/weights/<name>/`; `--weights PATH` names others. A file is checked against the digest in its
JSON before it is used.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.core.errors import DataError

#: Raised whenever files written before cannot be read by the program any more.
LAYOUT_VERSION = 1
_SHIPPED = Path(__file__).resolve().parents[1] / "weights"


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network: its metadata, the digest of its ONNX file and the session that runs it."""

    name: str
    metadata: dict[str, Any]
    sha256: str
    session: Any

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(B, channel, rows, columns) float32 -> (B, output, rows, columns)."""
        output: np.ndarray = self.session.run(None, {"image": np.ascontiguousarray(image, dtype=np.float32)})[0]
        return output


def shipped_weights(name: str) -> Path:
    """The ONNX file of weights that come with Sonometry; DataError when this installation lacks them."""
    path = _SHIPPED / name / f"{name}.onnx"
    if not path.exists():
        raise DataError(
            f"the weights {name} are missing from this installation; install Sonometry again or pass --weights"
        )
    return path


def load_network(path: Path, *, threads: int = 0) -> Network:
    """The network of an ONNX file (or of the folder that holds one), checked against the JSON beside it.

    threads : that it runs on; as many as there are cores when 0.
    """
    return _load(*_located(path), threads)


def _located(path: Path) -> tuple[Path, float]:
    """The ONNX file behind `path` and when it or its JSON last changed: what is written anew is loaded anew."""
    if path.is_dir():
        found = sorted(path.glob("*.onnx"))
        if len(found) != 1:
            raise DataError(f"{path.name} must hold exactly one .onnx file of weights, it holds {len(found)}")
        path = found[0]
    if not path.is_file():
        raise DataError(f"no weights at {path.name}; expected an .onnx file or the folder of a training run's weights")
    if path.suffix == ".safetensors":
        path = path.with_suffix(".onnx")
    return path, max((p.stat().st_mtime for p in (path, path.with_suffix(".json")) if p.is_file()), default=0.0)


@lru_cache(maxsize=8)
def _load(path: Path, changed: float, threads: int) -> Network:
    metadata = _metadata(path)
    data = path.read_bytes() if path.is_file() else b""
    digest = hashlib.sha256(data).hexdigest()
    if metadata.get("onnx_sha256") != digest:
        raise DataError(f"{path.name} is damaged or not the file its .json describes; copy both again")
    return Network(str(metadata["name"]), metadata, digest, _session(path, data, threads))


def _metadata(path: Path) -> dict[str, Any]:
    """The JSON beside an ONNX file."""
    record = path.with_suffix(".json")
    if path.suffix != ".onnx":
        raise DataError(
            f"{path.name} is neither .onnx nor .safetensors weights; pass the folder of a training run's weights"
        )
    if not record.is_file():
        raise DataError(f"{record.name} must lie beside {path.name}: it tells what the weights are; copy it too")
    try:
        metadata = json.loads(record.read_text())
    except ValueError as error:
        raise DataError(f"{record.name} is not valid JSON; copy the weights again") from error
    if not isinstance(metadata, dict) or metadata.get("layout") != LAYOUT_VERSION:
        raise DataError(
            f"{path.name} was written for another version of Sonometry (layout {LAYOUT_VERSION} is read here)"
        )
    return metadata


def _session(path: Path, data: bytes, threads: int) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base class for its errors
        raise DataError(f"{path.name} is not a network that onnxruntime can read; copy the weights again") from error
