"""Table 1, Table 2 and Figure 2 of Wu et al. 2018, from the shipped weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sonometry.applications.elastography import study_figures
from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.displacement import CLASSICAL, weights_digest
from sonometry.applications.elastography.measure import measure
from sonometry.applications.elastography.study_pairs import (
    METHODS,
    QUICK_PAIRS,
    TEST_PAIRS,
    Numbers,
    cached_numbers,
    column,
    mean_and_sd,
    measured,
    numbered,
    numbers_of,
    regions_of,
    test_pair,
    thinned,
)
from sonometry.core.errors import DataError
from sonometry.core.measurement import Measurement, Status
from sonometry.core.paper_study import Cell, StudyRequest, StudyResult, Table
from sonometry.core.report import Figure
from sonometry.core.rf import RFFrames
from sonometry.core.study import Recording
from sonometry.io.read import read

Methods = tuple[tuple[str, ElastographyConfig], ...]

#: Rows of Table 1 as printed: SNRd, displacement RMSE, SNRe, CNRe, strain RMSE (per cent, as inferred).
PAPER_TABLE1: tuple[tuple[Cell, ...], ...] = (
    ("paper: its network", 50, "96.07 ± 8.86", "0.2450", "28.68 ± 6.80", "62.32 ± 10.81", "0.2938"),
    ("paper: AM-Kalman", 50, "104.62 ± 5.33", "0.0852", "15.18 ± 4.16", "31.41 ± 7.17", "0.9783"),
)
#: Rows of Table 2: SNRe and CNRe of its phantom and of its patients.
PAPER_TABLE2: tuple[tuple[Cell, ...], ...] = (
    ("paper: its network, phantom", 42, "30.43 ± 4.03", "43.27 ± 10.71", None, None),
    ("paper: AM-Kalman, phantom", 42, "17.93 ± 3.33", "29.58 ± 7.72", None, None),
    ("paper: its network, patients", 4, "23.26 ± 3.20", "40.35 ± 18.38", None, None),
    ("paper: AM-Kalman, patients", 4, "9.63 ± 12.85", "36.22 ± 24.30", None, None),
)
INFERRED = (
    "The paper's decibels fit 10 ln of the power ratio, its SNRd is printed upside down and its strain RMSE is taken "
    "to be per cent: inferred, not stated there. An SNRe above the truth's own means that the image was smoothed too "
    "much."
)
SIMULATED = (
    "Our pairs follow the paper's protocol (3 x 5 cm, 10,000 scatterers, 25 kPa, inclusions of 8 to 80 kPa, 6 MHz, "
    "40 MHz) with our own simulator, since its data were never published; size and place of the inclusion are ours."
)


def table1(request: StudyRequest) -> StudyResult:
    """Every method on the test pairs, beside the two rows of the paper."""
    n_pairs = QUICK_PAIRS if request.quick else TEST_PAIRS
    found = all_numbers(request, n_pairs)
    ours = tuple(_paper_row(name, values) for name, values in found.items())
    columns = ("method", "pairs", "SNRd, dB", "RMSE, samples", "SNRe, dB", "CNRe, dB", "strain RMSE, %")
    plain = ("method", "pairs", "RMSE, samples", "strain RMSE, 1e-4", "worst pair, 1e-4", "SNRe", "CNRe")
    first = next(iter(found.values()))
    truth = (
        "truth", n_pairs, 0.0, 0.0, 0.0,
        mean_and_sd(column(first, "true_snr_e"), ".3g"), mean_and_sd(column(first, "true_cnr_e"), ".3g"),
    )  # fmt: skip
    rows = tuple(_plain_row(name, values) for name, values in found.items())
    tables = (
        Table(
            "Table 1, as the paper prints it", columns, (*PAPER_TABLE1, *ours), "mean ± standard deviation over pairs"
        ),
        Table("The same pairs in plain numbers", plain, (*rows, truth), "errors over 3 to 47 mm depth and ±14 mm"),
    )
    methods, left_out = able_methods(METHODS, request)
    return StudyResult(tables, study_figures.image_pairs(min(n_pairs, 4), methods), (INFERRED, SIMULATED, *left_out))


def all_numbers(request: StudyRequest, n_pairs: int) -> dict[str, list[Numbers]]:
    """Numbers of every method on every test pair."""
    methods, _ = able_methods(METHODS, request)
    found: dict[str, list[Numbers]] = {name: [] for name, _ in methods}
    for k, pair in numbered(n_pairs):
        for name, config in methods:
            request.progress(k / n_pairs, f"pair {k + 1} of {n_pairs}: {name}")
            path = request.cache / "pairs" / f"{name.replace(' ', '-').replace(',', '')}-{k:02d}.json"
            found[name].append(cached_numbers(path, _numbers(pair, config)))
    return found


def able_methods(methods: Methods, request: StudyRequest) -> tuple[Methods, tuple[str, ...]]:
    """The methods whose weights can be used, with those of the request, and a note on each that is left out.

    Raises DataError when the weights that the request names cannot be used.
    """
    able, notes = [], []
    for name, config in methods:
        config = with_weights(config, request)
        try:
            if config.method not in CLASSICAL:
                weights_digest(config.method, config.weights)
            able.append((name, config))
        except DataError as error:
            if config.weights is not None:
                raise
            notes.append(f"{name} is left out: {error}")
    return tuple(able), tuple(notes)


def with_weights(config: ElastographyConfig, request: StudyRequest) -> ElastographyConfig:
    """The options with the weights of the request, which are those of the method sonometry."""
    return replace(config, weights=request.weights) if config.method == "sonometry" else config


def _numbers(pair: object, config: ElastographyConfig) -> Callable[[], Numbers]:
    return lambda: numbers_of(pair, measured(pair, config))  # type: ignore[arg-type]


def _paper_row(name: str, values: list[Numbers]) -> tuple[Cell, ...]:
    decibels = {key: mean_and_sd(column(values, key)) for key in ("snr_d_db", "snr_e_db", "cnr_e_db")}
    rmse = mean_and_sd(column(values, "displacement_rmse_samples"), ".3g")
    strain = mean_and_sd(100 * column(values, "strain_rmse"), ".3g")
    return (name, len(values), decibels["snr_d_db"], rmse, decibels["snr_e_db"], decibels["cnr_e_db"], strain)


def _plain_row(name: str, values: list[Numbers]) -> tuple[Cell, ...]:
    strain = 1e4 * column(values, "strain_rmse")
    ratios = (mean_and_sd(column(values, key), ".3g") for key in ("snr_e", "cnr_e"))
    rmse = mean_and_sd(column(values, "displacement_rmse_samples"), ".3g")
    return (name, len(values), rmse, mean_and_sd(strain, ".3g"), float(strain.max()), *ratios)


def table2(request: StudyRequest) -> StudyResult:
    """SNRe and CNRe of the user's recordings, each measured as `sonometry measure` does."""
    chosen, left_out = able_methods(METHODS[:3], request)
    recordings = _recordings(request)
    rows: list[tuple[Cell, ...]] = []
    cases: list[tuple[Cell, ...]] = []
    figures: list[Figure] = []
    for name, config in chosen:
        config = replace(config, formula="paper", sequence=False)
        values: list[tuple[float, ...]] = []
        for k, (title, recording) in enumerate(recordings.items()):
            request.progress(k / len(recordings), f"{name}: recording {k + 1} of {len(recordings)}")
            findings = measure(recording, config)
            numbers = {m.name: m for m in findings.measurements}
            cases.append((title, name, *(_told(numbers[key]) for key in _TOLD), _why(numbers["cnr_e"])))
            if numbers["cnr_e"].value is not None:
                values.append(tuple(float(str(numbers[key].value)) for key in _RATIOS))
            figures += study_figures.recording_figure(recording, findings, config, f"{name} {k}", f"{title}: {name}")
        table = np.array(values).reshape(-1, len(_RATIOS))
        shown = [mean_and_sd(table[:, i], ".3g") if len(table) else None for i in range(len(_RATIOS))]
        rows.append((f"{name}, your recordings", len(table), *shown))
    columns = ("method", "cases", "SNRe, dB", "CNRe, dB", "SNRe", "CNRe")
    told = ("recording", "method", "strain, %", "correlation", "SNRe", "CNRe", "remark")
    tables = (
        Table("Table 2", columns, (*PAPER_TABLE2, *rows), "mean ± standard deviation over recordings"),
        Table("Every recording", told, tuple(cases)),
    )
    note = "The paper's phantom and patient data were never published: its rows can only be set beside yours."
    return StudyResult(tables, tuple(figures), (INFERRED, note, *left_out))


