"""One network of a study: trained, tested, and remembered, so that an interrupted study goes on where it ended."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sonometry.core.errors import DataError, MissingExtraError
from sonometry.core.paper_study import StudyRequest
from sonometry.core.provenance import digest_json
from sonometry.evaluation.calibration import at_temperature
from sonometry.evaluation.classification import accuracy, class_measures, confusion_matrix, mean_over_classes
from sonometry.evaluation.predictions import Predictions, majority_vote
from sonometry.io.atomic import write_atomic
from sonometry.training.classification_config import ClassificationConfig
from sonometry.training.config import TrainingConfig

if TYPE_CHECKING:
    from sonometry.data.frames import FrameTable

#: Rows and columns of a quick study for backbones whose pictures are larger; Inception-v3 needs 75.
_QUICK_SIDE = {"inception_v3": 80}
_QUICK_DEFAULT = 64
#: Share of a quick training of the baseline over which its dropout rises; without, it would learn nothing in it.
_QUICK_RISE = 0.8
#: Augmentation of a quick study, a third of the thesis's: what is seen a few times only need not be varied much.
_QUICK_CHANGES: dict[str, Any] = {"rotation_deg": 3.0, "shift": 0.03, "zoom": 0.024, "shear": 0.01}
#: What a quick study says of that.
RISE_NOTE = (
    "the baseline's dropout rises from 0 to one half, where the thesis has one half throughout, which takes tens of "
    "thousands of frames to learn anything"
)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained. rate_factor : on the learning rates of gradual unfreezing."""

    config: ClassificationConfig
    training: TrainingConfig
    rate_factor: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What came of it. missing : why it was not run; then nothing else is there.

    validation_accuracy : highest of all validations. sequence_accuracy : majority vote. history : one row a validation,
    with "epoch", "train/accuracy", "val/accuracy" and, where layers are opened in turn, "phase".
    """

    missing: str = ""
    n_train: int = 0
    n_parameters: int = 0
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    sequence_accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    class_names: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    history: tuple[Mapping[str, float], ...] = field(default=(), repr=False)


def picture_size(name: str, *, quick: bool) -> tuple[int, int]:
    """Rows and columns of a backbone's pictures; a quick study makes large ones smaller."""
    from sonometry.models.backbones import backbone

    entry = backbone(name)
    if not quick or entry.rows <= 128:
        return entry.rows, entry.columns
    side = _QUICK_SIDE.get(name, _QUICK_DEFAULT)
    return side, side


def title_of(name: str) -> str:
    """What a backbone is called."""
    from sonometry.models.backbones import backbone

    return backbone(name).title


def stage_names(name: str) -> list[str]:
    """Stages of a backbone in the order in which they are opened."""
    from sonometry.models.backbones import backbone

    return [stage.name for stage in backbone(name).stages]


class Runs:
    """All networks of one study, with what was found missing on the way."""

    def __init__(self, request: StudyRequest, n_runs: int) -> None:
        for module in ("torch", "lightning", "torchvision", "timm"):
            if importlib.util.find_spec(module) is None:
                raise MissingExtraError(module, "train", "the studies of networks")
        self.request, self.n_runs, self.done = request, n_runs, 0
        self.missing: dict[str, str] = {}

    def run(
        self, name: str, recipe: Recipe, train: FrameTable, validation: FrameTable, test: FrameTable | None = None
    ) -> Outcome:
        """Train and test one network, or give back what is remembered of it.

        Weights that cannot be had make an outcome that says which file to place where.
        """
        self.request.progress(0.1 + 0.9 * min(1.0, self.done / self.n_runs), f"training {name}")
        self.done += 1
        about = {"config": asdict(recipe.config), "training": recipe.training.identity(), "factor": recipe.rate_factor}
        about |= {"epochs": recipe.training.epochs, "n": [len(train), len(validation)], "size": list(train.size)}
        folder = self.request.cache / "runs" / f"{name}-{digest_json(about)[:8]}"
        record = folder / "outcome.json"
        if record.is_file():
            return _outcome(json.loads(record.read_text(encoding="utf-8")))
        backbone = recipe.config.backbone
        if recipe.config.pretrained and backbone in self.missing:
            return Outcome(missing=self.missing[backbone])
        outcome = self._learnt(recipe, folder, train, validation, test)
        if outcome.missing:
            self.missing[backbone] = outcome.missing
        else:
            write_atomic(record, json.dumps(asdict(outcome)) + "\n")
        return outcome

    def _learnt(
        self, recipe: Recipe, folder: Path, train: FrameTable, validation: FrameTable, test: FrameTable | None
    ) -> Outcome:
        from sonometry.applications.view.study_task import StudyTask
        from sonometry.models.pretrained import WeightsMissingError
        from sonometry.training.history import HISTORY, read_history
        from sonometry.training.phases import train as train_task

        task = StudyTask(recipe.config, train, validation, test, rate_factor=recipe.rate_factor)
        try:
            train_task(task, folder, recipe.training, options={"config": asdict(recipe.config)}, progress=False)
        except WeightsMissingError as error:
            shutil.rmtree(folder, ignore_errors=True)
            return Outcome(missing=f"not run: place {error.file} in {_short(error.folder)}")
        history = read_history(folder / HISTORY)
        with np.load(folder / "weights" / "logits.npz") as arrays:
            logits = {name: arrays[name] for name in arrays.files}
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        shutil.rmtree(folder / "phases", ignore_errors=True)
        found = tested(validation if test is None else test, logits["validation" if test is None else "test"])
        best = max((row["val/accuracy"] for row in history if "val/accuracy" in row), default=float("nan"))
        return Outcome(
            n_train=len(train),
            n_parameters=int(logits["n_parameters"]),
            validation_accuracy=best,
            history=tuple(history),
            class_names=train.clips.class_names,
            **found,
        )


