"""What can be marked: views, phases of the beat, contours; with the words, keys and colours that the page shows.

A structure's name is what stands in `Annotation.structure` and in exports.
"""

from __future__ import annotations

from dataclasses import dataclass

from sonometry.core.echo_views import NONE, EchoView

#: Structures that are no contour.
VIEW, PHASE, UNUSABLE, DONE, SCORE = "view", "phase", "unusable", "done", "score"
#: A clip that shows none of the eight views, as manifests call it.
NO_VIEW = NONE
PHASES = ("ED", "ES")
#: Why a clip cannot be used; a choice and no free text, so that no name can be typed.
UNUSABLE_REASONS = ("poor image", "wrong organ", "colour or Doppler", "names in the picture", "damaged", "other")


@dataclass(frozen=True)
class ViewChoice:
    """A view and the key that labels it."""

    name: str
    title: str
    key: str


@dataclass(frozen=True)
class ContourStructure:
    """A line that can be drawn. is_closed : whether it runs back to its first point; an open one is closed by the
    straight line between its ends when an area is wanted, as the mitral plane closes the ventricle."""

    name: str
    title: str
    colour: str
    is_closed: bool


VIEWS = (
    *(ViewChoice(view, view.words.capitalize(), str(number)) for number, view in enumerate(EchoView, 1)),
    ViewChoice(NO_VIEW, "None of these views", "0"),
)
CONTOURS = (
    ContourStructure("lv_endocardium", "LV endocardium", "#ff6b6b", False),
    ContourStructure("lv_epicardium", "LV epicardium", "#ffd166", False),
    ContourStructure("left_atrium", "Left atrium", "#5cc8ff", True),
    ContourStructure("muscle_boundary", "Muscle boundary", "#7ee081", True),
    ContourStructure("tendon_region", "Tendon region", "#d59bff", True),
)


def contour_structure(name: str) -> ContourStructure | None:
    """The contour called `name`, or None."""
    return next((one for one in CONTOURS if one.name == name), None)
