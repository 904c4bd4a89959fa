"""Spreading of scatterers onto the sample grid: the first half of a non-uniform FFT.

The kernel is the "exponential of semicircle" exp(beta (sqrt(1 - x^2) - 1)) of Barnett et al. 2019,
doi:10.1137/18M120885X, six samples wide. The band of an echo line never exceeds half the sampling rate once it is
demodulated to its middle, so the aliased kernel stays below exp(-6 pi sqrt(1/2)) = -116 dB.
"""

from __future__ import annotations

import math
from functools import cache

import numba
import numpy as np

KERNEL_WIDTH = 6
KERNEL_BETA = 2.3 * KERNEL_WIDTH


def kernel_values(offset_samples: np.ndarray) -> np.ndarray:
    """Kernel at a distance in samples, 0 beyond half its width."""
    position = 2 * offset_samples / KERNEL_WIDTH
    return np.exp(KERNEL_BETA * (np.sqrt(np.maximum(1 - position * position, 0)) - 1)) * (np.abs(position) <= 1)


def kernel_transform(frequency: np.ndarray) -> np.ndarray:
    """Fourier transform of the kernel at frequencies in cycles per sample (Gauss-Legendre, 60 nodes)."""
    nodes, weights = quadrature()
    samples = nodes * KERNEL_WIDTH / 2
    return np.cos(2 * np.pi * np.outer(frequency, samples)) @ (weights * kernel_values(samples) * KERNEL_WIDTH / 2)


@cache
def quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on -1..1."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    return nodes, weights


@numba.njit(nogil=True, cache=True)
def spread(grid, first, kernel, amplitude, coordinate, lines, arc_radius_m, alpha, beta, reach, shares):  # type: ignore[no-untyped-def]
    """Add every scatterer to the lines within its reach.

    grid : (line, node, sample) complex, added to in place. first : (N,) sample of the first kernel value.
    kernel : (N, width). amplitude : (N,) complex. coordinate : (N,) and lines (line,), m or rad.
    arc_radius_m : (N,) distance from the apex, 0 for parallel lines. alpha, beta, reach : (N,) lateral profile.
    shares : (N, node) real factor of each scatterer on each of the grids of a line.
    """
    width, n_nodes = kernel.shape[1], shares.shape[1]
    for line in range(lines.shape[0]):
        for n in range(first.shape[0]):
            difference = coordinate[n] - lines[line]
            if abs(difference) > reach[n]:
                continue
            distance = difference if arc_radius_m[n] == 0 else arc_radius_m[n] * math.sin(difference)
            square = distance * distance
            magnitude = math.exp(-alpha[n] * square)
            turn = beta[n] * square
            weight = amplitude[n] * complex(magnitude * math.cos(turn), -magnitude * math.sin(turn))
            for node in range(n_nodes):
                share = weight * shares[n, node]
                for k in range(width):
                    grid[line, node, first[n] + k] += share * kernel[n, k]
