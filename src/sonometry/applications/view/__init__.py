"""Echo view classification: which of eight standard views a frame or cine shows, or that it shows none of them."""

from sonometry.core.application import Application, Output

_HERE = "sonometry.applications.view"

APPLICATION = Application(
    name="view",
    title="Echo view",
    version="1.0.0",
    accepts=frozenset({"cine"}),
    outputs=(
        Output("view", "1", "Standard view"),
        Output("view_probability", "1", "Calibrated probability of the named view", "%"),
        Output("frame_agreement", "1", "Share of frames that alone give the named view", "%"),
        Output("none_probability", "1", "Probability that it is none of the eight views", "%"),
    ),
    config=f"{_HERE}.config:ViewConfig",
    measure=f"{_HERE}.measure:measure",
    simulate=f"{_HERE}.truth:simulate",
    simulation_config="sonometry.simulation.phantoms.heart.cohorts:ViewSimulation",
    cohort=f"{_HERE}.truth:cohort",
    check_truth=f"{_HERE}.truth:check_truth",
    figures=f"{_HERE}.sections:figures",
    evaluate=f"{_HERE}.evaluate:evaluate",
    studies=f"{_HERE}.studies:studies",
    task=f"{_HERE}.task:task",
    task_config=f"{_HERE}.task_config:TaskConfig",
    package=_HERE,
)
