"""What a user reads on the terminal after a measurement."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonometry.applications import application
from sonometry.cli.progress import shown_progress
from sonometry.cli.summary import print_report
from sonometry.core import InputRecord, Interval, Measurement, Method, Report, Status

METHOD = Method("ruler", "1")


@pytest.fixture
def printed(capsys, third_party):
    def call(*measurements: Measurement) -> list[str]:
        report = Report("echo_level", "1.0", (InputRecord("clip", "cine", "0" * 64),), measurements, (), ("mind",))
        print_report(report, application("echo_level"), Path("out/report.html"))
        return capsys.readouterr().out.splitlines()

    return call


def test_every_number_is_one_line_with_value_interval_and_status(printed):
    lines = printed(
        Measurement("mean_level", 0.4, "1", Status.OK, METHOD, interval=Interval(0.3, 0.5), display="%"),
        Measurement("area", 3e-4, "m2", Status.LIMITED, METHOD, ("near the edge",)),
    )
    assert lines[1] == "  mean_level  40.0 % (95 % interval 30.0 to 50.0), ok"
    assert lines[2] == "  area        3.00 cm², limited: near the edge"
    assert lines[-3:] == ["warning: mind", lines[-2], "out/report.html"]


def test_a_reason_that_several_numbers_share_stands_once(printed):
    refused = [Measurement.withheld(name, "m", "one frame", "two are needed", method=METHOD) for name in ("a", "b")]
    lines = printed(*refused, Measurement("c", 1.0, "m", Status.LIMITED, METHOD, ("alone",)))
    assert lines[1:5] == [
        "  a  withheld [1]",
        "  b  withheld [1]",
        "  c  1000 mm, limited: alone",
        "  [1] one frame; two are needed",
    ]


def test_a_terminal_shows_the_status_in_colour(printed, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    lines = printed(Measurement("a", 1.0, "m", Status.LIMITED, METHOD, ("limited view",)))
    assert lines[1] == "  a  1000 mm, \x1b[33mlimited\x1b[0m: limited view"


def test_progress_without_a_terminal_is_one_line_a_step(capsys):
    with shown_progress("demo") as progress:
        for share, step in ((0.0, "reading"), (0.1, "reading"), (0.5, "tracking"), (1.0, "done")):
            progress(share, step)
    assert capsys.readouterr().err.splitlines() == ["demo:   0 % reading", "demo:  50 % tracking", "demo: 100 % done"]
