"""Damaged and hostile files at the entrance of de-identification: done or refused, in silence."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonometry.core.errors import DataError
from sonometry.deid.clip import check_kind, read
from sonometry.deid.frames import layout_of
from sonometry.deid.header import HeaderRules, clean_header
from sonometry.deid.keys import SecretKey
from sonometry.deid.scorecard.fuzz import attempt, deidentified
from sonometry.deid.scorecard.mutations import Base, mutated, small_exports


@pytest.fixture(scope="module")
def bases() -> list[Base]:
    return small_exports(seed=3)


@pytest.mark.slow
def test_every_small_export_is_done_without_its_names(bases, rules, models):
    for base in bases[:2]:
        outcome = attempt(deidentified(base.content, rules), base.secrets)
        assert (outcome.status, outcome.leaks) == ("done", ())


def test_an_exception_a_logged_name_and_a_written_name_are_counted():
    def crash() -> bytes:
        logging.getLogger("pydicom").warning("value KOWALCZYK is too long")
        raise KeyError("Kowalczyk")

    crashed = attempt(crash, ["Kowalczyk"])
    assert (crashed.status, crashed.is_crash, crashed.leaks) == ("KeyError", True, ("messages",))
    assert attempt(lambda: b"xx KowalczyK", ["Kowalczyk"]).leaks == ("the written header",)
    assert attempt(lambda: b"xx", ["Kowalczyk"]).leaks == ()


def test_mutations_come_from_the_seed_and_change_the_file(bases):
    first, what = mutated(bases, np.random.default_rng([1, 7]))
    again, same = mutated(bases, np.random.default_rng([1, 7]))
    assert (first, what) == (again, same)
    assert first not in {base.content for base in bases}


@pytest.mark.parametrize("tag", [b"\x28\x00\x10\x00", b"\x28\x00\x04\x00", b"\x08\x00\x60\x00", b"\x08\x00\x16\x00"])
def test_a_representation_that_does_not_exist_is_refused(bases, rules, tag):
    content = next(base.content for base in bases if tag in base.content)
    place = content.find(tag)
    damaged = content[: place + 4] + b"U[" + content[place + 6 :]
    outcome = attempt(deidentified(damaged, rules), ())
    assert outcome.status == "refused"
    assert "damaged" in outcome.said or "cannot be read" in outcome.said


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_header_is_cleaned_or_refused_and_nothing_is_said(bases, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    content, _ = mutated(bases, np.random.default_rng(seed))
    secrets = [secret for base in bases for secret in base.secrets]

    def header() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset, syntax = read(content)
            check_kind(dataset)
            layout_of(dataset, syntax)
            clean_header(dataset, HeaderRules(SecretKey(bytes(32))), clip_digest="0")

    level = logging.getLogger("pydicom").level
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    try:
        outcome = attempt(header, secrets)
    finally:
        logging.getLogger("pydicom").setLevel(level)
    assert not outcome.is_crash, outcome.status
    assert outcome.leaks == ()


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=600), has_magic=st.booleans())
def test_any_bytes_are_refused(content, has_magic):
    warnings.simplefilter("ignore")  # pytest puts the filters back
    with pytest.raises(DataError):
        read(b"\0" * 128 + b"DICM" + content if has_magic else content)


@pytest.mark.slow
def test_damaged_files_neither_crash_nor_leak_at_the_whole_entrance(bases, rules, models):
    secrets = [secret for base in bases for secret in base.secrets]
    for number in range(120):
        content, what = mutated(bases, np.random.default_rng([2, number]))
        outcome = attempt(deidentified(content, rules), secrets)
        assert not outcome.is_crash, (number, what, outcome.status)
        assert outcome.leaks == (), (number, what, outcome.leaks)
        assert outcome.seconds < 60