def _recordings(request: StudyRequest) -> dict[str, RFFrames]:
    """The user's recordings by what the tables call them; files of one frame in one folder are one sequence."""
    facts: dict[str, Any] = {} if request.facts is None else {"facts": request.facts}
    found: dict[str, RFFrames] = {}
    single: dict[Path, list[Path]] = {}
    for path in request.data:
        recording = _rf(read(path, **facts), path.name)
        if len(recording.samples) == 1:
            single.setdefault(path.parent, []).append(path)
        else:
            found[_free(path.name, found)] = recording
    for paths in single.values():
        title = paths[0].name if len(paths) == 1 else f"{paths[0].name} to {paths[-1].name}"
        found[_free(title, found)] = _rf(read(*paths, **facts), title)
    return found


def _rf(recording: Recording, name: str) -> RFFrames:
    if not isinstance(recording, RFFrames):
        raise DataError(f"{name} holds no RF frames; table2 needs beam-formed RF")
    return recording


def _free(title: str, taken: Mapping[str, RFFrames]) -> str:
    """`title`, numbered where files of several folders are called alike."""
    return title if title not in taken else f"{title} ({len(taken) + 1})"


_RATIOS = ("snr_e_db", "cnr_e_db", "snr_e", "cnr_e")
_TOLD = ("mean_axial_strain", "warped_correlation", "snr_e", "cnr_e")


