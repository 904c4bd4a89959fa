"""The studies of the echo view thesis (Linköping University, 2019), each runnable on any manifest."""

from __future__ import annotations

from sonometry.applications.view.study_baseline import baseline
from sonometry.applications.view.study_finetune import finetune
from sonometry.applications.view.study_gradual import gradual
from sonometry.applications.view.study_size import size
from sonometry.applications.view.study_vendor import vendor
from sonometry.core.paper_study import PaperStudy

_THESIS = "echo view thesis"


def studies() -> tuple[PaperStudy, ...]:
    """All of them, in the order of the thesis."""
    return (
        PaperStudy(
            "baseline",
            "The small network: optimiser and flips",
            f"{_THESIS}, sections 3.4 and 4.1, table 4.1",
            baseline,
        ),
        PaperStudy("gradual", "Opening layers one after the other", f"{_THESIS}, section 4.2, figure 4.6", gradual),
        PaperStudy("finetune", "Known networks, all layers from the start", f"{_THESIS}, table 4.2", finetune),
        PaperStudy("vendor", "Other makes than those learnt from", f"{_THESIS}, tables 4.3 and 4.4", vendor),
        PaperStudy("size", "Fewer frames to learn from", f"{_THESIS}, tables 4.5 and 4.6", size),
    )
