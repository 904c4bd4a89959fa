"""A run trains, resumes where it was killed, and exports weights that onnxruntime computes alike."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sonometry.core.errors import DataError  # noqa: E402
from sonometry.models.inference import load_network  # noqa: E402
from sonometry.models.weights import export_network, load_into  # noqa: E402
from sonometry.training.config import TrainingConfig  # noqa: E402
from sonometry.training.run import train_task  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::Warning:lightning", "ignore::Warning:torch", "ignore::FutureWarning")


class Numbers(torch.utils.data.Dataset):
    """Sample i is drawn from the generator of (seed, i); the target is three times its first channel."""

    def __init__(self, seed: int, n_samples: int, first: int) -> None:
        self.seed, self.n_samples, self.first = seed, n_samples, first

    def __len__(self) -> int:
        return self.n_samples

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.seed, self.first + index])
        image = rng.standard_normal((2, 4, 4)).astype(np.float32)
        return {"image": image, "target": 3 * image[:1]}


class Scaling:
    """Learns to triple: the smallest task there is."""

    name = "scaling"
    monitor = "loss"

    def network(self) -> Any:
        return torch.nn.Conv2d(2, 1, 1)

    def training_data(self, *, seed: int, n_samples: int, first: int) -> Any:
        return Numbers(seed, n_samples, first)

    def validation_data(self) -> Any:
        return Numbers(99, 4, 0)

    def losses(self, network: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        return {"loss": (network(batch["image"]) - batch["target"]).square().mean()}

    def export(self, network: Any, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        export_network(network, folder, self.name, n_in=2, metadata={"recipe": recipe})


def config(steps: int) -> TrainingConfig:
    return TrainingConfig(
        steps=steps, batch_size=4, learning_rate=0.05, warm_up_steps=1, schedule="constant", average_decay=0.0,
        validate_every=10, workers=0, accelerator="cpu",
    )  # fmt: skip


def test_a_short_run_is_not_averaged_with_its_random_start(tmp_path):
    averaged = dataclasses.replace(config(150), average_decay=0.998, validate_every=50)
    found = train_task(Scaling(), tmp_path, averaged, options={}, progress=False)
    assert found.best < 0.05  # 4 with an average of equal memory from the first step


class Dropping(Scaling):
    """Remembers the dropout of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def network(self) -> Any:
        return torch.nn.Sequential(torch.nn.Conv2d(2, 1, 1), torch.nn.Dropout2d(0.5))

    def losses(self, network: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        if network.training:
            self.seen.append(network[1].p)
        return super().losses(network, batch)

    def export(self, network: Any, folder: Path, *, recipe: Mapping[str, Any]) -> None:
        self.exported = network[1].p


def test_dropout_rises_to_what_the_network_has(tmp_path):
    task = Dropping()
    train_task(task, tmp_path, dataclasses.replace(config(20), dropout_rise=0.5), options={}, progress=False)
    assert task.seen[:3] == pytest.approx([0, 0.05, 0.1])
    assert task.seen[9:12] == pytest.approx([0.45, 0.5, 0.5])
    assert task.exported == 0.5


def test_dropout_is_that_of_the_network_from_the_first_step_by_default(tmp_path):
    task = Dropping()
    train_task(task, tmp_path, config(2), options={}, progress=False)
    assert task.seen == [0.5, 0.5]


def weights_of(folder: Path) -> np.ndarray:
    network = Scaling().network()
    load_into(network, folder / "weights" / "scaling.safetensors")
    return network.weight.detach().numpy().ravel()


def test_a_run_learns_and_its_onnx_file_computes_the_same(tmp_path: Path) -> None:
    result = train_task(Scaling(), tmp_path / "run", config(200), options={}, progress=False)
    assert result.best < 1e-2
    image = np.random.default_rng(0).standard_normal((1, 2, 16, 8)).astype(np.float32)
    output = load_network(result.weights)(image)
    np.testing.assert_allclose(output[0, 0], 3 * image[0, 0], atol=0.2)


def test_a_resumed_run_ends_like_one_that_was_not_interrupted(tmp_path: Path) -> None:
    """Same samples in the same order: the weights agree to rounding."""
    train_task(Scaling(), tmp_path / "whole", config(40), options={}, progress=False)
    train_task(Scaling(), tmp_path / "parts", config(20), options={}, progress=False)
    train_task(Scaling(), tmp_path / "parts", config(40), options={}, progress=False)
    np.testing.assert_allclose(weights_of(tmp_path / "parts"), weights_of(tmp_path / "whole"), atol=1e-5)


def test_a_run_shorter_than_the_first_validation_is_validated_at_its_end(tmp_path: Path) -> None:
    result = train_task(Scaling(), tmp_path, config(3), options={}, progress=False)
    assert np.isfinite(result.best)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    train_task(Scaling(), tmp_path, config(10), options={"width": 1}, progress=False)
    with pytest.raises(DataError, match="run with other options"):
        train_task(Scaling(), tmp_path, config(10), options={"width": 2}, progress=False)


def test_the_recipe_travels_with_the_weights(tmp_path: Path) -> None:
    train_task(Scaling(), tmp_path, config(10), options={"width": 1}, progress=False)
    record = json.loads((tmp_path / "weights" / "scaling.json").read_text())
    assert record["recipe"]["training"]["steps"] == 10
    assert record["recipe"]["task_options"] == {"width": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "scaling.onnx").write_bytes(b"no network"), "damaged"),
        (lambda f: (f / "scaling.json").unlink(), "must lie beside"),
        (lambda f: (f / "scaling.json").write_text("{}"), "another version"),
        (lambda f: (f / "scaling.json").write_text("no json"), "not valid JSON"),
        (lambda f: (f / "scaling.onnx").unlink(), "exactly one .onnx"),
    ],
)
def test_unusable_weights_are_named_in_one_line(tmp_path: Path, change: Any, message: str) -> None:
    export_network(Scaling().network(), tmp_path, "scaling", n_in=2, metadata={})
    change(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        load_network(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_neither_onnx_nor_safetensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"pickle")
    with pytest.raises(DataError, match=r"neither \.onnx nor \.safetensors"):
        load_network(tmp_path / "weights.pth")


def test_missing_weights_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no weights at nowhere"):
        load_network(tmp_path / "nowhere")
