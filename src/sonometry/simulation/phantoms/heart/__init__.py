"""A beating three-dimensional heart: shape, motion, views and exact truth; see docs/heart."""

from sonometry.simulation.phantoms.heart.cohorts import (
    StrainSimulation,
    ViewSimulation,
    simulate_strain,
    simulate_view,
    strain_cohort,
    view_cohort,
)
from sonometry.simulation.phantoms.heart.others import OtherPicture
from sonometry.simulation.phantoms.heart.parameters import Condition, HeartParameters, sample_parameters
from sonometry.simulation.phantoms.heart.patients import (
    ANYTHING,
    Patient,
    TrainingFrame,
    cohort,
    frames,
    simulate_clip,
    simulate_patient,
)
from sonometry.simulation.phantoms.heart.poses import OtherView, PoseVariation, View
from sonometry.simulation.phantoms.heart.recording import ClipOptions

__all__ = [
    "ANYTHING",
    "ClipOptions",
    "Condition",
    "HeartParameters",
    "OtherPicture",
    "OtherView",
    "Patient",
    "PoseVariation",
    "StrainSimulation",
    "TrainingFrame",
    "View",
    "ViewSimulation",
    "cohort",
    "frames",
    "sample_parameters",
    "simulate_clip",
    "simulate_patient",
    "simulate_strain",
    "simulate_view",
    "strain_cohort",
    "view_cohort",
]
