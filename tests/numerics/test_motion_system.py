"""The global motion system: against a dense solve, and its preconditioner against what makes it slow."""

import numpy as np
import pytest

from sonometry.numerics.motion_system import MotionSystem, apply, solve


def random_system(rng, shape, axial=(4.0, 1.0), lateral=(9.0, 2.0)):
    gradients = rng.normal(size=(2, *shape)).astype(np.float32)
    data = np.stack([gradients[0] ** 2, gradients[0] * gradients[1], gradients[1] ** 2])
    return MotionSystem(data, rng.normal(size=(2, *shape)).astype(np.float32), axial, lateral)


def dense(system):
    shape = system.right_side.shape
    columns = np.eye(int(np.prod(shape)), dtype=np.float32)
    return np.stack([apply(system, column.reshape(shape)).ravel() for column in columns], axis=1)


@pytest.mark.parametrize("shape", [(20, 15), (20, 2), (3, 16)])
def test_solution_equals_that_of_a_dense_solver(rng, shape):
    system = random_system(rng, shape)
    exact = np.linalg.solve(dense(system).astype(float), system.right_side.ravel().astype(float))
    found = solve(system, tolerance=1e-6, max_iterations=100)
    # float32 arithmetic, condition number of about 1e3.
    np.testing.assert_allclose(found.update.ravel(), exact, atol=1e-4 * np.abs(exact).max())


def test_matrix_is_symmetric_and_positive_definite(rng):
    matrix = dense(random_system(rng, (12, 9)))
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_strong_coupling_across_lines_costs_few_iterations(rng):
    # Without the coarser grids of the preconditioner this takes more than 150 iterations.
    system = random_system(rng, (300, 96), axial=(5.0, 5.0), lateral=(50.0, 50.0))
    found = solve(system, tolerance=1e-3, max_iterations=50)
    assert found.n_iterations <= 8
    assert found.relative_residual <= 1e-3


def test_zero_right_side_gives_zero_at_once(rng):
    system = random_system(rng, (10, 8))
    still = MotionSystem(system.data, np.zeros_like(system.right_side), system.axial_weights, system.lateral_weights)
    found = solve(still)
    assert found.n_iterations == 0
    assert not found.update.any()


def test_smoothness_without_weight_is_refused(rng):
    system = random_system(rng, (10, 8))
    with pytest.raises(ValueError, match="smoothness weights must be positive"):
        MotionSystem(system.data, system.right_side, (0.0, 1.0), (1.0, 1.0))


def test_shapes_that_do_not_belong_together_are_refused(rng):
    system = random_system(rng, (10, 8))
    with pytest.raises(ValueError, match=r"expected \(3, n, m\) and \(2, n, m\)"):
        MotionSystem(system.data, system.right_side[:, 1:], (1.0, 1.0), (1.0, 1.0))
