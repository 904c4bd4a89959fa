"""Strain of a region beside that of its background: strain ratio, SNRe and CNRe."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sonometry.applications.elastography import APPLICATION
from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.regions import Comparison, found_comparison, given_comparison
from sonometry.applications.elastography.strain_image import StrainImage
from sonometry.applications.elastography.uncertainty import (
    Noise,
    around,
    cell_sums,
    mean_strain_error,
    moments,
    ratio_interval,
    resampled,
)
from sonometry.core.measurement import Interval, Measurement, Method, Status
from sonometry.core.rf import RFFrames
from sonometry.evaluation import elastography as formulas

PLAIN = ("region_strain", "background_strain", "strain_ratio", "snr_e", "cnr_e")
PAPER = ("snr_e_db", "cnr_e_db")
FORMULAS = {
    "strain_ratio": "mean background / mean region",
    "snr_e": "|mean| / sd of the background",
    "cnr_e": "sqrt(2 (a - b)^2 / (var a + var b))",
    "snr_e_db": "10 ln(|mean| / sd) of the region, Wu 2018",
    "cnr_e_db": "10 ln(2 (a - b)^2 / (var a + var b)), Wu 2018",
}
FOUND = "the region was found as the strain contrast, not given; name it with --region-mm"
NOT_FINITE = (
    "the strain has no spread there, so the ratio has no finite value",
    "the strain of the region or the background is too close to zero for a ratio",
)


@dataclass(frozen=True)
class _Value:
    name: str
    value: float
    interval: Interval | None


def compare(recording: RFFrames, image: StrainImage, config: ElastographyConfig) -> Comparison | str:
    """Region and background of the options or, without them, of the strain contrast; why there are none."""
    if not image.axial_strain.any():
        return "nothing moved, so no strain stands out"
    if config.region_mm is not None:
        return given_comparison(recording, image.valid, config.region_mm, config.background_mm)
    return found_comparison(recording, image.axial_strain, image.valid)


def contrast_measurements(
    recording: RFFrames, image: StrainImage, noise: Noise, config: ElastographyConfig, method: Method
) -> tuple[tuple[Measurement, ...], tuple[str, ...]]:
    """Measurements of the contrast, withheld where there is no region, and a note on a region that was found."""
    names = PLAIN + (PAPER if config.formula == "paper" else ())
    comparison = compare(recording, image, config)
    if isinstance(comparison, str):
        return tuple(_withheld(name, comparison, method) for name in names), ()
    values = _strains(image, noise, comparison) + _ratios(image, noise, comparison, config.seed)
    reasons = image.verdict.reasons + ((FOUND,) if comparison.found else ())
    notes = (_note(comparison),) if comparison.found else ()
    return tuple(_measurement(v, reasons, method) for v in values if v.name in names), notes


def _note(comparison: Comparison) -> str:
    centre = 1e3 * comparison.outline_m.mean(axis=0)
    return (
        f"A region was found as the strain contrast, centred {centre[0]:.1f} mm deep and {centre[1]:+.1f} mm beside "
        "the middle. Looking for the largest contrast overstates it; name the region with --region-mm to measure it."
    )


def _withheld(name: str, reason: str, method: Method) -> Measurement:
    output = APPLICATION.output(name)
    return Measurement.withheld(name, output.unit, reason, method=method, display=output.display)


def _measurement(value: _Value, reasons: tuple[str, ...], method: Method) -> Measurement:
    """A number with its formula in the name of the method; withheld where it has no finite value."""
    output = APPLICATION.output(value.name)
    formula = FORMULAS.get(value.name)
    named = replace(method, name=f"{method.name}; {formula}") if formula else method
    if not math.isfinite(value.value):
        return _withheld(value.name, NOT_FINITE[value.name == "strain_ratio"], named)
    status = Status.LIMITED if reasons else Status.OK
    return Measurement(value.name, value.value, output.unit, status, named, reasons, value.interval, output.display)


def _strains(image: StrainImage, noise: Noise, comparison: Comparison) -> list[_Value]:
    """Mean strains and their ratio; the ratio only where both are clearly not zero."""
    masks = comparison.regions.inside, comparison.regions.background
    means = [float(image.axial_strain[mask].mean()) for mask in masks]
    errors = [mean_strain_error(mean, noise, mask) for mean, mask in zip(means, masks, strict=True)]
    values = [
        _Value(name, mean, around(mean, error))
        for name, mean, error in zip(("region_strain", "background_strain"), means, errors, strict=True)
    ]
    relative = [error / abs(mean) if mean else math.inf for mean, error in zip(means, errors, strict=True)]
    ratio = formulas.strain_ratio(image.axial_strain, *masks) if means[0] else math.inf
    is_known = ratio > 0 and max(relative) < 0.5
    interval = ratio_interval(ratio, (relative[0], relative[1])) if is_known else None
    return [*values, _Value("strain_ratio", ratio if is_known else math.inf, interval)]


def _ratios(image: StrainImage, noise: Noise, comparison: Comparison, seed: int) -> list[_Value]:
    """SNRe and CNRe, plain and as the paper prints them, with intervals over independent cells."""
    masks = comparison.regions.inside, comparison.regions.background
    inside, background = (cell_sums(image.axial_strain[mask], noise.cells(mask)) for mask in masks)
    strain = image.axial_strain
    return [
        _Value("snr_e", formulas.snr_e(strain, masks[1]), resampled(_snr, (background,), seed)),
        _Value("cnr_e", formulas.cnr_e(strain, *masks), resampled(_cnr, (inside, background), seed)),
        _Value("snr_e_db", formulas.snr_e_paper_db(strain, masks[0]), resampled(_snr_db, (inside,), seed)),
        _Value("cnr_e_db", formulas.cnr_e_paper_db(strain, *masks), resampled(_cnr_db, (inside, background), seed)),
    ]


def _snr(cells: np.ndarray) -> float:
    mean, variance = moments(cells)
    return abs(mean) / math.sqrt(variance) if variance > 0 else math.inf


def _cnr(inside: np.ndarray, background: np.ndarray) -> float:
    (a, var_a), (b, var_b) = moments(inside), moments(background)
    return abs(a - b) * math.sqrt(2 / (var_a + var_b)) if var_a + var_b > 0 else math.inf


def _snr_db(cells: np.ndarray) -> float:
    return 10 * math.log(max(_snr(cells), 1e-30))


def _cnr_db(inside: np.ndarray, background: np.ndarray) -> float:
    return 20 * math.log(max(_cnr(inside, background), 1e-30))
