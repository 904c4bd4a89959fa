"""How bright a cine is: the smallest complete application, as a third party would add it."""

from sonometry.core import Application, Output

APPLICATION = Application(
    name="echo_level",
    title="Echo level",
    version="1.0",
    accepts=frozenset({"cine"}),
    outputs=(
        Output("mean_level", "1", "Mean grey level over tissue and time", "%"),
        Output("bright_area", "m2", "Area brighter than the threshold"),
    ),
    config="echo_level.measure:Config",
    measure="echo_level.measure:measure",
    simulate="echo_level.simulate:simulate",
    simulation_config="echo_level.simulate:Simulation",
    check_truth="echo_level.simulate:check_truth",
    figures="echo_level.figures:figures",
    package="echo_level",
)
