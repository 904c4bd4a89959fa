"""Quasi-static elastography: displacement and strain images from RF frames before and after a slight compression."""

from sonometry.core.application import Application, Output

_HERE = "sonometry.applications.elastography"

APPLICATION = Application(
    name="elastography",
    title="Quasi-static elastography",
    version="1.0.0",
    accepts=frozenset({"rf"}),
    outputs=(
        Output("mean_axial_strain", "1", "Mean axial strain over the valid pixels (compression negative)", "%"),
        Output("applied_axial_strain", "1", "Applied strain: slope of axial displacement over depth", "%"),
        Output("axial_displacement_minimum", "m", "Smallest axial displacement (1st percentile)", "um"),
        Output("axial_displacement_maximum", "m", "Largest axial displacement (99th percentile)", "um"),
        Output("axial_displacement_range", "m", "Range of axial displacement (1st to 99th percentile)", "um"),
        Output("warped_correlation", "1", "Correlation of the RF after motion compensation (median)"),
        Output("valid_share", "1", "Share of pixels whose motion is trusted", "%"),
        Output("region_strain", "1", "Mean axial strain inside the region", "%"),
        Output("background_strain", "1", "Mean axial strain in the background", "%"),
        Output("strain_ratio", "1", "Strain ratio: background over region"),
        Output("snr_e", "1", "Elastographic signal-to-noise ratio of the background (plain ratio)"),
        Output("cnr_e", "1", "Elastographic contrast-to-noise ratio (plain ratio)"),
        Output("snr_e_db", "dB", "Elastographic signal-to-noise ratio as the paper prints it (--formula paper)"),
        Output("cnr_e_db", "dB", "Elastographic contrast-to-noise ratio as the paper prints it (--formula paper)"),
    ),
    config=f"{_HERE}.config:ElastographyConfig",
    measure=f"{_HERE}.measure:measure",
    simulate=f"{_HERE}.simulate:simulate",
    simulation_config=f"{_HERE}.simulate:SimulationConfig",
    check_truth=f"{_HERE}.truth:check_truth",
    figures=f"{_HERE}.sections:figures",
    studies=f"{_HERE}.studies:studies",
    task=f"{_HERE}.task:task",
    task_config=f"{_HERE}.task_config:TaskConfig",
    package=_HERE,
)
