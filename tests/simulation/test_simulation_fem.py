"""Finite elements: closed forms, an independent quadratic solution by scikit-fem, mesh convergence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sonometry.simulation.fem import Plates, solve_block
from sonometry.simulation.phantoms.block import Inclusion, InclusionPhantom

SIZE = {"depth_m": 0.05, "width_m": 0.03}


@pytest.mark.parametrize(("plane", "bulge"), [("strain", 0.495 / 0.505), ("stress", 0.495)])
@pytest.mark.parametrize("shape", [(40, 25), (15, 40)])
def test_uniform_block_between_sliding_plates_strains_uniformly(plane, bulge, shape):
    # Plane strain: lateral = nu / (1 - nu) x axial; plane stress: nu x axial. Exact for bilinear elements.
    plates = Plates(compression=0.02, plane=plane)
    nodal = solve_block(np.full(shape, 25e3), **SIZE, poisson=0.495, plates=plates)
    depth, lateral = np.linspace(0, 0.05, shape[0] + 1), np.linspace(-0.015, 0.015, shape[1] + 1)
    lateral -= lateral[shape[1] // 2]
    np.testing.assert_allclose(nodal[..., 0], np.broadcast_to(-0.02 * depth[:, None], nodal.shape[:2]), atol=1e-13)
    np.testing.assert_allclose(nodal[..., 1], np.broadcast_to(0.02 * bulge * lateral, nodal.shape[:2]), atol=1e-13)


def test_two_layers_share_the_load_by_their_stiffness():
    # Sliding plates, nearly incompressible, lateral motion common to both: far from the sides the axial strains are
    # equal (plane strain), so take a compressible material in plane stress with nu = 0: springs in series.
    modulus = np.full((40, 10), 10e3)
    modulus[20:] = 30e3
    nodal = solve_block(modulus, **SIZE, poisson=0.0, plates=Plates(compression=0.01, plane="stress"))
    strain = np.diff(nodal[:, 5, 0]) / (0.05 / 40)
    np.testing.assert_allclose(strain[:20], -0.015, atol=1e-12)
    np.testing.assert_allclose(strain[20:], -0.005, atol=1e-12)


def inclusion_strain(ratio: float) -> float:
    """Mean strain in a small disc over the applied one."""
    phantom = InclusionPhantom(inclusions=(Inclusion(0.025, 0.0, 0.003, ratio * 25e3),))
    depth, lateral = np.meshgrid(np.linspace(0.024, 0.026, 9), np.linspace(-0.001, 0.001, 9))
    _, gradient = phantom.motion()(np.stack([depth.ravel(), lateral.ravel()], axis=1))
    return -float(gradient[:, 0, 0].mean())


@pytest.mark.parametrize("ratio", [0.32, 3.2])
def test_disc_strains_as_eshelby_says(ratio):
    # Incompressible plane strain, disc in an infinite body: 2 / (1 + ratio). The finite block allows 6 % here.
    assert inclusion_strain(ratio) == pytest.approx(2 / (1 + ratio), rel=0.06)


def test_disc_strain_reaches_its_limits():
    assert inclusion_strain(1e4) == pytest.approx(0, abs=0.01)
    # An empty hole under uniaxial stress: its diameter changes by three times the far strain (Kirsch), which is
    # itself 6 % below the mean strain of the block, since the hole takes a larger share.
    assert inclusion_strain(1e-9) == pytest.approx(3 * 0.94, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("modulus_pa", [8e3, 80e3])
def test_bilinear_160x100_agrees_with_biquadratic_80x50(modulus_pa):
    # Biquadratic elements by scikit-fem alone, no reduced integration. At 1 % compression the axial displacements of a
    # 50 mm block agree to 0.3 um rms (0.016 samples at 40 MHz), and refinement brings ours nearer.
    phantom = InclusionPhantom(inclusions=(Inclusion(0.025, 0.0015, 0.005, modulus_pa),))
    depth, lateral = np.meshgrid(np.linspace(0.001, 0.049, 49), np.linspace(-0.0145, 0.0145, 30))
    points = np.stack([depth.ravel(), lateral.ravel()], axis=1)
    expected = 0.01 * biquadratic(phantom, points)
    errors = [
        np.sqrt(((0.01 * dataclasses.replace(phantom, elements=mesh).motion()(points)[0][:, 0] - expected) ** 2).mean())
        for mesh in ((80, 50), (160, 100), (240, 150))
    ]
    assert errors[1] < 3e-7
    assert errors[0] > 2 * errors[1] > 3 * errors[2]


def biquadratic(phantom: InclusionPhantom, points: np.ndarray) -> np.ndarray:
    """(N,) axial displacement per unit compression, by scikit-fem's own assembly and solver."""
    from skfem import Basis, BilinearForm, ElementQuad2, ElementVector, MeshQuad, condense, solve
    from skfem.helpers import ddot, div, sym_grad

    half = phantom.width_m / 2
    mesh = MeshQuad.init_tensor(np.linspace(0, phantom.depth_m, 81), np.linspace(-half, half, 51))
    basis = Basis(mesh, ElementVector(ElementQuad2()), intorder=4)
    nu = phantom.poisson
    lame, shear = nu / ((1 + nu) * (1 - 2 * nu)), 1 / (2 * (1 + nu))

    @BilinearForm
    def stiffness(u, v, w):
        return phantom.modulus_pa(*w.x) * (2 * shear * ddot(sym_grad(u), sym_grad(v)) + lame * div(u) * div(v))

    top = basis.get_dofs(lambda x: np.isclose(x[0], 0))
    bottom = basis.get_dofs(lambda x: np.isclose(x[0], phantom.depth_m))
    middle = basis.get_dofs(lambda x: np.isclose(x[0], 0) & np.isclose(x[1], 0, atol=1e-3))
    displacement = basis.zeros()
    displacement[bottom.all("u^1")] = -phantom.depth_m
    held = np.concatenate([top.all("u^1"), bottom.all("u^1"), middle.all("u^2")[:1]])
    solution = solve(*condense(stiffness.assemble(basis), x=displacement, D=held))
    return basis.interpolator(solution)(points.T)[0]


