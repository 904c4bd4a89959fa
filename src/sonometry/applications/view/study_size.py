"""Tables 4.5 and 4.6: accuracy with 25, 10, 5, 1 and 0.1 % of the training frames."""

from __future__ import annotations

from sonometry.applications.view.study_clips import seeded, study_clips, study_frames
from sonometry.applications.view.study_figures import lines_figure
from sonometry.applications.view.study_runs import (
    RISE_NOTE,
    Outcome,
    Recipe,
    Runs,
    adam,
    check_ran,
    configured,
    has_learnt,
    picture_size,
    quick_rise,
    unlearnt_note,
)
from sonometry.core.paper_study import StudyRequest, StudyResult, Table
from sonometry.core.report import Figure
from sonometry.data.sampling import stratified_subsample

SHARES = (0.25, 0.10, 0.05, 0.01, 0.001)
#: Table 4.5.
THESIS_FRAMES = {0.25: 93035, 0.10: 37213, 0.05: 18608, 0.01: 3722, 0.001: 373}
#: Table 4.6: maximum validation / test of MobileNet from ImageNet, from random weights, and of the baseline.
THESIS = {
    0.25: ("92.7 / 89.0 %", "89.3 / 85.0 %", "93.3 / 90.0 %"),
    0.10: ("92.0 / 87.0 %", "87.2 / 81.0 %", "92.8 / 89.0 %"),
    0.05: ("90.0 / 87.0 %", "78.2 / 72.0 %", "92.2 / 88.0 %"),
    0.01: ("89.7 / 85.0 %", "82.8 / 77.0 %", "91.4 / 87.0 %"),
    0.001: ("74.5 / 65.0 %", "39.3 / 34.0 %", "78.5 / 69.0 %"),
}
NETWORKS = (
    ("MobileNet, ImageNet", "mobilenet", True),
    ("MobileNet, random", "mobilenet", False),
    ("baseline", "madani", False),
)
#: Quick: frames seen in each training, whatever the share; the thesis proposes that over a number of epochs.
_QUICK_SAMPLES = {"mobilenet": 2400, "madani": 3200}
_QUICK_BATCH = 16


def size(request: StudyRequest) -> StudyResult:
    """Five shares of every class with three networks; validation and test stay the same."""
    clips, notes = study_clips(request)
    runs = Runs(request, len(SHARES) * len(NETWORKS))
    outcomes: dict[tuple[float, str], Outcome] = {}
    for label, name, is_pretrained in NETWORKS:
        frames = study_frames(request, clips, picture_size(name, quick=request.quick))
        for share in SHARES:
            kept = stratified_subsample(frames.train.labels, share, rng=seeded(round(1000 * share)))
            train = frames.train.chosen(kept)
            recipe = _recipe(name, is_pretrained, share, len(train), quick=request.quick)
            tag = f"{name}{'-imagenet' if is_pretrained else ''}-{100 * share:g}"
            outcomes[share, label] = runs.run(tag, recipe, train, frames.validation, frames.test)
    check_ran(list(outcomes.values()))
    notes = (*notes, *_notes(request, len(clips.class_names), outcomes))
    return StudyResult((_table(outcomes),), (_figure(outcomes),), notes)


def _recipe(name: str, is_pretrained: bool, share: float, n_frames: int, *, quick: bool) -> Recipe:
    config = configured(name, quick=quick, pretrained=is_pretrained)
    if quick:
        epochs = max(1, round(_QUICK_SAMPLES[name] / max(n_frames, _QUICK_BATCH)))
        every = max(1, epochs // 6)
        return Recipe(config, adam(1e-3, epochs, batch_size=_QUICK_BATCH, every=every, rise=quick_rise(name)))
    epochs, every = (500, 10) if share <= 0.01 else (50, 1)
    return Recipe(config, adam(1e-3 if name == "madani" else 1e-5, epochs, batch_size=64, every=every))


def _table(outcomes: dict[tuple[float, str], Outcome]) -> Table:
    rows = []
    for share in SHARES:
        here = [outcomes[share, label] for label, _, _ in NETWORKS]
        cells = [cell for o, thesis in zip(here, THESIS[share], strict=True) for cell in (_pair(o), thesis)]
        n_frames = next((o.n_train for o in here if not o.missing), None)
        rows.append((f"{100 * share:g} %", n_frames, THESIS_FRAMES[share], *cells))
    columns = [column for label, _, _ in NETWORKS for column in (label, "thesis")]
    return Table(
        "Table 4.6: maximum validation / test accuracy by share of the training frames",
        ("share", "frames", "thesis", *columns),
        tuple(rows),
    )


def _pair(outcome: Outcome) -> str:
    if outcome.missing:
        return outcome.missing
    return f"{100 * (outcome.validation_accuracy or 0):.1f} / {100 * (outcome.test_accuracy or 0):.1f} %"


def _figure(outcomes: dict[tuple[float, str], Outcome]) -> Figure:
    curves = {}
    for label, _, _ in NETWORKS:
        found = [outcomes[share, label] for share in SHARES]
        if not any(o.missing for o in found):
            curves[label] = ([o.n_train for o in found], [o.test_accuracy or 0.0 for o in found])
    return lines_figure(curves, "Test accuracy by number of training frames", "Training frames")


def _notes(request: StudyRequest, n_classes: int, outcomes: dict[tuple[float, str], Outcome]) -> tuple[str, ...]:
    said = []
    drops = {}
    for label, _, _ in NETWORKS:
        reached = [outcomes[share, label].test_accuracy for share in SHARES]
        if not outcomes[SHARES[0], label].missing and not has_learnt(reached, n_classes):
            said.append(unlearnt_note(label, reached, n_classes))
            continue
        most, least = outcomes[SHARES[0], label], outcomes[SHARES[-1], label]
        if not most.missing and not least.missing:
            drops[label] = 100 * ((most.test_accuracy or 0) - (least.test_accuracy or 0))
    if drops:
        told = ", ".join(f"{label} {drop:.1f}" for label, drop in drops.items())
        said.append(f"Lost from 25 to 0.1 %, points of test accuracy: {told} (thesis: 24.0, 51.0 and 21.0).")
    best = [max((o.test_accuracy or 0, label) for (s, label), o in outcomes.items() if s == share) for share in SHARES]
    wins = sum(label == "baseline" for _, label in best)
    said.append(f"The baseline is best at {wins} of {len(SHARES)} shares; in the thesis at all of them.")
    if request.quick:
        said.append(
            "Quick size: every training sees the same number of frames (MobileNet 2400 at 64 x 64, baseline 3200) with "
            f"a third of the augmentation, at least one frame of each class is kept, and {RISE_NOTE}."
        )
    return tuple(said)
