"""What the report shows of a view: frames with their labels, probability over time, and that of every label."""

from __future__ import annotations

import numpy as np

from sonometry.applications.view.config import ViewConfig
from sonometry.applications.view.prepare import clip_box, keep_sector, spread
from sonometry.core.application import Findings
from sonometry.core.cine import Cine
from sonometry.core.echo_views import NONE, EchoView
from sonometry.core.report import Figure
from sonometry.plots import views as plots
from sonometry.plots.style import png

#: Frames that are drawn.
DRAWN = 4


def figures(recording: Cine, findings: Findings, config: ViewConfig) -> tuple[Figure, ...]:
    """Figures of a measurement; only the first frame where nothing was classified."""
    if "frame_probabilities" not in findings.fields:
        drawn = plots.labelled_frames([recording.frame(0)], ["frame 0"])
        return (Figure("frames", "First frame", "As recorded; it was not classified.", png(drawn)),)
    probabilities = _with_none(findings)
    found = [_frames(recording, probabilities), _labels(findings, probabilities)]
    if recording.n_frames > 1:
        found.insert(1, _over_time(recording, probabilities))
    return tuple(found)


def _with_none(findings: Findings) -> np.ndarray:
    """(T, 9) probabilities with that of none last."""
    fields = findings.fields
    return np.concatenate([fields["frame_probabilities"], fields["none_probability"][:, None]], axis=1)


def _names() -> list[str]:
    return [*(view.value for view in EchoView), NONE.lower()]


def _frames(recording: Cine, probabilities: np.ndarray) -> Figure:
    """A few frames, cut as the network saw them, each with its own label."""
    box, names = clip_box(recording), _names()
    pictures, titles = [], []
    for i in spread(recording.n_frames, DRAWN):
        best = int(probabilities[i].argmax())
        pictures.append(box.cut(keep_sector(recording.frame(int(i)), recording.sector)))
        titles.append(f"{names[best]} {100 * probabilities[i, best]:.0f} %  (frame {i})")
    caption = "Frames cut to the part that was classified, each with its most probable label and its probability."
    return Figure("frames", "Frames", caption, png(plots.labelled_frames(pictures, titles)))


def _over_time(recording: Cine, probabilities: np.ndarray) -> Figure:
    """The leading labels frame by frame."""
    x, label = np.arange(recording.n_frames, dtype=float), "Frame"
    if recording.is_timed:
        x, label = recording.frame_times_s - recording.frame_times_s[0], "Time (s)"
    drawn = plots.probabilities_over_time(x, probabilities, _names(), label)
    caption = "Calibrated probability of the labels that lead in any frame; the others are left out."
    return Figure("probabilities", "Probability over time", caption, png(drawn))


def _labels(findings: Findings, probabilities: np.ndarray) -> Figure:
    """Mean probability of every label over the frames, with its range."""
    named = next((m.value for m in findings.measurements if m.name == "view"), None)
    drawn = plots.label_bars(probabilities, _names(), highlighted=named if isinstance(named, str) else None)
    said = f"The clip is named {named}." if named else "The clip is not named; see the reason."
    caption = f"Mean over the frames, with the range from the 10th to the 90th percentile of frames. {said}"
    return Figure("labels", "Probability of every label", caption, png(drawn))
