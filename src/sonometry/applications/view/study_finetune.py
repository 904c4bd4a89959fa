"""Table 4.2: NASNet mobile, Inception-v3, VGG16 and MobileNet with all layers trained from the start."""

from __future__ import annotations

from sonometry.applications.view.study_clips import at_most, study_clips, study_frames
from sonometry.applications.view.study_figures import confusion_figure, curves_figure
from sonometry.applications.view.study_runs import (
    Outcome,
    Recipe,
    Runs,
    adam,
    check_ran,
    configured,
    per_cent,
    picture_size,
    title_of,
)
from sonometry.core.paper_study import StudyRequest, StudyResult, Table

#: Table 4.2: maximum validation, test, test by sequence, precision, recall; and epochs of section 4.2.
THESIS = {
    "nasnet_mobile": (("92.1 %", "89 %", "90.2 %", "87 %", "85 %"), 50),
    "inception_v3": (("94.3 %", "91 %", "91.3 %", "90 %", "89 %"), 30),
    "vgg16": (("94.3 %", "90 %", "91.3 %", "89 %", "87 %"), 30),
    "mobilenet": (("93.2 %", "89 %", "89.9 %", "87 %", "86 %"), 30),
}
#: Quick: epochs, learning rate and at most so many frames.
_QUICK = {
    "nasnet_mobile": (3, 1e-3, 960), "inception_v3": (3, 1e-3, 960), "vgg16": (1, 1e-4, 800),
    "mobilenet": (12, 1e-3, 1536),
}  # fmt: skip
COLUMNS = (
    "network", "start", "maximum validation", "thesis", "test", "thesis", "sequences", "thesis", "precision", "thesis",
    "recall", "thesis",
)  # fmt: skip


def finetune(request: StudyRequest) -> StudyResult:
    """Four networks from ImageNet and, as rows of their own, from random weights."""
    clips, notes = study_clips(request)
    runs = Runs(request, 2 * len(THESIS))
    outcomes: dict[tuple[str, str], Outcome] = {}
    for name in THESIS:
        frames = study_frames(request, clips, picture_size(name, quick=request.quick))
        train = at_most(frames.train, _QUICK[name][2]) if request.quick else frames.train
        for start in ("ImageNet", "random"):
            recipe = _recipe(name, start, quick=request.quick)
            outcomes[name, start] = runs.run(f"{name}-{start.lower()}", recipe, train, frames.validation, frames.test)
    check_ran(list(outcomes.values()))
    ran = {key: o for key, o in outcomes.items() if not o.missing}
    best = max(ran, key=lambda key: ran[key].validation_accuracy or 0.0)
    figures = (
        curves_figure({f"{title_of(n)}, {s}": o.history for (n, s), o in ran.items()}, "All layers from the start"),
        confusion_figure(ran[best], f"{title_of(best[0])} from {best[1]} weights"),
    )
    return StudyResult((_table(outcomes),), figures, (*notes, *_notes(request, best)))


def _recipe(name: str, start: str, *, quick: bool) -> Recipe:
    config = configured(name, quick=quick, pretrained=start == "ImageNet")
    if quick:
        epochs, rate, _ = _QUICK[name]
        return Recipe(config, adam(rate, epochs, batch_size=16))
    return Recipe(config, adam(1e-5, THESIS[name][1], batch_size=16 if name == "vgg16" else 64))


def _table(outcomes: dict[tuple[str, str], Outcome]) -> Table:
    rows = []
    for (name, start), o in outcomes.items():
        found = (o.validation_accuracy, o.test_accuracy, o.sequence_accuracy, o.precision, o.recall)
        thesis = THESIS[name][0] if start == "ImageNet" else (None,) * 5
        cells = [cell for pair in zip(map(per_cent, found), thesis, strict=True) for cell in pair]
        if o.missing:
            cells[0] = o.missing
        rows.append((title_of(name), start, *cells))
    return Table("Table 4.2: networks with all layers trained", COLUMNS, tuple(rows), "The thesis has no random start.")


def _notes(request: StudyRequest, best: tuple[str, str]) -> tuple[str, ...]:
    said = [f"Best here: {title_of(best[0])} from {best[1]} weights; in the thesis Inception-v3 by a little."]
    if request.quick:
        said.append(
            "Quick size: pictures of 64 x 64 (Inception-v3 80 x 80), learning rate 1e-3 (VGG16 1e-4) instead of 1e-5 "
            "and 1 to 12 epochs, a third of the augmentation; the networks are far from trained, so their order means "
            "little."
        )
    return tuple(said)
