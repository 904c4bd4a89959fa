"""Small-strain elasticity of a rectangular block between two plates.

Bilinear elements on a regular mesh, the volumetric part integrated at one point so that nearly incompressible tissue
(Poisson's ratio 0.495) does not lock. All elements are alike, so one element matrix from scikit-fem, times the modulus
of each element, fills a banded matrix whose layout is made once per mesh; LAPACK's banded Cholesky solves it.
Axes are (depth, lateral). The upper plate is the probe and stands still; the lower one moves.
Source: Hughes 1980, Generalization of selective integration procedures, doi:10.1002/nme.1620150914.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits


@dataclass(frozen=True)
class Plates:
    """How the block is held, and what the lower plate does.

    top_bonded, bottom_bonded : tissue sticks to the plate; otherwise it slides without friction.
    compression : share of its thickness by which the block is compressed (0.01 for 1 %); negative stretches.
    shear : lateral over axial motion of the lower plate; needs both plates bonded.
    plane : "strain" (no motion out of the image plane, a long block) or "stress" (a thin slice free to bulge).
    """

    top_bonded: bool = False
    bottom_bonded: bool = False
    compression: float = 1.0
    shear: float = 0.0
    plane: str = "strain"

    def __post_init__(self) -> None:
        if self.plane not in ("strain", "stress"):
            raise ValueError(f'plane must be "strain" or "stress", got {self.plane!r}')
        if self.shear != 0 and not (self.top_bonded and self.bottom_bonded):
            raise ValueError("shear needs top_bonded and bottom_bonded: a plate that slides cannot shear the block")


def solve_block(
    modulus_pa: np.ndarray, *, depth_m: float, width_m: float, poisson: float, plates: Plates
) -> np.ndarray:
    """Displacement of the nodes of a compressed block.

    modulus_pa : (deep, wide) Young's modulus of every element, positive.
    depth_m, width_m : size of the block.
    poisson : below 0.5.
    Returns (deep + 1, wide + 1, 2) axial and lateral displacement, m; axial positive away from the upper plate.
    Without a bonded plate the middle of the upper edge does not move sideways.
    """
    if not (modulus_pa > 0).all():
        raise ValueError("modulus_pa must be positive everywhere")
    if not 0 <= poisson < 0.5:
        raise ValueError(f"poisson must lie in [0, 0.5), got {poisson}")
    n_deep, n_wide = modulus_pa.shape
    layout = band_layout(n_deep, n_wide)
    element = element_stiffness(depth_m / n_deep, width_m / n_wide, poisson, plates.plane)
    fixed, values = prescribed(n_deep, n_wide, plates, depth_m)
    displacement = np.where(fixed, values, 0.0)
    scale = modulus_pa.mean()
    entries = (modulus_pa.ravel() / scale)[:, None] * element.ravel()
    force = np.zeros(layout.n_unknowns)
    pull = entries.reshape(-1, 8, 8) @ displacement[layout.unknowns][:, :, None]
    np.add.at(force, layout.unknowns.ravel(), -pull.ravel())
    held = fixed[layout.unknowns]
    free = ~(held[:, :, None] | held[:, None, :]).reshape(-1, 64)
    band = np.bincount(
        layout.position[layout.lower], (entries * free)[layout.lower], (layout.width + 1) * layout.n_unknowns
    )
    band = band.reshape(layout.n_unknowns, layout.width + 1).T
    band[0, fixed] = 1.0
    force[fixed] = 0.0
    # The blocks of a banded factorisation are too small for BLAS threads: on a busy machine they wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        displacement += scipy.linalg.solveh_banded(band, force, lower=True, overwrite_ab=True, check_finite=False)
    return layout.to_grid(displacement)


@dataclass(frozen=True, eq=False)
class BandLayout:
    """Where the entries of each element go in the banded matrix of a mesh.

    unknowns : (element, 8) unknown of each corner and direction.
    lower : (element, 64) entries at or below the diagonal.
    position : (element, 64) flat position in the band (unknown-major). width : sub-diagonals.
    """

    shape: tuple[int, int]
    unknowns: np.ndarray
    lower: np.ndarray
    position: np.ndarray
    width: int

    @property
    def n_unknowns(self) -> int:
        return 2 * (self.shape[0] + 1) * (self.shape[1] + 1)

    def to_grid(self, unknowns: np.ndarray) -> np.ndarray:
        """(deep + 1, wide + 1, 2) from the vector of unknowns."""
        return unknowns.reshape(self.n_unknowns // 2, 2)[node_numbers(*self.shape)]


@lru_cache(maxsize=8)
def node_numbers(n_deep: int, n_wide: int) -> np.ndarray:
    """(deep + 1, wide + 1) number of each node, running along the shorter side: this keeps the band narrow."""
    if n_wide <= n_deep:
        return np.arange((n_deep + 1) * (n_wide + 1)).reshape(n_deep + 1, n_wide + 1)
    return np.arange((n_deep + 1) * (n_wide + 1)).reshape(n_wide + 1, n_deep + 1).T


@lru_cache(maxsize=8)
def band_layout(n_deep: int, n_wide: int) -> BandLayout:
    """Layout of the banded matrix; corners in the order of `element_stiffness`."""
    nodes = node_numbers(n_deep, n_wide)
    corners = np.stack([nodes[:-1, :-1], nodes[1:, :-1], nodes[1:, 1:], nodes[:-1, 1:]], axis=-1).reshape(-1, 4)
    unknowns = (2 * corners[:, :, None] + np.arange(2)).reshape(-1, 8)
    row = np.repeat(unknowns, 8, axis=1)
    column = np.tile(unknowns, (1, 8))
    lower = row >= column
    width = int((row - column).max())
    return BandLayout((n_deep, n_wide), unknowns, lower, column * (width + 1) + (row - column), width)


@lru_cache(maxsize=32)
def element_stiffness(height_m: float, width_m: float, poisson: float, plane: str) -> np.ndarray:
    """(8, 8) stiffness of one element of unit modulus; corners (0,0) (h,0) (h,w) (0,w), directions depth, lateral."""
    from skfem import Basis, BilinearForm, ElementQuad1, ElementVector, MeshQuad
    from skfem.helpers import ddot, div, sym_grad

    shear = 1 / (2 * (1 + poisson))
    if plane == "strain":
        lame = poisson / ((1 + poisson) * (1 - 2 * poisson))
    else:
        lame = poisson / (1 - poisson**2)
    corners = np.array([[0, height_m, height_m, 0], [0, 0, width_m, width_m]])
    mesh = MeshQuad(corners, np.array([[0], [1], [2], [3]]))
    element = ElementVector(ElementQuad1())
    distortion = BilinearForm(lambda u, v, w: 2 * shear * ddot(sym_grad(u), sym_grad(v)))
    volume = BilinearForm(lambda u, v, w: lame * div(u) * div(v))
    exact, midpoint = Basis(mesh, element, intorder=3), Basis(mesh, element, intorder=1)
    matrix = distortion.assemble(exact).toarray() + volume.assemble(midpoint).toarray()
    order = exact.nodal_dofs[:, mesh.t[:, 0]].T.ravel()
    # scikit-fem may renumber the corners: bring them back into the documented order.
    where = [int(np.argmin(np.abs(mesh.p[:, mesh.t[:, 0]] - corners[:, [k]]).sum(axis=0))) for k in range(4)]
    order = order.reshape(4, 2)[where].ravel()
    return matrix[np.ix_(order, order)]


def prescribed(n_deep: int, n_wide: int, plates: Plates, depth_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Mask and values of the unknowns that the plates prescribe."""
    nodes = node_numbers(n_deep, n_wide)
    fixed = np.zeros(2 * nodes.size, dtype=bool)
    values = np.zeros(2 * nodes.size)
    fixed[2 * nodes[0]] = fixed[2 * nodes[-1]] = True
    values[2 * nodes[-1]] = -plates.compression * depth_m
    fixed[2 * nodes[0] + 1] = plates.top_bonded
    fixed[2 * nodes[-1] + 1] = plates.bottom_bonded
    values[2 * nodes[-1] + 1] = plates.shear * plates.compression * depth_m
    if not (plates.top_bonded or plates.bottom_bonded):
        fixed[2 * nodes[0, n_wide // 2] + 1] = True
    return fixed, values
