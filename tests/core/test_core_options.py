"""Options as dataclasses: what is accepted, what is refused and in which words."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from sonometry.core.errors import UsageError
from sonometry.core.options import build, field_help, nearest, plain


class Plane(StrEnum):
    SAGITTAL = "sagittal"
    AXIAL = "axial"


@dataclass(frozen=True)
class Inner:
    """window : samples."""

    window: int = 3


@dataclass(frozen=True)
class Options:
    """Options of a test.

    method : how; a sentence. With another
        on an indented line.
    low, high : bounds, m. plane : of the slice.
    """

    method: Literal["ncc", "am2d"] = "ncc"
    low: float = 0.0
    high: float = 1.0
    plane: Plane = Plane.AXIAL
    pair: tuple[int, int] | None = None
    points: tuple[float, ...] = ()
    names: list[str] = field(default_factory=list)
    sequence: bool = True
    folder: Path | None = None
    inner: Inner = Inner()
    gain: float = field(default=1.0, metadata={"help": "Factor."})

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not exceed high")


def test_plain_values_become_the_declared_types():
    options = build(
        Options,
        {
            "low": 0, "plane": "sagittal", "pair": [1, 2], "points": [1, 2.5], "inner": {"window": 5}, "folder": "runs",
        },
    )  # fmt: skip
    assert isinstance(options.low, float)
    assert options.plane is Plane.SAGITTAL
    assert options.pair == (1, 2)
    assert options.points == (1.0, 2.5)
    assert options.inner == Inner(5)
    assert options.folder == Path("runs")


def test_plain_and_build_are_inverse():
    options = Options(plane=Plane.SAGITTAL, pair=(3, 4), points=(1.0,), folder=Path("a/b"), inner=Inner(7))
    assert build(Options, plain(options)) == options


def test_numpy_numbers_are_numbers():
    assert build(Options, {"high": np.float32(2), "pair": np.array([1, 2])}).pair == (1, 2)


def test_values_that_are_not_named_keep_those_of_the_base():
    assert build(Options, {"high": 9}, base=Options(low=4.0, high=5.0)) == Options(low=4.0, high=9.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metod": "ncc"}, "unknown option 'metod'; did you mean 'method'\\? there are: method, low"),
        ({"method": "sad"}, "--method must be one of ncc, am2d, got 'sad'"),
        ({"plane": "oblique"}, "--plane must be one of sagittal, axial, got 'oblique'"),
        ({"low": "1"}, "--low must be a number, got '1'"),
        ({"low": True}, "--low must be a number, got True"),
        ({"pair": [1]}, "--pair must be 2 values, got \\[1\\]"),
        ({"pair": [1, 2.5]}, "--pair must be 2 values"),
        ({"points": "12"}, "--points must be several values, got '12'"),
        ({"sequence": "yes"}, "--sequence must be true or false, got 'yes'"),
        ({"inner": {"windw": 3}}, "unknown option 'windw'; did you mean 'window'"),
        ({"low": 2}, "low must not exceed high"),
    ],
)
def test_a_wrong_option_says_what_would_be_right(values, message):
    with pytest.raises(UsageError, match=message):
        build(Options, values)


def test_help_of_each_field_is_found_in_docstring_or_metadata():
    texts = field_help(Options)
    assert texts["method"] == "how; a sentence. With another on an indented line."
    assert texts["low"] == texts["high"] == "bounds, m."
    assert texts["plane"] == "of the slice."
    assert texts["gain"] == "Factor."
    assert "pair" not in texts


def test_nearest_lists_what_there_is_when_nothing_is_close():
    assert nearest("xyz", ["alpha", "beta"]) == "there are: alpha, beta"
    assert nearest("x", []) == "there are: none"