def test_bonded_plates_hold_the_tissue_and_shear_it():
    plates = Plates(top_bonded=True, bottom_bonded=True, compression=0.01, shear=0.5)
    nodal = solve_block(np.full((30, 20), 25e3), **SIZE, poisson=0.49, plates=plates)
    np.testing.assert_allclose(nodal[0], 0, atol=1e-15)
    np.testing.assert_allclose(nodal[-1], np.broadcast_to([-0.0005, 0.00025], (21, 2)), atol=1e-15)
    assert nodal[15, 0, 1] < nodal[15, -1, 1]  # it bulges in the middle


def test_solution_does_not_depend_on_the_unit_of_stiffness(rng):
    modulus = rng.uniform(5e3, 50e3, (20, 12))
    a, b = (solve_block(k * modulus, **SIZE, poisson=0.495, plates=Plates()) for k in (1, 1e6))
    np.testing.assert_allclose(a, b, atol=1e-12)


def test_wrong_material_or_plates_are_refused():
    with pytest.raises(ValueError, match="modulus_pa must be positive"):
        solve_block(np.zeros((4, 4)), **SIZE, poisson=0.4, plates=Plates())
    with pytest.raises(ValueError, match=r"poisson must lie in \[0, 0.5\)"):
        solve_block(np.ones((4, 4)), **SIZE, poisson=0.5, plates=Plates())
    with pytest.raises(ValueError, match='plane must be "strain" or "stress"'):
        Plates(plane="both")
    with pytest.raises(ValueError, match="shear needs top_bonded and bottom_bonded"):
        Plates(shear=0.1)
