"""The tables and figures of Wu et al. 2018 as studies: the paper's number and ours side by side."""

from __future__ import annotations

from sonometry.applications.elastography import study_ablation, study_results
from sonometry.core.paper_study import PaperStudy

_SOURCE = "Wu et al. 2018, MICCAI"


def studies() -> tuple[PaperStudy, ...]:
    """Every study of elastography."""
    return (
        PaperStudy("table1", "Displacement and strain on simulated test pairs", _SOURCE, study_results.table1),
        PaperStudy("table2", "Strain on your own RF recordings", _SOURCE, study_results.table2, needs_data=True),
        PaperStudy("table3", "Variants of the displacement network", _SOURCE, study_ablation.table3),
        PaperStudy("table4", "Variants of the strain network", _SOURCE, study_ablation.table4),
        PaperStudy("fig2", "Agreement with the truth over all test pairs", _SOURCE, study_results.fig2),
    )
