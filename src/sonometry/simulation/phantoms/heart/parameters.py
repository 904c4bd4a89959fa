"""What describes one heart, in the words and numbers of the clinic, and how these numbers are spread over people.

Sources of the distributions:
chamber sizes, wall thickness, ejection fraction, right heart: Lang et al. 2015, doi:10.1016/j.echo.2014.10.003;
the 17 segments: Cerqueira et al. 2002, doi:10.1161/hc0402.102975;
rotation of base and apex: Kim et al. 2007, doi:10.1016/j.echo.2006.07.007, and in disease
Phillips et al. 2012, doi:10.1186/1471-2261-12-46.
Widths are wider than one clinic's: the heart is drawn to train networks, not to describe a population.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from sonometry.core.errors import DataError

N_SEGMENTS = 17

#: Names of the AHA segments 1 to 17 in their order.
SEGMENT_NAMES = (
    "basal anterior",
    "basal anteroseptal",
    "basal inferoseptal",
    "basal inferior",
    "basal inferolateral",
    "basal anterolateral",
    "mid anterior",
    "mid anteroseptal",
    "mid inferoseptal",
    "mid inferior",
    "mid inferolateral",
    "mid anterolateral",
    "apical anterior",
    "apical septal",
    "apical inferior",
    "apical lateral",
    "apex",
)


class Condition(StrEnum):
    """Which distribution the parameters are drawn from."""

    HEALTHY = "healthy"
    DILATED = "dilated"
    HYPERTROPHIC = "hypertrophic"
    INFARCTED = "infarcted"


#: Segments (numbers 1 to 17) that an occlusion of each coronary artery takes, Cerqueira et al. 2002.
TERRITORIES = {
    "left anterior descending": (1, 2, 7, 8, 13, 14, 17),
    "right": (3, 4, 9, 10, 15),
    "left circumflex": (5, 6, 11, 12, 16),
}

#: How often each artery of `TERRITORIES` is the occluded one.
_OCCLUDED = (0.5, 0.28, 0.22)

#: Allowed range of every number, wide enough for any living adult.
_RANGES: dict[str, tuple[float, float]] = {
    "end_diastolic_volume_m3": (30e-6, 450e-6),
    "sphericity": (0.35, 0.9),
    "wall_thickness_m": (4e-3, 25e-3),
    "septal_thickness_ratio": (0.6, 2.5),
    "apical_thickness_ratio": (0.3, 1.5),
    "ejection_fraction": (0.08, 0.82),
    "global_longitudinal_strain": (-0.30, -0.01),
    "heart_rate_hz": (0.55, 3.0),
    "twist_rad": (-0.1, 0.6),
    "early_filling_share": (0.25, 0.95),
    "left_atrial_scale": (0.6, 2.0),
    "right_heart_scale": (0.5, 2.6),
    "right_ejection_fraction": (0.15, 0.75),
    "aortic_root_scale": (0.7, 1.6),
    "chest_wall_m": (5e-3, 50e-3),
    "rr_variation": (0.0, 0.4),
}


#: Share of hearts of every condition whose right side is enlarged by itself, by how much, and the largest of all.
_RIGHT_LOADED, _RIGHT_LOAD, _LARGEST_RIGHT = 0.24, (1.15, 1.75), 1.75
#: The same of a small right side, or one cut near its edge: it is a slit beside the septum.
_RIGHT_SMALL, _RIGHT_SMALLNESS = 0.2, (0.6, 0.9)
#: The same of the left atrium (valve disease, fibrillation) and of the aortic root.
_ATRIUM_LOADED, _ATRIUM_LOAD, _LARGEST_ATRIUM = 0.12, (1.15, 1.5), 1.9
_ROOT_WIDENED, _ROOT_WIDENING, _LARGEST_ROOT = 0.12, (1.15, 1.45), 1.6
#: A ventricle beside a right one that is enlarged this much may be this small a share of what it would be.
_UNDERFILLED_FROM, _LEAST_FILLED = 1.25, 0.62


@dataclass(frozen=True)
class HeartParameters:
    """One heart; every length is at end-diastole.

    end_diastolic_volume_m3 : of the left ventricular cavity, papillary muscles and trabeculae counted as cavity.
    sphericity : largest inner diameter over inner length of the left ventricle.
    wall_thickness_m : mean over the circumference at the widest level.
    septal_thickness_ratio : septal over lateral thickness; apical_thickness_ratio : apex over mean thickness.
    ejection_fraction : fraction. global_longitudinal_strain : negative fraction, mid-wall, mean of the meridians in
        the three apical planes, at end-systole.
    segment_function : contraction of the 17 segments relative to a normal one; 1 normal, 0 akinetic, negative
        bulges out. It redistributes the global values, which stay as prescribed.
    twist_rad : end-systolic rotation of the apex relative to the base, counter-clockwise seen from the apex.
    early_filling_share : part of the stroke volume that enters before the atrial kick.
    left_atrial_scale, right_heart_scale, aortic_root_scale : linear size relative to the normal one.
    chest_wall_m : skin to heart. rr_variation : coefficient of variation of the beat length.
    shape_seed : draws the individual traits that have no clinical name.
    """

    end_diastolic_volume_m3: float = 105e-6
    sphericity: float = 0.53
    wall_thickness_m: float = 9e-3
    septal_thickness_ratio: float = 1.05
    apical_thickness_ratio: float = 0.7
    ejection_fraction: float = 0.62
    global_longitudinal_strain: float = -0.20
    segment_function: tuple[float, ...] = field(default=(1.0,) * N_SEGMENTS)
    heart_rate_hz: float = 1.15
    twist_rad: float = math.radians(13.0)
    early_filling_share: float = 0.7
    left_atrial_scale: float = 1.0
    right_heart_scale: float = 1.0
    right_ejection_fraction: float = 0.55
    aortic_root_scale: float = 1.0
    chest_wall_m: float = 18e-3
    rr_variation: float = 0.02
    condition: Condition = Condition.HEALTHY
    shape_seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise DataError(f"{name} must lie between {low:g} and {high:g}, got {value:g}")
        function = self.segment_function
        if len(function) != N_SEGMENTS or not all(-0.5 <= f <= 1.5 for f in function):
            raise DataError("segment_function needs 17 numbers between -0.5 and 1.5 (1 normal, 0 akinetic)")
        if sum(function) / N_SEGMENTS < 0.25:
            raise DataError("segment_function leaves too little working muscle to reach the prescribed strain")

    @property
    def is_regional(self) -> bool:
        """Whether segments differ."""
        return len(set(self.segment_function)) > 1

    @property
    def end_systolic_volume_m3(self) -> float:
        return self.end_diastolic_volume_m3 * (1 - self.ejection_fraction)

    @property
    def stroke_volume_m3(self) -> float:
        return self.end_diastolic_volume_m3 * self.ejection_fraction


@dataclass(frozen=True)
class _Spread:
    """Mean and standard deviation, or for the share of a distribution, cut at low and high."""

    mean: float
    sd: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        for _ in range(50):
            value = rng.normal(self.mean, self.sd)
            if self.low <= value <= self.high:
                return float(value)
        return float(np.clip(value, self.low, self.high))


_COMMON = {
    "heart_rate_hz": _Spread(1.17, 0.22, 0.75, 2.0),
    "early_filling_share": _Spread(0.68, 0.12, 0.35, 0.9),
    "apical_thickness_ratio": _Spread(0.7, 0.12, 0.4, 1.1),
    "aortic_root_scale": _Spread(1.0, 0.1, 0.8, 1.35),
    "chest_wall_m": _Spread(18e-3, 6e-3, 8e-3, 38e-3),
    "rr_variation": _Spread(0.02, 0.02, 0.0, 0.08),
}

#: Volume in ml, thickness in mm, twist in degrees, as the sources print them.
_SPREADS: dict[Condition, dict[str, _Spread]] = {
    Condition.HEALTHY: {
        "volume_ml": _Spread(95, 24, 46, 160),
        "sphericity": _Spread(0.53, 0.05, 0.42, 0.66),
        "thickness_mm": _Spread(8.8, 1.3, 6, 12),
        "septal_thickness_ratio": _Spread(1.05, 0.1, 0.85, 1.35),
        "ejection_fraction": _Spread(0.63, 0.05, 0.53, 0.74),
        "strain": _Spread(-0.20, 0.022, -0.26, -0.155),
        "twist_deg": _Spread(13, 4, 5, 22),
        "left_atrial_scale": _Spread(1.0, 0.1, 0.8, 1.3),
        "right_heart_scale": _Spread(1.0, 0.1, 0.75, 1.35),
        "right_ejection_fraction": _Spread(0.57, 0.06, 0.45, 0.7),
    },
    Condition.DILATED: {
        "volume_ml": _Spread(200, 50, 120, 380),
        "sphericity": _Spread(0.66, 0.07, 0.5, 0.85),
        "thickness_mm": _Spread(8.5, 1.3, 5.5, 12),
        "septal_thickness_ratio": _Spread(1.0, 0.12, 0.75, 1.35),
        "ejection_fraction": _Spread(0.30, 0.09, 0.12, 0.48),
        "strain": _Spread(-0.085, 0.03, -0.15, -0.03),
        "twist_deg": _Spread(5, 4, -3, 13),
        "left_atrial_scale": _Spread(1.25, 0.17, 0.9, 1.7),
        "right_heart_scale": _Spread(1.1, 0.2, 0.75, 1.7),
        "right_ejection_fraction": _Spread(0.43, 0.1, 0.2, 0.6),
    },
    Condition.HYPERTROPHIC: {
        "volume_ml": _Spread(82, 20, 40, 135),
        "sphericity": _Spread(0.47, 0.05, 0.38, 0.6),
        "thickness_mm": _Spread(13.5, 2.2, 10, 19),
        "septal_thickness_ratio": _Spread(1.45, 0.28, 0.95, 2.2),
        "ejection_fraction": _Spread(0.66, 0.07, 0.5, 0.78),
        "strain": _Spread(-0.145, 0.035, -0.22, -0.07),
        "twist_deg": _Spread(14, 5, 3, 25),
        "left_atrial_scale": _Spread(1.2, 0.15, 0.9, 1.6),
        "right_heart_scale": _Spread(0.95, 0.1, 0.7, 1.25),
        "right_ejection_fraction": _Spread(0.57, 0.07, 0.4, 0.7),
    },
    Condition.INFARCTED: {
        "volume_ml": _Spread(140, 38, 75, 270),
        "sphericity": _Spread(0.58, 0.07, 0.44, 0.8),
        "thickness_mm": _Spread(8.8, 1.3, 6, 12.5),
        "septal_thickness_ratio": _Spread(1.03, 0.12, 0.75, 1.35),
        "ejection_fraction": _Spread(0.43, 0.09, 0.2, 0.6),
        "strain": _Spread(-0.125, 0.03, -0.18, -0.05),
        "twist_deg": _Spread(8, 4, 0, 17),
        "left_atrial_scale": _Spread(1.12, 0.14, 0.85, 1.5),
        "right_heart_scale": _Spread(1.02, 0.13, 0.75, 1.5),
        "right_ejection_fraction": _Spread(0.52, 0.09, 0.25, 0.68),
    },
}


def sample_parameters(rng: np.random.Generator, condition: Condition | None = None) -> HeartParameters:
    """A heart drawn at random.

    condition : which distribution; None draws it (healthy 0.4, each disease 0.2).
    """
    if condition is None:
        condition = Condition(rng.choice([c.value for c in Condition], p=[0.4, 0.2, 0.2, 0.2]))
    drawn = {name: spread.draw(rng) for name, spread in {**_COMMON, **_SPREADS[condition]}.items()}
    function, shape_seed = _draw_function(rng, condition), int(rng.integers(2**31))
    _enlarge(drawn, shape_seed)
    return HeartParameters(
        end_diastolic_volume_m3=drawn.pop("volume_ml") * 1e-6,
        wall_thickness_m=drawn.pop("thickness_mm") * 1e-3,
        global_longitudinal_strain=drawn.pop("strain"),
        twist_rad=math.radians(drawn.pop("twist_deg")),
        segment_function=function,
        condition=condition,
        shape_seed=shape_seed,
        **drawn,
    )


def _enlarge(drawn: dict[str, float], shape_seed: int) -> None:
    """What makes one chamber large by itself: volume or pressure of the right heart (a septal defect, the lung), which
    leaves the left ventricle underfilled; mitral disease and fibrillation; a wide aortic root."""
    rng = np.random.default_rng([shape_seed, 3])
    load = float(rng.uniform(*_RIGHT_LOAD)) if rng.random() < _RIGHT_LOADED else 1.0
    filled = float(rng.uniform(_LEAST_FILLED, 1.0))
    atrium = float(rng.uniform(*_ATRIUM_LOAD)) if rng.random() < _ATRIUM_LOADED else 1.0
    root = float(rng.uniform(*_ROOT_WIDENING)) if rng.random() < _ROOT_WIDENED else 1.0
    drawn["right_heart_scale"] = min(drawn["right_heart_scale"] * load, _LARGEST_RIGHT)
    drawn["left_atrial_scale"] = min(drawn["left_atrial_scale"] * atrium, _LARGEST_ATRIUM)
    drawn["aortic_root_scale"] = min(drawn["aortic_root_scale"] * root, _LARGEST_ROOT)
    if load == 1.0 and rng.random() < _RIGHT_SMALL:
        drawn["right_heart_scale"] = max(drawn["right_heart_scale"] * float(rng.uniform(*_RIGHT_SMALLNESS)), 0.5)
    if load > _UNDERFILLED_FROM:
        drawn["volume_ml"] = max(drawn["volume_ml"] * filled, 34.0)


def _draw_function(rng: np.random.Generator, condition: Condition) -> tuple[float, ...]:
    """Regional function: one territory and its size for an infarct, else only a little unevenness."""
    function = 1 + rng.normal(0, 0.05 if condition is Condition.HEALTHY else 0.1, N_SEGMENTS)
    if condition is Condition.INFARCTED:
        territory = TERRITORIES[str(rng.choice(list(TERRITORIES), p=_OCCLUDED))]
        depth = rng.uniform(0.5, 1.1)
        for number in territory:
            function[number - 1] *= 1 - depth * rng.uniform(0.5, 1.0)
    if condition is Condition.HYPERTROPHIC:
        function[[1, 2, 7, 8]] *= rng.uniform(0.4, 1.0)
    return tuple(float(f) for f in np.clip(function, -0.15, 1.3))
