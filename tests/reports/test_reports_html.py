"""The page of a report: self-contained, escaped, complete."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import PurePosixPath

import numpy as np
import pytest
from PIL import Image

from sonometry.applications import application
from sonometry.core import Figure, InputRecord, Interval, Measurement, Method, Report, Status
from sonometry.reports.html import Entry, is_wide, render_index, render_report, size_of

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
METHOD = Method("grey level statistics", "1.0")


def _png(width: int = 40, height: int = 30) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint8)).save(stream, "png")
    return stream.getvalue()


@pytest.fixture
def echo_level(third_party):
    return application("echo_level")


@pytest.fixture
def report() -> Report:
    return Report(
        application="echo_level",
        application_version="1.0",
        inputs=(InputRecord("clip", "cine", "9f" * 32, 48),),
        measurements=(
            Measurement("mean_level", -0.1234, "1", Status.OK, METHOD, interval=Interval(-0.2, -0.1), display="%"),
            Measurement("bright_area", 3e-4, "m2", Status.LIMITED, METHOD, ("12 % was left out",)),
            Measurement.withheld("length", "m", "no pixel spacing; pass --spacing-mm ROW COL", method=METHOD),
        ),
        figures=(Figure("frame", "First frame", "Grey levels.", _png()),),
        warnings=("Simulated recording",),
        provenance={"options": {"threshold": 0.5}, "created": "2026-01-01T00:00:00+00:00"},
    )


class _Elements(HTMLParser):
    """Every start tag with its attributes, and the visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_shows_value_unit_interval_status_reason_and_method(report, echo_level):
    text = " ".join(" ".join(_Elements(render_report(report, echo_level)).texts).split())
    assert "Mean grey level over tissue and time mean_level −12.3 % −20.0 to −10.0 (95 %) ok" in text
    assert "12 % was left out 3.00 cm²" in text
    assert "withheld" in text
    assert "no pixel spacing; pass --spacing-mm ROW COL" in text
    assert "Method: grey level statistics 1.0" in text


def test_warnings_stand_before_the_numbers(report, echo_level):
    page = render_report(report, echo_level)
    assert page.index("Simulated recording") < page.index("−12.3")


def test_the_notice_inputs_and_provenance_are_on_the_page(report, echo_level):
    page = render_report(report, echo_level)
    assert page.count("Research use only.") == 2
    assert "9f" * 32 in page
    assert "options · threshold" in page


def test_the_page_needs_nothing_from_elsewhere(report, echo_level):
    page = render_report(report, echo_level)
    elements = _Elements(page)
    links = [value for _, attrs in elements.tags for name, value in attrs.items() if name in ("src", "href")]
    assert links
    assert all(link.startswith("data:") for link in links)
    assert "script" not in {tag for tag, _ in elements.tags}
    assert not re.search(r"@import|url\(", page)
    assert "default-src 'none'" in page


def test_everything_that_comes_from_a_report_is_escaped(report, echo_level):
    figure = replace(report.figures[0], title=HOSTILE, caption=HOSTILE)
    measurement = Measurement("view", HOSTILE, "{view}", Status.LIMITED, Method(HOSTILE, HOSTILE), (HOSTILE,))
    hostile = replace(
        report,
        measurements=(measurement,),
        figures=(figure,),
        warnings=(HOSTILE,),
        inputs=(InputRecord(HOSTILE, HOSTILE, HOSTILE, 1),),
        provenance={HOSTILE: HOSTILE, "created": HOSTILE},
        notice=HOSTILE,
        application_version=HOSTILE,
    )
    elements = _Elements(render_report(hostile, echo_level))
    assert not [tag for tag, attrs in elements.tags if tag == "script" or "onerror" in attrs]


def test_a_report_of_refusals_says_the_reason_once_on_top(report, echo_level):
    refused = tuple(Measurement.withheld(n, "1", "one frame, two are needed", method=METHOD) for n in ("a", "b"))
    page = render_report(replace(report, measurements=refused, figures=()), echo_level)
    assert page.count("one frame, two are needed") == 1
    assert "Nothing could be measured" in page


def test_methods_that_differ_stand_beside_their_numbers(report, echo_level):
    learned = replace(report.measurements[0], name="other", method=Method("unet", "2", "ab" * 32))
    page = render_report(replace(report, measurements=(*report.measurements, learned)), echo_level)
    assert "abababababab" in page
    assert "Method:" not in page


def test_a_movie_is_a_video_element(report, echo_level):
    movie = Figure("loop", "Loop", "One beat.", b"\0\0", media_type="video/mp4")
    tags = dict(_Elements(render_report(replace(report, figures=(movie,)), echo_level)).tags)
    assert tags["video"]["src"].startswith("data:video/mp4")


def test_the_size_of_a_picture_is_read_from_its_header():
    assert size_of(Figure("a", "", "", _png(170, 90))) == (170, 90)
    assert is_wide(Figure("a", "", "", _png(170, 90)))
    assert not is_wide(Figure("a", "", "", _png(100, 90)))
    assert size_of(Figure("a", "", "", b"GIF89a")) is None


def test_the_index_leads_to_every_report(report, echo_level):
    entries = [Entry(echo_level, report, PurePosixPath("echo level/report.html"), "A disc.")]
    page = render_index(entries, title="Demo", introduction="All kinds.", notice=report.notice)
    links = [attrs["href"] for tag, attrs in _Elements(page).tags if tag == "a"]
    assert links == ["echo%20level/report.html"]
    assert "−12.3" in page
