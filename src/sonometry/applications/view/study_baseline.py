"""Table 4.1 and its text: the small network of Madani with RMSprop and flips, without flips, and with Adam."""

from __future__ import annotations

from sonometry.applications.view.study_clips import study_clips, study_frames
from sonometry.applications.view.study_figures import confusion_figure, curves_figure
from sonometry.applications.view.study_runs import (
    RISE_NOTE,
    Outcome,
    Recipe,
    Runs,
    adam,
    configured,
    per_cent,
    picture_size,
    quick_rise,
)
from sonometry.core.paper_study import StudyRequest, StudyResult, Table

#: Highest validation accuracies of the thesis, figures 4.1 and 4.2.
VARIANTS = {
    "RMSprop, with flips": ("rmsprop", True, "90.7 %"),
    "RMSprop, no flips": ("rmsprop", False, "93.5 %"),
    "Adam, no flips": ("adam", False, "93.7 %"),
}
_QUICK_EPOCHS = 6
#: Table 4.1, of the last variant.
TABLE_4_1 = {
    "Maximum validation accuracy": "93.7 %",
    "Test set accuracy": "91 %",
    "Test set sequence accuracy": "92.7 %",
    "Precision": "89 %",
    "Recall": "88 %",
}


def baseline(request: StudyRequest) -> StudyResult:
    """Three trainings of the small network; everything of table 4.1 for the last."""
    clips, notes = study_clips(request)
    frames = study_frames(request, clips, picture_size("madani", quick=request.quick))
    runs, outcomes = Runs(request, len(VARIANTS)), {}
    for name, (optimiser, has_flips, _) in VARIANTS.items():
        config = configured(
            "madani", quick=request.quick, pretrained=False, flip_horizontal=has_flips, flip_vertical=has_flips
        )
        if request.quick:
            training = adam(1e-3, _QUICK_EPOCHS, batch_size=32, optimiser=optimiser, rise=quick_rise("madani"))
        else:
            training = adam(1e-3, 50, batch_size=64, optimiser=optimiser)
        outcomes[name] = runs.run(
            f"madani-{optimiser}{'-flips' if has_flips else ''}",
            Recipe(config, training), frames.train, frames.validation, frames.test,
        )  # fmt: skip
    last = outcomes["Adam, no flips"]
    return StudyResult(
        (_variants(outcomes), _scores(last)),
        (
            curves_figure({name: o.history for name, o in outcomes.items()}, "Baseline"),
            confusion_figure(last, "Baseline with Adam, no flips"),
        ),
        (*notes, _order_note(outcomes, n_classes=len(clips.class_names)), *_quick_note(request)),
    )


def _variants(outcomes: dict[str, Outcome]) -> Table:
    rows = tuple(
        (name, VARIANTS[name][2], per_cent(o.validation_accuracy), per_cent(o.test_accuracy))
        for name, o in outcomes.items()
    )
    first = next(iter(outcomes.values()))
    return Table(
        "Baseline network by optimiser and flips",
        ("training", "thesis: maximum validation", "here: maximum validation", "here: test"),
        rows,
        f"{first.n_train} training frames, {first.n_parameters / 1e6:.2f} million parameters (thesis: about 4).",
    )


def _scores(outcome: Outcome) -> Table:
    found = (
        outcome.validation_accuracy,
        outcome.test_accuracy,
        outcome.sequence_accuracy,
        outcome.precision,
        outcome.recall,
    )
    rows = tuple(
        (name, thesis, per_cent(value)) for (name, thesis), value in zip(TABLE_4_1.items(), found, strict=True)
    )
    return Table("Table 4.1: baseline with Adam and no flips", ("metric", "thesis", "here"), rows)


def _order_note(outcomes: dict[str, Outcome], *, n_classes: int) -> str:
    """Whether flips hurt and Adam helps, as in the thesis; nothing of it where no training got anywhere."""
    flips, plain, adam_ = (o.validation_accuracy or 0.0 for o in outcomes.values())
    if max(flips, plain, adam_) < 3 / n_classes:
        return (
            f"No training got further than {100 * max(flips, plain, adam_):.0f} % where chance gives "
            f"{100 / n_classes:.0f} %: the order of the rows says nothing. Train longer, or on more recordings."
        )
    said = "as in the thesis" if flips < plain else "other than in the thesis"
    also = "as in the thesis" if adam_ >= plain else "other than in the thesis"
    return (
        f"Without flips the validation accuracy is {100 * (plain - flips):+.1f} points ({said}: +2.8); with Adam "
        f"{100 * (adam_ - plain):+.1f} points more ({also}: +0.2)."
    )


def _quick_note(request: StudyRequest) -> tuple[str, ...]:
    if not request.quick:
        return ()
    return (
        f"Quick size: {_QUICK_EPOCHS} epochs, a third of the augmentation, and {RISE_NOTE}. Rows a few points apart "
        "are a matter of chance.",
    )
