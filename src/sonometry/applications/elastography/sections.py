"""What the report shows of a strain image: echo, strain over it, displacement, quality, profiles and the sequence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.measure import find_contours

from sonometry.applications.elastography.config import ElastographyConfig
from sonometry.applications.elastography.regions import (
    Comparison,
    found_comparison,
    given_comparison,
    pixel_positions_m,
)
from sonometry.core.application import Findings
from sonometry.core.report import Figure
from sonometry.core.rf import Geometry, RFFrames
from sonometry.numerics.analytic import envelope, log_compress
from sonometry.numerics.resample import Picture, scan_convert
from sonometry.plots import fields as plots
from sonometry.plots.style import LINES, png

DYNAMIC_RANGE_DB = 50.0
#: Half width of the band that a profile is the mean of, m.
BAND_M = 1e-3
#: Most pairs of a sequence that are drawn.
MOST_PAIRS = 12


def figures(recording: RFFrames, findings: Findings, config: ElastographyConfig) -> tuple[Figure, ...]:
    """Figures of a measurement; only the echo where nothing could be tracked."""
    arrays = findings.fields
    if "axial_strain" not in arrays:
        picture = echo_picture(recording, 0)
        drawn = plots.echo_pictures([picture], ["B-mode, frame 0"])
        return (Figure("bmode", "B-mode", "Echo of the first frame; no strain was measured.", png(drawn)),)
    first, second = (int(frame) for frame in arrays["pair_frames"])
    if not _is_measured(findings):
        return _lost(recording, findings, config, (first, second))
    comparison = _comparison(recording, findings, config)
    return (
        _strain(recording, findings, comparison, (first, second)),
        _displacement(recording, findings, (first, second)),
        _quality(recording, findings, config),
        _profiles(recording, findings, comparison),
        *_sequence(recording, findings),
    )


def _is_measured(findings: Findings) -> bool:
    """Whether the strain of the pair was given and not withheld."""
    return any(m.name == "mean_axial_strain" and m.value is not None for m in findings.measurements)


def echo_picture(recording: RFFrames, frame: int) -> Picture:
    """B-mode of one frame: envelope, log compression over 50 dB below the 99.9th percentile, scan conversion."""
    amplitude = envelope(recording.samples[frame])
    reference = float(np.percentile(amplitude, 99.9))
    grey = log_compress(amplitude, dynamic_range_db=DYNAMIC_RANGE_DB, reference=reference)
    return on_picture(recording, grey)


def on_picture(recording: RFFrames, image: np.ndarray, *, order: int = 1) -> Picture:
    """An (axial, line) image on square pixels, a sector in its true shape."""
    is_sector = recording.geometry is Geometry.SECTOR
    return scan_convert(
        image,
        start_depth_m=recording.start_depth_m,
        axial_step_m=recording.axial_step_m,
        line_pitch_m=recording.line_pitch_m,
        line_angle_rad=recording.line_angle_rad if is_sector else 0.0,
        probe_radius_m=recording.probe_radius_m,
        order=order,
    )


def _comparison(recording: RFFrames, findings: Findings, config: ElastographyConfig) -> Comparison | None:
    """The region that was measured, or None."""
    strain, valid = findings.fields["axial_strain"], findings.fields["valid"]
    if not strain.any():
        return None
    if config.region_mm is not None:
        comparison = given_comparison(recording, valid, config.region_mm, config.background_mm)
    else:
        comparison = found_comparison(recording, strain, valid)
    return None if isinstance(comparison, str) else comparison


def _lost(
    recording: RFFrames, findings: Findings, config: ElastographyConfig, pair: tuple[int, int]
) -> tuple[Figure, ...]:
    """Both frames and the quality map of a pair that lost lock: strain would mislead."""
    echoes = plots.echo_pictures([echo_picture(recording, f) for f in pair], [f"B-mode, frame {f}" for f in pair])
    caption = f"Frames {pair[0]} and {pair[1]}, which do not show the same tissue well enough; no strain is shown."
    return (Figure("bmode", "The two frames", caption, png(echoes)), _quality(recording, findings, config))


def _strain(recording: RFFrames, findings: Findings, comparison: Comparison | None, pair: tuple[int, int]) -> Figure:
    arrays = findings.fields
    outlines = []
    if comparison is not None:
        name = "region (found)" if comparison.found else "region"
        outlines.append(plots.Outline((comparison.outline_m,), name, LINES[1]))
        outlines.append(plots.Outline(_borders(recording, comparison.regions.background), "background", "white", True))
    drawn = plots.strain_over_echo(
        echo_picture(recording, pair[0]),
        on_picture(recording, arrays["axial_strain"]),
        on_picture(recording, np.where(arrays["valid"], arrays["quality"], 0.0).astype(np.float32)),
        outlines=outlines,
        note=f"frames {pair[0]} to {pair[1]}",
    )
    caption = (
        f"Left: B-mode of frame {pair[0]} ({DYNAMIC_RANGE_DB:.0f} dB). Right: axial strain from frame {pair[0]} to "
        f"frame {pair[1]} over it. Strain fades where the quality falls, and is absent where the pair lost lock. "
        "Soft tissue strains more than stiff tissue around it."
    )
    return Figure("strain", "Axial strain", caption, png(drawn))


def _borders(recording: RFFrames, mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Borders of the larger parts of a mask (axial, line), each (N, 2) depth, lateral."""
    picture = on_picture(recording, mask.astype(np.float32), order=0)
    smooth = gaussian_filter(np.nan_to_num(picture.pixels), 2.0)
    step_m = float(picture.depth_m[1] - picture.depth_m[0])
    origin_m = np.array([picture.depth_m[0], picture.lateral_m[0]])
    contours = find_contours(np.pad(smooth, 1), 0.5)
    return tuple((c - 1) * step_m + origin_m for c in contours if np.ptp(c, axis=0).max() * step_m > 1e-3)


