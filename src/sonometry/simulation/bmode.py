"""RF to B-mode: time gain, envelope, log compression, scan conversion to square pixels."""

from __future__ import annotations

import numpy as np

from sonometry.core import Cine, Geometry, RFFrames, Source
from sonometry.numerics.analytic import envelope, log_compress
from sonometry.numerics.resample import Picture, scan_convert

#: Times given to frames of a recording without timing; the cine says that it is not timed.
NOMINAL_RATE_HZ = 30.0


def bmode_lines(rf: RFFrames, *, dynamic_range_db: float = 60.0, tgc_db_m: float = 0.0) -> np.ndarray:
    """Grey values 0-1 on the beam lines, float32 (T, axial, line).

    dynamic_range_db : from black to white; white is the 99.9th percentile over all frames, so that a lone bright
        scatterer does not darken the picture and frames stay comparable.
    tgc_db_m : time gain per metre of depth, dB/m (attenuation 0.5 dB/cm/MHz at 6 MHz, there and back: 600 dB/m).
    """
    gain = 10 ** (tgc_db_m * rf.depth_m / 20)
    amplitude = envelope(rf.samples, axis=1) * gain[None, :, None].astype(np.float32)
    return log_compress(amplitude, dynamic_range_db=dynamic_range_db, reference=float(np.percentile(amplitude, 99.9)))


def bmode_cine(
    rf: RFFrames, *, dynamic_range_db: float = 60.0, tgc_db_m: float = 0.0, pixel_m: float | None = None
) -> Cine:
    """Scan-converted B-mode clip with square, calibrated pixels; uint8, 0 outside the sector.

    pixel_m : pixel size, m; None takes about 500 rows. Other options: see `bmode_lines`.
    """
    grey = bmode_lines(rf, dynamic_range_db=dynamic_range_db, tgc_db_m=tgc_db_m)
    pictures = [picture_of(frame, rf, pixel_m=pixel_m) for frame in grey]
    pixels = np.stack([np.round(255 * np.nan_to_num(picture.pixels)).astype(np.uint8) for picture in pictures])
    first = pictures[0]
    pixel = float(first.lateral_m[1] - first.lateral_m[0])
    times_s = rf.frame_times_s if rf.frame_times_s is not None else np.arange(rf.n_frames) / NOMINAL_RATE_HZ
    return Cine(
        pixels,
        frame_times_s=times_s,
        spacing_m=(pixel, pixel),
        sector=first.inside,
        is_timed=rf.frame_times_s is not None,
        source=Source(name="clip", format=f"B-mode of {rf.source.format} RF"),
    )


def picture_of(values: np.ndarray, rf: RFFrames, *, pixel_m: float | None = None, order: int = 1) -> Picture:
    """Any (axial, line) values on the grid of `rf`, scan-converted. order : 0 for labels, 1 for values."""
    return scan_convert(
        values,
        start_depth_m=rf.start_depth_m,
        axial_step_m=rf.axial_step_m,
        line_pitch_m=rf.line_pitch_m,
        line_angle_rad=rf.line_angle_rad if rf.geometry is Geometry.SECTOR else 0.0,
        probe_radius_m=rf.probe_radius_m,
        pixel_m=pixel_m,
        order=order,
    )
