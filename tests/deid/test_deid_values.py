"""Dates, ages and free text after cleaning."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonometry.deid.identity import Identity
from sonometry.deid.profile import retained
from sonometry.deid.values import capped_age, cleaned_text, shifted

NOBODY = Identity("id:1", frozenset(), frozenset())
SOMEBODY = Identity("id:1", frozenset({"kowalczyk", "stern"}), frozenset({"4711007"}))


@pytest.mark.parametrize(
    ("value", "vr", "expected"),
    [
        ("20240301", "DA", "20240229"),
        ("2024.03.01", "DA", "20240229"),
        ("20240301101500.250000+0100", "DT", "20240229101500.250000+0100"),
        ("20240301", "DT", "20240229"),
        ("101500", "TM", "101500"),
        ("10:15:00", "TM", "10:15:00"),
        ("+0100", "SH", "+0100"),
    ],
)
def test_a_shift_of_one_day_moves_dates_and_leaves_times(value, vr, expected):
    assert shifted(value, vr, 1) == expected


@pytest.mark.parametrize(
    ("value", "vr"),
    [("20241345", "DA"), ("yesterday", "DA"), ("Smith", "TM"), ("2024", "DT"), ("CET Smith", "SH"), ("99999999", "DA")],
)
def test_what_is_no_date_does_not_come_through(value, vr):
    assert shifted(value, vr, 1) is None


@given(st.dates(date(1910, 1, 1)), st.dates(date(1910, 1, 1)), st.integers(1, 3650))
def test_intervals_between_dates_stay(first, second, days):
    moved = [shifted(day.strftime("%Y%m%d"), "DA", days) for day in (first, second)]
    parsed = [date(int(text[:4]), int(text[4:6]), int(text[6:])) for text in moved]
    assert parsed[1] - parsed[0] == second - first
    assert (first - parsed[0]).days == days


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Left knee ultrasound Kowalczyk", "Left knee ultrasound"),
        ("ECHO follow-up 12/03/2021 MRN4711007", "ECHO follow-up"),
        ("Achilles tendon 14 cm, call 555-0123", "Achilles tendon 14 cm"),
        ("m.stern@hospital.example thyroid", "thyroid"),
        ("Kowalczyk^Ottoline", ""),
        ("12 34", ""),
        ("A4C apical view", "A4C apical view"),
        ("Bergström Leber", ""),
    ],
)
def test_only_clinical_words_of_a_description_stay(text, expected):
    assert cleaned_text(text, SOMEBODY) == expected


def test_a_clinical_word_that_is_the_patients_name_goes():
    heart = Identity("id:1", frozenset({"heart"}), frozenset())
    assert cleaned_text("Heart left", heart) == "left"


@given(st.text(max_size=80))
def test_nothing_outside_the_vocabulary_ever_comes_through(text):
    for word in cleaned_text(text, NOBODY).split():
        parts = word.casefold().split("-")
        is_number = re.fullmatch(r"\d{1,3}(\.\d{1,2})?", word)
        assert is_number or word.casefold() in retained().words or all(part in retained().words for part in parts)


@pytest.mark.parametrize(
    ("age", "expected"), [("064Y", "064Y"), ("094Y", "090Y"), ("089Y", "089Y"), ("011M", "011M"), ("forty", None)]
)
def test_ages_above_89_are_one_group(age, expected):
    assert capped_age(age) == expected
