"""Options of an application become flags of the right type, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sonometry.cli.run import run
from sonometry.io.facts import Facts


@pytest.fixture
def called(third_party, monkeypatch):
    """Run `measure` on words and return what the workflow was called with."""
    seen: dict = {}

    def measure(paths, app, **given):
        seen.update(given, paths=paths, app=app.name)
        raise KeyboardInterrupt

    monkeypatch.setattr("sonometry.workflows.measure.measure", measure)

    def call(*words: str) -> dict:
        assert run(["measure", *words]) == 130
        return seen

    return call


@pytest.mark.parametrize(
    "words",
    [
        ("a.dcm", "b.dcm", "--app", "echo_level", "--out", "o"),
        ("--app", "echo_level", "--out", "o", "a.dcm", "b.dcm"),
        ("--app=echo_level", "--out=o", "--", "a.dcm", "b.dcm"),
        ("--out", "o", "a.dcm", "b.dcm", "--app", "echo_level"),
    ],
)
def test_the_application_may_stand_before_or_after_the_paths(called, words):
    seen = called(*words)
    assert seen["paths"] == [Path("a.dcm"), Path("b.dcm")]
    assert (seen["app"], seen["out"]) == ("echo_level", Path("o"))


def _with(called, *words: str) -> dict:
    return called("a.dcm", "--app", "echo_level", "--out", "o", *words)


def test_options_have_the_types_of_the_configuration(called):
    seen = _with(
        called, "--threshold", "0.25", "--statistic", "median", "--region", "centre", "--box", "1", "2", "3", "4"
    )
    assert (seen["threshold"], seen["statistic"], seen["region"], seen["box"]) == (
        0.25,
        "median",
        "centre",
        (1, 2, 3, 4),
    )


def test_a_switch_is_turned_on_and_off(called):
    assert _with(called, "--invert")["invert"] is True
    assert _with(called, "--no-invert")["invert"] is False


def test_any_number_of_values_ends_at_the_next_flag(called):
    seen = _with(called, "--gains", "-1.5", "2", "3e0", "--invert")
    assert seen["gains"] == (-1.5, 2.0, 3.0)


def test_what_is_not_given_is_left_to_the_application(called):
    assert not {"threshold", "statistic", "box", "invert"} & set(_with(called))


def test_facts_reach_the_reader_in_the_units_of_the_clinic(called):
    seen = _with(
        called, "--spacing-mm", "0.1", "0.2", "--fps", "30", "--sampling-mhz", "40", "--centre-mhz", "6",
        "--pitch-mm", "0.3", "--sound-speed-m-s", "1500", "--start-depth-mm", "5", "--variable", "rf",
    )  # fmt: skip
    assert seen["facts"] == Facts((0.1, 0.2), 30.0, 40.0, 6.0, 0.3, 1500.0, 5.0, "rf")


def test_a_fact_that_cannot_be_is_refused(third_party, capsys):
    assert run(["measure", "a", "--app", "echo_level", "--out", "o", "--fps", "-1"]) in (2, 3)
    assert "--fps must be positive" in capsys.readouterr().err