def tested(table: FrameTable, logits: np.ndarray) -> dict[str, Any]:
    """Measures of the thesis on the frames of a table: accuracy, by majority vote, mean precision and recall."""
    names = table.clips.class_names
    frames = Predictions(names, at_temperature(logits.astype(np.float64), 1.0), table.labels, **table.keys())
    clips = majority_vote(frames)
    confusion = confusion_matrix(frames.truth, frames.predicted, len(names))
    measures = class_measures(confusion)
    return {
        "test_accuracy": accuracy(frames.truth, frames.predicted),
        "sequence_accuracy": accuracy(clips.truth, clips.predicted),
        "precision": mean_over_classes(np.nan_to_num(measures.precision), confusion),
        "recall": mean_over_classes(measures.recall, confusion),
        "confusion": tuple(tuple(int(n) for n in row) for row in confusion),
    }


def _outcome(record: Mapping[str, Any]) -> Outcome:
    kept = {**record, "class_names": tuple(record["class_names"]), "history": tuple(record["history"])}
    return Outcome(**{**kept, "confusion": tuple(tuple(row) for row in record["confusion"])})


def _short(folder: Path) -> str:
    """A folder without the name of the home it lies in."""
    try:
        return f"~/{folder.relative_to(Path.home())}"
    except ValueError:
        return str(folder)


def per_cent(share: float | None) -> str | None:
    """A share as the thesis prints it; None stays None."""
    return None if share is None or not np.isfinite(share) else f"{100 * share:.1f} %"


def configured(backbone: str, *, quick: bool, **options: Any) -> ClassificationConfig:
    """Options of a network in a study; a quick one varies its pictures less."""
    return ClassificationConfig(backbone=backbone, **options, **(_QUICK_CHANGES if quick else {}))


def quick_rise(backbone: str) -> float:
    """Share of a quick training over which the dropout of a network rises."""
    return _QUICK_RISE if backbone == "madani" else 0.0


def adam(
    rate: float, epochs: int, *, batch_size: int, optimiser: str = "adam", every: int = 1, rise: float = 0.0
) -> TrainingConfig:
    """Training of the thesis: a constant learning rate, no averaging, no clipping.

    every : epochs between validations. rise : share of the training over which dropout rises, for a quick study.
    """
    return TrainingConfig(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=rate,
        warm_up_steps=1,
        optimiser=optimiser,  # type: ignore[arg-type]
        schedule="constant",
        gradient_clip=0.0,
        average_decay=0.0,
        validate_every_epochs=every,
        dropout_rise=rise,
        workers=0,
    )


def missing_notes(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """What to place where, said once."""
    return tuple(dict.fromkeys(o.missing for o in outcomes if o.missing))


def has_learnt(accuracies: Sequence[float | None], n_classes: int) -> bool:
    """Whether a network got anywhere: twice as often right as by chance in one of its trainings."""
    return max((a or 0.0 for a in accuracies), default=0.0) >= 2 / n_classes


def unlearnt_note(label: str, accuracies: Sequence[float | None], n_classes: int) -> str:
    """What is said of a network that got nowhere, instead of comparing its rows."""
    best = 100 * max((a or 0.0 for a in accuracies), default=0.0)
    return (
        f"{label}: no training got further than {best:.0f} % where chance gives {100 / n_classes:.0f} %, so its rows "
        "say nothing; train longer, or on more recordings."
    )


def check_ran(outcomes: Sequence[Outcome]) -> None:
    """DataError where nothing could be run at all."""
    if outcomes and all(o.missing for o in outcomes):
        raise DataError(f"no network of this study could be run; {outcomes[0].missing}")
