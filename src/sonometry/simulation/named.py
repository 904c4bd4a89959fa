"""Simulations by name that need no application: what `sonometry simulate` offers beside those of the applications.

An application of the same name names the same callables and takes the place of its entry.
"""

from __future__ import annotations

from sonometry.core.simulation import Simulation

_HEART = "sonometry.simulation.phantoms.heart"

SIMULATIONS: dict[str, Simulation] = {
    one.name: one
    for one in (
        Simulation(
            "view",
            "Echocardiographic view",
            "1.0.0",
            simulate=f"{_HEART}:simulate_view",
            simulation_config=f"{_HEART}:ViewSimulation",
            cohort=f"{_HEART}:view_cohort",
        ),
        Simulation(
            "strain",
            "Left ventricular strain",
            "1.0.0",
            simulate=f"{_HEART}:simulate_strain",
            simulation_config=f"{_HEART}:StrainSimulation",
            cohort=f"{_HEART}:strain_cohort",
        ),
    )
}
