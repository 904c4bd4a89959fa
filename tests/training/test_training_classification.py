"""Classifiers train in epochs and in phases, resume where they were killed, and say what they know afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from sonometry.applications import application  # noqa: E402
from sonometry.core.errors import DataError, UsageError  # noqa: E402
from sonometry.data.folds import sides_of_folds  # noqa: E402
from sonometry.data.frames import frame_table  # noqa: E402
from sonometry.data.labelled import read_labelled  # noqa: E402
from sonometry.data.preparation import Rescaling  # noqa: E402
from sonometry.evaluation.predictions import majority_vote  # noqa: E402
from sonometry.models.backbones import build_classifier  # noqa: E402
from sonometry.models.inference import load_network  # noqa: E402
from sonometry.training.classification import ClassificationTask, classification_task  # noqa: E402
from sonometry.training.classification_config import ClassificationConfig  # noqa: E402
from sonometry.training.config import TrainingConfig  # noqa: E402
from sonometry.training.crossval import cross_validate  # noqa: E402
from sonometry.training.history import HISTORY, read_history  # noqa: E402
from sonometry.training.phases import train, train_phases  # noqa: E402
from sonometry.training.predict import logits_of, predictions_of  # noqa: E402
from sonometry.training.run import check_identity, train_task  # noqa: E402
from sonometry.training.schedules import Phase, phases  # noqa: E402
from sonometry.workflows.train import train as train_workflow  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::Warning:lightning", "ignore::Warning:torch", "ignore::FutureWarning")

TRAINING = TrainingConfig(
    epochs=6, batch_size=9, learning_rate=0.05, warm_up_steps=1, schedule="constant", average_decay=0.0,
    optimiser="adam", workers=0, accelerator="cpu",
)  # fmt: skip


def task_of(cohort: Path, **options: Any) -> ClassificationTask:
    config = ClassificationConfig(backbone="tiny", pretrained=False, cache=cohort.parent / "cache", **options)
    return classification_task(config, cohort.parent / "run", cohort, name="sides")


def state_of(folder: Path) -> dict[str, np.ndarray]:
    return {k: v.numpy() for k, v in load_file(folder / "weights" / "sides.safetensors").items()}


@pytest.mark.slow
def test_a_classifier_learns_and_its_exported_file_classifies_unseen_patients(tiny: str, cohort: Path) -> None:
    result = train(task_of(cohort), cohort.parent / "run", TRAINING, options={}, progress=False)
    rows = read_history(cohort.parent / "run" / HISTORY)
    assert [row["epoch"] for row in rows] == list(range(1, 7))
    assert rows[-1]["train/loss"] < rows[0]["train/loss"]
    assert (cohort.parent / "run" / "learning.png").read_bytes().startswith(b"\x89PNG")
    assert result.steps == 24
    assert result.best == pytest.approx(min(row["val/loss"] for row in rows), rel=1e-5)

    network = load_network(result.weights)
    clips = read_labelled(cohort).of_split("test")
    table = frame_table(clips, cohort.parent / "cache", Rescaling(12, 16))
    frames = predictions_of(network, table, logits_of(network, table)[0])
    assert frames.is_right.mean() >= 0.9
    assert majority_vote(frames).is_right.all()
    assert network.metadata["class_names"] == ["LEFT", "RIGHT"]
    assert network.metadata["temperature"] != 1.0


def test_the_exported_file_gives_the_logits_of_the_network(tiny: str, cohort: Path) -> None:
    task = task_of(cohort)
    network = task.network().eval()
    task.export(network, cohort.parent / "weights", recipe={})
    logits, embedding = logits_of(load_network(cohort.parent / "weights"), task.validation)
    image = torch.stack([task.validation_data()[i]["image"] for i in range(len(task.validation))])
    with torch.no_grad():
        np.testing.assert_allclose(logits, network(image).numpy(), atol=1e-5)
        np.testing.assert_allclose(embedding, network.embed(image).numpy(), atol=1e-5)


@pytest.mark.slow
def test_a_training_resumed_within_an_epoch_ends_like_one_that_was_not_interrupted(tiny: str, cohort: Path) -> None:
    def run(folder: str, epochs: int) -> Path:
        place = cohort.parent / folder
        train_task(task_of(cohort), place, replace(TRAINING, epochs=epochs), options={}, progress=False)
        return place

    whole = run("whole", 4)
    run("parts", 2)
    parts = run("parts", 4)
    for name, value in state_of(whole).items():
        np.testing.assert_allclose(state_of(parts)[name], value, atol=1e-5, err_msg=name)
    assert len(read_history(parts / HISTORY)) == 4


def test_the_thesis_weighs_classes_by_their_number(tiny: str, cohort: Path) -> None:
    task = task_of(cohort)
    unequal = ClassificationTask(task.config, "sides", task.train.chosen(np.r_[0:30:1]), task.validation)
    batch = {"image": torch.rand(4, 1, 12, 16), "label": torch.tensor([0, 1, 1, 1])}
    network = task.network().train()
    counts = np.bincount(unequal.train.labels)
    np.testing.assert_allclose(unequal.weights, len(unequal.train) / (2 * counts), rtol=1e-6)
    weighted = unequal.losses(network, batch)["loss"]
    network.eval()
    assert not torch.isclose(unequal.losses(network, batch)["loss"], weighted)


def test_whitening_is_that_of_the_training_frames(tiny: str, cohort: Path) -> None:
    task = task_of(cohort)
    pictures = np.stack([task.train.picture(i) for i in range(len(task.train))])
    image = torch.from_numpy(pictures.astype(np.float32)[:, None] / 255)
    scaled = task.network().scaling(image)
    assert float(scaled.mean()) == pytest.approx(0, abs=1e-4)
    assert float(scaled.std()) == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_patience_ends_a_training_and_it_stays_ended(tiny: str, cohort: Path) -> None:
    task = task_of(cohort)
    losses = task.losses
    task.losses = lambda network, batch: {  # type: ignore[method-assign]
        "loss": losses(network, batch)["loss"] * (1.0 if network.training else 0.0) + 1.0
    }
    patient = replace(TRAINING, epochs=20, patience=2)
    first = train(task, cohort.parent / "run", patient, options={}, progress=False)
    assert first.steps == 3 * 4  # one validation that improves, two that do not
    again = train(task, cohort.parent / "run", patient, options={}, progress=False)
    assert (again.steps, again.best) == (first.steps, first.best)


def test_the_schedules_of_the_thesis() -> None:
    names = ["classification head", "conv block 13", "input"]
    assert phases("early_stopping", names)[:2] == (
        Phase("classification head", 20, 1e-4, patience=3),
        Phase("conv block 13", 20, 1e-5, patience=3),
    )
    assert phases("fixed", names)[2] == Phase("input", 10, 1e-5)
    assert phases("fixed_restore", names)[0] == Phase("classification head", 10, 1e-5, restore_best=True)
    with pytest.raises(UsageError, match="unknown schedule 'fixd'; did you mean 'fixed'"):
        phases("fixd", names)


@pytest.mark.slow
def test_a_phase_leaves_frozen_layers_alone_and_the_next_opens_them(tiny: str, cohort: Path) -> None:
    schedule = (Phase("classification head", 2, 0.03), Phase("input", 2, 0.03))
    task, run = task_of(cohort), cohort.parent / "run"
    torch.manual_seed(1)
    seen: list[dict[str, torch.Tensor]] = []
    losses = task.losses

    def spying(network: Any, batch: Any) -> Any:
        seen.append({name: value.detach().clone() for name, value in network.body.state_dict().items()})
        return losses(network, batch)

    task.losses = spying  # type: ignore[method-assign]
    train_phases(task, run, TRAINING, schedule, options={}, progress=False)
    half = len(seen) // 2
    assert all(torch.equal(seen[0][name], seen[half - 1][name]) for name in seen[0])
    assert not torch.equal(seen[-1]["0.weight"], seen[0]["0.weight"])
    rows = read_history(run / HISTORY)
    assert [(row["phase"], row["epoch"]) for row in rows] == [(1, 1), (1, 2), (2, 3), (2, 4)]


@pytest.mark.slow
def test_a_run_killed_between_phases_goes_on_with_the_next(tiny: str, cohort: Path) -> None:
    schedule = (Phase("classification head", 2, 0.03), Phase("input", 2, 0.03, restore_best=True))
    run = cohort.parent / "run"
    result = train_phases(task_of(cohort), run, TRAINING, schedule, options={}, progress=False)
    whole = state_of(run)
    first_done = (run / "phases" / "01" / "done.json").stat().st_mtime_ns
    again = train_phases(task_of(cohort), run, TRAINING, schedule, options={}, progress=False)
    assert (run / "phases" / "01" / "done.json").stat().st_mtime_ns == first_done
    assert again.best == result.best
    for name, value in state_of(run).items():
        np.testing.assert_array_equal(value, whole[name])
    with pytest.raises(DataError, match="run with other options"):
        train_phases(task_of(cohort), run, TRAINING, schedule[:1], options={}, progress=False)


def test_every_patient_is_validated_on_once_and_never_learnt_from_in_that_fold(cohort: Path) -> None:
    clips = read_labelled(cohort)
    sides = sides_of_folds(clips, 4, seed=0)
    validated = [subject for _, validation in sides for subject in validation.subjects]
    assert sorted(validated) == sorted(clips.subjects)
    for learnt, validation in sides:
        assert not learnt.subjects & validation.subjects
        assert set(validation.labels) == {"LEFT", "RIGHT"}
        assert set(validation.vendors) == {"A", "B"}
    with pytest.raises(DataError, match="13 folds need as many patients, there are 12"):
        sides_of_folds(clips, 13, seed=0)


@pytest.mark.slow
def test_cross_validation_trains_a_network_for_every_fold(tiny: str, cohort: Path) -> None:
    clips, config = read_labelled(cohort), task_of(cohort).config

    def make(learnt: Any, validation: Any, _folder: Path) -> ClassificationTask:
        tables = [frame_table(side, cohort.parent / "cache", Rescaling(12, 16)) for side in (learnt, validation)]
        return ClassificationTask(config, "sides", *tables)

    done = cross_validate(
        make, clips, cohort.parent / "cv", replace(TRAINING, epochs=2), k=2, options={}, progress=False
    )
    assert done.mean == pytest.approx(np.mean([run.best for run in done.runs]))
    assert done.deviation == pytest.approx(np.std([run.best for run in done.runs], ddof=1))
    assert (cohort.parent / "cv" / "fold-2" / "weights" / "sides.onnx").is_file()


def test_other_vendors_are_validated_on_and_unknown_ones_refused(tiny: str, cohort: Path) -> None:
    task = task_of(cohort, train_vendors=("A",))
    assert (set(task.train.clips.vendors), set(task.validation.clips.vendors)) == ({"A"}, {"B"})
    with pytest.raises(DataError, match="no clip is of the vendor 'C'; there are: A, B"):
        task_of(cohort, train_vendors=("C",))
    with pytest.raises(DataError, match="--train-vendors names all vendors"):
        task_of(cohort, train_vendors=("A", "B"))


def test_a_share_of_the_training_frames_is_the_same_in_every_run(tiny: str, cohort: Path) -> None:
    first, second = task_of(cohort, share=0.25), task_of(cohort, share=0.25)
    assert list(np.bincount(first.train.labels)) == [4, 4]  # of 18 each
    np.testing.assert_array_equal(first.train.row, second.train.row)


def test_training_a_classifier_needs_a_manifest(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs labelled clips; pass --data"):
        classification_task(ClassificationConfig(backbone="tiny"), tmp_path, None, name="sides")


def test_left_out_clips_are_told_in_the_run_folder(tiny: str, cohort: Path) -> None:
    (cohort.parent / "clips" / "c3.dcm").write_bytes(b"damaged")
    task = task_of(cohort)
    assert task.notes[0].startswith("all frames of clip c3 left out")
    assert (cohort.parent / "run" / "skipped.csv").read_text().splitlines()[1].startswith("c3,all,")


def test_a_run_of_before_may_be_resumed_by_a_version_with_more_options() -> None:
    """The identity of a run must not change with options that are new."""
    old = {
        "batch_size", "learning_rate", "warm_up_steps", "optimiser", "schedule", "gradient_clip", "average_decay",
        "validate_every", "seed",
    }  # fmt: skip
    assert set(TrainingConfig().identity()) == old
    assert TrainingConfig(validate_every_epochs=10).identity()["validate_every_epochs"] == 10


def test_epochs_count_samples_of_all_devices() -> None:
    config = TrainingConfig(epochs=3, batch_size=10, devices=2, validate_every_epochs=2)
    assert config.in_steps(200).steps == 30
    assert config.in_steps(200).validate_every == 20
    assert config.in_steps(3).steps == 3


@pytest.mark.slow
def test_two_processes_train_one_network_with_gloo(cohort: Path) -> None:
    """The same training on one process with twice the batch: the same samples a step, so nearly the same weights."""
    program = Path(__file__).with_name("two_processes.py")
    results = {}
    for devices in (1, 2):
        run = cohort.parent / f"run{devices}"
        done = subprocess.run(
            [sys.executable, str(program), str(cohort), str(run), str(devices)],
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert (run / "weights" / "sides.onnx").is_file()
        results[devices] = json.loads(done.stdout.splitlines()[-1])
    assert results[1]["steps"] == results[2]["steps"]
    assert results[2]["best"] == pytest.approx(results[1]["best"], abs=0.02)


def test_the_tiny_backbone_is_known_by_its_entry_alone(tiny: str) -> None:
    assert build_classifier(tiny, 3, pretrained=True).eval()(torch.rand(1, 1, 12, 16)).shape == (1, 3)


def test_a_fold_validates_on_its_patients_and_leaves_the_test_split_alone(tiny: str, cohort: Path) -> None:
    tasks = [task_of(cohort, folds=3, fold=k) for k in (1, 2, 3)]
    validated = [task.validation.clips.subjects for task in tasks]
    tested = read_labelled(cohort).of_split("test").subjects
    assert frozenset().union(*validated) == read_labelled(cohort).subjects - tested
    assert sum(map(len, validated)) == 9
    assert not any(task.train.clips.subjects & (task.validation.clips.subjects | tested) for task in tasks)
    with pytest.raises(ValueError, match="--folds must be 2 or more and --fold one of them, got 3 and 4"):
        ClassificationConfig(folds=3, fold=4)


def test_new_options_that_are_off_do_not_make_another_run(tiny: str, cohort: Path) -> None:
    run, task = cohort.parent / "run", task_of(cohort)
    check_identity(task, run, TRAINING, {"backbone": "tiny"})
    check_identity(task, run, TRAINING, {"backbone": "tiny", "folds": 0, "cache": None})
    with pytest.raises(DataError, match="run with other options"):
        check_identity(task, run, TRAINING, {"backbone": "tiny", "folds": 2})


@pytest.mark.slow
def test_folds_are_trained_by_one_call(tiny: str, cohort: Path) -> None:
    def make(config: ClassificationConfig, folder: Path, data: Path | None) -> ClassificationTask:
        return classification_task(config, folder, data, name="sides")

    app = replace(application("elastography"), task=make, task_config=ClassificationConfig)
    options = {"backbone": "tiny", "pretrained": False, "epochs": 1, "batch_size": 9, "workers": 0, "folds": 2}
    result = train_workflow(app, cohort.parent / "cv", data=cohort, **options, accelerator="cpu")
    assert result.monitor == "mean loss of 2 folds"
    assert [note.split(":")[0] for note in result.notes[:2]] == ["fold 1", "fold 2"]
    assert (cohort.parent / "cv" / "fold-2" / "weights" / "sides.onnx").is_file()


@pytest.mark.slow
def test_a_worker_process_makes_the_same_samples(tiny: str, cohort: Path) -> None:
    data = task_of(cohort).training_data(seed=3, n_samples=12, first=5)
    plain = list(torch.utils.data.DataLoader(data, 4))
    helped = list(torch.utils.data.DataLoader(data, 4, num_workers=1, multiprocessing_context="forkserver"))
    for one, other in zip(plain, helped, strict=True):
        torch.testing.assert_close(one["image"], other["image"])
        assert torch.equal(one["index"], other["index"])


@pytest.mark.slow
def test_mixed_precision_trains_too(tiny: str, cohort: Path) -> None:
    mixed = replace(TRAINING, epochs=3, precision="bf16-mixed")
    assert train(task_of(cohort), cohort.parent / "run", mixed, options={}, progress=False).best < 0.69
