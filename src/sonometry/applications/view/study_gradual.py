"""Figure 4.6: layers opened one after the other, MobileNet by three schedules and VGG16 by one."""

from __future__ import annotations

from sonometry.applications.view.study_clips import at_most, study_clips, study_frames
from sonometry.applications.view.study_figures import curves_figure
from sonometry.applications.view.study_runs import (
    Outcome,
    Recipe,
    Runs,
    adam,
    check_ran,
    configured,
    per_cent,
    picture_size,
    stage_names,
)
from sonometry.core.paper_study import Cell, StudyRequest, StudyResult, Table

#: Subplots of figure 4.6: name, backbone, schedule.
SUBPLOTS = (
    ("a: MobileNet, early stopping", "mobilenet", "early_stopping"),
    ("b: MobileNet, fixed 10 epochs", "mobilenet", "fixed"),
    ("c: MobileNet, fixed, best restored", "mobilenet", "fixed_restore"),
    ("d: VGG16, fixed 10 epochs", "vgg16", "fixed"),
)
#: Quick: learning rates times this, epochs of a phase, and at most so many frames.
_QUICK_FACTOR, _QUICK_EPOCHS = {"mobilenet": 100.0, "vgg16": 10.0}, 1
_QUICK_FRAMES = {"mobilenet": 640, "vgg16": 160}


def gradual(request: StudyRequest) -> StudyResult:
    """Accuracy after every phase, from ImageNet and from random weights."""
    clips, notes = study_clips(request)
    runs = Runs(request, 2 * len(SUBPLOTS))
    outcomes: dict[tuple[str, str], Outcome] = {}
    for title, name, schedule in SUBPLOTS:
        frames = study_frames(request, clips, picture_size(name, quick=request.quick))
        train = at_most(frames.train, _QUICK_FRAMES[name]) if request.quick else frames.train
        for start in ("ImageNet", "random"):
            config = configured(
                name,
                quick=request.quick,
                pretrained=start == "ImageNet",
                unfreezing=schedule,  # type: ignore[arg-type]
                phase_epochs=_QUICK_EPOCHS if request.quick else 0,
            )
            training = adam(1e-5, 1, batch_size=16 if request.quick or name == "vgg16" else 64)
            recipe = Recipe(config, training, _QUICK_FACTOR[name] if request.quick else 1.0)
            outcomes[title, start] = runs.run(
                f"{name}-{schedule}-{start.lower()}", recipe, train, frames.validation, frames.test
            )
    check_ran(list(outcomes.values()))
    figures = tuple(
        curves_figure({f"{title}, {start}": o.history}, title, name=f"curves-{title[0]}-{start.lower()}")
        for (title, start), o in outcomes.items()
        if not o.missing
    )
    return StudyResult((_table(outcomes), _by_stage(outcomes)), figures, (*notes, *_notes(request, outcomes)))


def _phases(outcome: Outcome) -> list[tuple[int, float]]:
    """(phase, highest validation accuracy in it)."""
    found: dict[int, float] = {}
    for row in outcome.history:
        if "phase" in row and "val/accuracy" in row:
            phase = int(row["phase"])
            found[phase] = max(found.get(phase, 0.0), row["val/accuracy"])
    return sorted(found.items())


def _table(outcomes: dict[tuple[str, str], Outcome]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for (title, start), o in outcomes.items():
        if o.missing:
            rows.append((title, start, o.missing, None, None, None))
            continue
        by_phase = _phases(o)
        best = max(by_phase, key=lambda item: item[1])[0]
        first, last = per_cent(by_phase[0][1]), per_cent(by_phase[-1][1])
        rows.append((title, start, first, last, f"{best} of {len(by_phase)}", per_cent(o.test_accuracy)))
    return Table(
        "Figure 4.6: validation accuracy while layers are opened",
        ("schedule", "start", "head only", "all layers", "best phase", "test"),
        tuple(rows),
        "The thesis prints curves only: in all of them the highest accuracy came when the whole network was open.",
    )


def _by_stage(outcomes: dict[tuple[str, str], Outcome]) -> Table:
    """Accuracy by the layer that was opened last."""
    rows = []
    for (title, start), o in outcomes.items():
        name = next(backbone_name for text, backbone_name, _ in SUBPLOTS if text == title)
        stages = stage_names(name)
        rows += [(title, start, stages[phase - 1], per_cent(value)) for phase, value in _phases(o)]
    return Table(
        "Validation accuracy by the layer opened last", ("schedule", "start", "opened", "validation"), tuple(rows)
    )


def _notes(request: StudyRequest, outcomes: dict[tuple[str, str], Outcome]) -> tuple[str, ...]:
    ran = [(key, _phases(o)) for key, o in outcomes.items() if not o.missing]
    open_best = sum(by_phase[-1][1] >= by_phase[0][1] for _, by_phase in ran)
    said = [
        f"With all layers open the accuracy is at least that of the head alone in {open_best} of {len(ran)} runs; in "
        "the thesis in all of them."
    ]
    if request.quick:
        said.append(
            f"Quick size: pictures of 64 x 64, a third of the augmentation, {_QUICK_FRAMES['mobilenet']} frames "
            f"(VGG16 {_QUICK_FRAMES['vgg16']}), {_QUICK_EPOCHS} epoch a phase, the learning rates of the thesis times "
            f"{_QUICK_FACTOR['mobilenet']:g} (VGG16 {_QUICK_FACTOR['vgg16']:g}). From random weights little "
            "can be learnt before most layers are open: the frozen ones say nothing."
        )
    return tuple(said)
