"""Terms of the analytic minimisation: derivatives against finite differences, and what the corrections remove."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest

from sonometry.numerics.am2d import linearise, normal_equations, residual_of
from sonometry.numerics.baseband import EchoBand, to_baseband
from sonometry.numerics.line_multigrid import Smoothness, solve_update
from sonometry.numerics.point_spread import PulseModel
from sonometry.numerics.warp import spline_coefficients

CARRIER, SIGMA, BEAM, STEP = 0.94, 0.24, 1.4, 4
BAND = EchoBand(CARRIER, 0.48, SIGMA, STEP)
N_LINES, N_SAMPLES = 32, 600


def model(n_rows: int) -> PulseModel:
    flat = np.ones(n_rows, np.float32)
    return PulseModel(CARRIER, STEP, SIGMA, CARRIER * flat, BEAM**2 * flat)


@cache
def echoes(seed: int, strain: float = 0.0, shear: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """RF (axial, line) of scatterers displaced by strain * depth + shear * line + shift, each a Gaussian pulse."""
    rng = np.random.default_rng(seed)
    depth, line, amplitude = (
        rng.uniform(-50, N_SAMPLES + 50, 1500),
        rng.uniform(-6, N_LINES + 6, 1500),
        rng.normal(size=1500),
    )
    moved = depth * (1 + strain) + shear * (line - N_LINES / 2) + shift[0]
    distance = np.arange(N_SAMPLES)[:, None] - moved
    pulses = np.exp(-0.5 * (distance * SIGMA) ** 2) * np.cos(CARRIER * distance)
    beams = np.exp(-0.5 * ((np.arange(N_LINES)[:, None] - line - shift[1]) / BEAM) ** 2)
    return (pulses @ (amplitude * beams).T).astype(np.float32)


def frames(seed: int, **motion: Any) -> tuple[np.ndarray, np.ndarray]:
    """Spline coefficients of the echoes of the same scatterers before and after a motion."""
    before, after = (spline_coefficients(to_baseband(echoes(seed, **m), BAND)) for m in ({}, motion))
    return before, after


def motion_of(
    shape: tuple[int, int], strain: float = 0.0, shear: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    line, row = np.indices(shape)
    axial = strain * row * STEP + shear * (line - N_LINES / 2) + shift[0]
    return np.stack([axial, np.full(shape, shift[1])]).astype(np.float32)


def left_over(earlier: np.ndarray, later: np.ndarray, motion: dict, share: tuple[float, float]) -> float:
    """Residual at the true motion over the signal, away from the edges."""
    shape = earlier.shape
    still = np.zeros(shape, np.float32)
    frame = linearise(
        earlier, still + motion.get("strain", 0), still + motion.get("shear", 0), model(shape[1]), share=share
    )
    residual = residual_of(frame, later, motion_of(shape, **motion), model(shape[1]))
    inner = np.s_[6:-6, 20:-20]
    return float(np.linalg.norm(residual[inner]) / np.linalg.norm(frame.signal[inner]))


def test_pure_shift_leaves_nothing_over() -> None:
    earlier, later = frames(1, shift=(2.3, 0.6))
    assert left_over(earlier, later, {"shift": (2.3, 0.6)}, (0, 0)) < 0.03  # lateral splines at 1.4 lines


@pytest.mark.parametrize(
    ("motion", "share"), [({"strain": -0.02}, (1, 0)), ({"shear": 0.15}, (0, 1)), ({"strain": 0.03}, (1, 0))]
)
def test_point_spread_correction_removes_most_of_what_exact_motion_leaves(motion: dict, share: tuple) -> None:
    earlier, later = frames(1, **motion)
    assert left_over(earlier, later, motion, share) < 0.4 * left_over(earlier, later, motion, (0, 0))


def test_correction_with_the_wrong_sign_makes_it_worse() -> None:
    earlier, later = frames(1, strain=-0.02)
    plain = left_over(earlier, later, {"strain": -0.02}, (0, 0))
    assert left_over(earlier, later, {"strain": -0.02}, (-1, 0)) > 1.5 * plain


def test_derivatives_are_those_of_finite_differences() -> None:
    earlier, later = frames(1)
    shape = earlier.shape
    still = np.zeros(shape, np.float32)
    frame = linearise(earlier, still, still, model(shape[1]))
    inner = np.s_[4:-4, 10:-10]
    for derivative, step in ((frame.by_axial, (0.05, 0.0)), (frame.by_lateral, (0.0, 0.05))):
        ahead, behind = (
            residual_of(frame, later, motion_of(shape, shift=(sign * step[0], sign * step[1])), model(shape[1]))
            for sign in (1, -1)
        )
        numeric = -(ahead - behind)[inner] / 0.1
        assert np.linalg.norm(numeric - derivative[inner]) < 0.03 * np.linalg.norm(numeric)


def test_one_update_finds_a_small_shift() -> None:
    earlier, later = frames(1, shift=(0.3, 0.1))
    shape = earlier.shape
    still = np.zeros(shape, np.float32)
    motion = np.zeros((2, *shape), np.float32)
    frame = linearise(earlier, still, still, model(shape[1]))
    residual = residual_of(frame, later, motion, model(shape[1]))
    data, right = normal_equations(frame, residual, np.ones(shape, np.float32), freedom=math.inf)
    update = solve_update(data, right, motion, Smoothness.uniform((1e4, 1e4), (1e4, 1e4), shape))
    # One cycle leaves up to a tenth of the error.
    assert np.median(update[0]) == pytest.approx(0.3, abs=0.03)
    assert np.median(update[1]) == pytest.approx(0.1, abs=0.02)


def test_outlying_pixels_weigh_little() -> None:
    earlier, _ = frames(1)
    shape = earlier.shape
    still = np.zeros(shape, np.float32)
    frame = linearise(earlier, still, still, model(shape[1]))
    residual = np.full(shape, 1e-3 + 0j, np.complex64)
    residual[5, 50] = 100
    data, _ = normal_equations(frame, residual, np.ones(shape, np.float32), freedom=4.0)
    plain, _ = normal_equations(frame, residual, np.ones(shape, np.float32), freedom=math.inf)
    assert data[0, 5, 50] < 1e-3 * plain[0, 5, 50]
    np.testing.assert_allclose(np.delete(data[0], 5, 0), np.delete(plain[0], 5, 0), rtol=1e-5)


def test_pixels_that_leave_the_later_frame_do_not_count() -> None:
    earlier, later = frames(1)
    shape = earlier.shape
    still = np.zeros(shape, np.float32)
    frame = linearise(earlier, still, still, model(shape[1]))
    residual = residual_of(frame, later, motion_of(shape, shift=(0, 3)), model(shape[1]))
    data, right = normal_equations(frame, residual, np.ones(shape, np.float32), freedom=4.0)
    assert not residual[-3:].any()
    assert not data[:, -3:].any()
    assert not right[:, -3:].any()
    assert data[0, :-3].all()