def _displacement(recording: RFFrames, findings: Findings, pair: tuple[int, int]) -> Figure:
    arrays = findings.fields
    axial, lateral = (on_picture(recording, arrays[f"{name}_displacement_m"]) for name in ("axial", "lateral"))
    valid = on_picture(recording, arrays["valid"].astype(np.float32), order=0)
    caption = (
        f"Motion of the tissue from frame {pair[0]} to frame {pair[1]}, on the grid of the former; pale where the pair "
        "lost lock. Lateral motion is known an order of magnitude less precisely than axial motion."
    )
    return Figure("displacement", "Displacement", caption, png(plots.displacement_pictures(axial, lateral, valid)))


def _quality(recording: RFFrames, findings: Findings, config: ElastographyConfig) -> Figure:
    arrays = findings.fields
    drawn = plots.quality_picture(
        on_picture(recording, arrays["quality"]),
        threshold=config.quality_threshold,
        valid_share=next((m.value for m in findings.measurements if m.name == "valid_share"), 0.0),
    )
    caption = (
        "Correlation of the two frames after motion compensation: 1 where they show the same tissue, 0 where they have "
        f"nothing in common. Below {config.quality_threshold:g} (line) a pixel is not valid."
    )
    return Figure("quality", "Quality", caption, png(drawn))


def _profiles(recording: RFFrames, findings: Findings, comparison: Comparison | None) -> Figure:
    """Strain along depth and along the lateral direction, through the region or the middle."""
    depth, _ = pixel_positions_m(recording)
    outline = None if comparison is None else comparison.outline_m
    if outline is None:
        centre = 0.5 * (float(depth.min()) + float(depth.max())), 0.0
    else:
        centre = float(outline[:, 0].mean()), float(outline[:, 1].mean())
    spans = (None, None) if outline is None else tuple((c.min(), c.max()) for c in outline.T)
    picture = _valid_picture(recording, findings.fields["axial_strain"], findings.fields["valid"])
    rows = np.abs(picture.depth_m - centre[0]) <= BAND_M
    columns = np.abs(picture.lateral_m - centre[1]) <= BAND_M
    drawn = plots.strain_profiles(
        [
            _profile(picture.depth_m, picture.pixels[:, columns].T, "Along depth", "Depth (mm)", spans[0]),
            _profile(picture.lateral_m, picture.pixels[rows], "Across", "Lateral (mm)", spans[1]),
        ]
    )
    caption = (
        f"Axial strain through the point {1e3 * centre[0]:.1f} mm deep and {1e3 * centre[1]:+.1f} mm beside the "
        "middle: mean and standard deviation over a band of 2 mm; gaps where the pair lost lock."
    )
    return Figure("profile", "Strain along two lines", caption, png(drawn))


def _valid_picture(recording: RFFrames, image: np.ndarray, valid: np.ndarray) -> Picture:
    """An image on square pixels, NaN where it is not valid."""
    picture = on_picture(recording, image)
    known = on_picture(recording, valid.astype(np.float32), order=0).pixels > 0.5
    return replace(picture, pixels=np.where(known, picture.pixels, np.nan))


def _profile(
    position_m: np.ndarray, band: np.ndarray, title: str, label: str, span_m: tuple[float, float] | None
) -> plots.Profile:
    """Mean and standard deviation of a band (across, along), NaN where less than half of it is known."""
    known = np.isfinite(band)
    n = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, band, 0.0).astype(np.float64)
    mean = values.sum(axis=0) / n
    sd = np.sqrt(np.maximum((values**2).sum(axis=0) / n - mean**2, 0.0))
    enough = known.sum(axis=0) >= 0.5 * len(band)
    return plots.Profile(position_m, np.where(enough, mean, np.nan), np.where(enough, sd, np.nan), title, label, span_m)


def _sequence(recording: RFFrames, findings: Findings) -> tuple[Figure, ...]:
    """The strain of every pair of a sequence, if there is one."""
    strains = findings.fields.get("axial_strain_sequence")
    if strains is None or not np.isfinite(strains).any():
        return ()
    pairs = findings.fields["sequence_pairs"][:MOST_PAIRS]
    drawn = plots.strain_sequence(
        [_valid_picture(recording, np.nan_to_num(s), np.isfinite(s)) for s in strains[:MOST_PAIRS]],
        [f"{first} to {second}" for first, second in pairs],
    )
    more = f" The first {MOST_PAIRS} of {len(strains)} pairs are drawn." if len(strains) > MOST_PAIRS else ""
    caption = (
        f"Axial strain of the pairs that lead through the sequence, by their frames; blank where lock was lost.{more}"
    )
    return (Figure("sequence", "Strain through the sequence", caption, png(drawn)),)