def _told(measurement: Measurement) -> Cell:
    """A measured value as the table shows it; None where it was withheld."""
    if measurement.value is None:
        return None
    return float(str(measurement.value)) * (100 if measurement.name == "mean_axial_strain" else 1)


def _why(measurement: Measurement) -> str:
    """Reasons of a number that is not ok."""
    return "" if measurement.status is Status.OK else "; ".join(measurement.reasons)


def fig2(request: StudyRequest) -> StudyResult:
    """Bland-Altman and regression of displacement and strain against the truth, pixels of all test pairs."""
    n_pairs = QUICK_PAIRS if request.quick else TEST_PAIRS
    figures: list[Figure] = []
    rows: list[tuple[Cell, ...]] = []
    methods, left_out = able_methods(METHODS[:3], request)
    for name, config in methods:
        pixels: list[np.ndarray] = []
        for k in range(n_pairs):
            request.progress(k / n_pairs, f"{name}: pair {k + 1} of {n_pairs}")
            pair = test_pair(k)
            image = measured(pair, config)
            window = thinned(regions_of(pair)[0], (24, 3))
            fields = (
                image.axial_displacement_m, pair.truth["axial_displacement_m"],
                image.axial_strain, pair.truth["axial_strain"],
            )  # fmt: skip
            pixels.append(np.stack([field[window] for field in fields] + [np.full(np.count_nonzero(window), k)]))
        drawn, row = study_figures.agreement(name, np.concatenate(pixels, axis=1))
        figures += drawn
        rows.append(row)
    columns = (
        "method",
        "pairs",
        "pixels",
        "displacement bias, um",
        "its limits, um",
        "strain bias, %",
        "its limits, %",
    )
    table = Table("Figure 2 in numbers", columns, tuple(rows), "95 % limits of agreement, pairs as groups")
    return StudyResult((table,), tuple(figures), (SIMULATED, *left_out))
