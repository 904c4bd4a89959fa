"""What speaks against samples being sound RF."""

from __future__ import annotations

import numpy as np

from sonometry.core.rf import RFFrames
from sonometry.io.rf_axes import CARRIER, SHORTEST_AXIS, carrier


def rf_problems(frames: RFFrames) -> tuple[str, ...]:
    """What makes these frames suspicious as RF, one sentence each: for `sonometry info`."""
    samples = frames.samples
    lowest, highest = float(samples.min()), float(samples.max())
    if lowest == highest:
        return ("All samples are equal: nothing can be measured.",)
    problems = []
    if frames.n_frames == 1:
        problems.append("One frame: displacement needs two.")
    constant = [i for i, frame in enumerate(samples) if frame.min() == frame.max()]
    if constant:
        problems.append(f"Constant frames: {', '.join(map(str, constant[:8]))}{' ...' if len(constant) > 8 else ''}.")
    ratio, peak = carrier(
        samples[:, :, :: max(1, samples.shape[2] // 32)].transpose(0, 2, 1).reshape(-1, samples.shape[1])
    )
    peak_hz = peak * frames.sampling_rate_hz
    if lowest >= 0 and ratio > CARRIER:
        problems.append("No negative samples and no carrier: looks like envelope, not RF.")
    elif ratio > CARRIER and samples.shape[1] >= SHORTEST_AXIS:
        problems.append("No carrier along depth: looks like envelope, noise or base-band, not RF.")
    elif not 0.5 < peak_hz / frames.centre_frequency_hz < 1.6:
        problems.append(
            f"The spectrum peaks at {peak_hz / 1e6:.1f} MHz, far from the centre frequency of "
            f"{frames.centre_frequency_hz / 1e6:g} MHz; check --centre-mhz and --sampling-mhz."
        )
    clipped = float(np.mean((samples == lowest) | (samples == highest)))
    if clipped > 1e-3:
        problems.append(f"{clipped:.1%} of the samples have the lowest or highest value: the receiver was saturated.")
    return tuple(problems)
