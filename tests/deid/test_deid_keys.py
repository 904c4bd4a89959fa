"""The secret key and what is derived from it."""

from __future__ import annotations

import os
import stat
import threading

import pytest
from pydicom.uid import UID

from sonometry.core.errors import DataError
from sonometry.core.study import KEY_PATTERN
from sonometry.deid.keys import KEY_FILE, MAX_SHIFT_DAYS, SecretKey, open_key


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    first = open_key(tmp_path / "deid")
    assert open_key(tmp_path / "deid") == first
    assert stat.S_IMODE((tmp_path / "deid" / KEY_FILE).stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "deid") == [KEY_FILE]


def test_two_workspaces_have_different_keys(tmp_path):
    assert open_key(tmp_path / "a") != open_key(tmp_path / "b")


def test_a_key_made_by_many_at_once_is_the_same_for_all(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(open_key(tmp_path / "deid"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({key.value for key in found}) == 1


def test_a_key_that_others_can_read_is_refused(tmp_path):
    open_key(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(DataError, match="chmod 600"):
        open_key(tmp_path)


def test_a_damaged_key_is_refused(tmp_path):
    open_key(tmp_path)
    (tmp_path / KEY_FILE).write_text("not hexadecimal\n")
    with pytest.raises(DataError, match=r"damaged: expected 64 hexadecimal digits"):
        open_key(tmp_path)


def test_a_key_does_not_print(key):
    assert key.value.hex() not in repr(key)
    assert repr(key) == "SecretKey()"


def test_pseudonyms_are_stable_and_fit_the_keys_of_studies(key):
    pseudonym = key.pseudonym("patient", "id:4711")
    assert pseudonym == SecretKey(bytes(range(32))).pseudonym("patient", "id:4711")
    assert pseudonym[0] == "P"
    assert KEY_PATTERN.fullmatch(pseudonym)
    assert "4711" not in pseudonym


def test_pseudonyms_differ_by_kind_text_and_key(key):
    names = {key.pseudonym(kind, text) for kind in ("patient", "study") for text in ("a", "b")}
    assert len(names | {SecretKey(bytes(32)).pseudonym("patient", "a")}) == 5


def test_uids_are_valid_and_depend_on_nothing_but_the_original(key):
    uid = key.uid("1.2.3.4")
    assert UID(uid).is_valid
    assert uid.startswith("2.25.")
    assert uid == key.uid("1.2.3.4") != key.uid("1.2.3.5")


def test_ten_thousand_uids_and_pseudonyms_never_collide(key):
    assert len({key.uid(f"1.2.{n}") for n in range(10_000)}) == 10_000
    assert len({key.pseudonym("patient", str(n)) for n in range(10_000)}) == 10_000


def test_shifts_lie_between_a_day_and_ten_years_and_spread(key):
    shifts = [key.shift_days(str(n)) for n in range(2000)]
    assert min(shifts) >= 1
    assert max(shifts) <= MAX_SHIFT_DAYS
    # Mean of a uniform draw of 2000: standard error 24 days; five of them.
    assert sum(shifts) / 2000 == pytest.approx((MAX_SHIFT_DAYS + 1) / 2, abs=120)
