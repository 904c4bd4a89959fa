"""Accounts: passwords, logins that end, and guessing that gets slow."""

from __future__ import annotations

import pytest

from sonometry.annotate.people import IDLE_S, LONGEST_S, LoginLimiter, LoginRefused, People, TooManyLogins
from sonometry.core.errors import UsageError
from sonometry.data.schema import open_engine


class Clock:
    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def people(tmp_path, clock, quick_hashes):
    engine = open_engine(tmp_path)
    yield People(engine, clock)
    engine.dispose()


def test_a_login_needs_the_right_password(people):
    people.add("ann", "a long password", is_admin=False)
    secret, who = people.log_in("ann", "a long password", address="1")
    assert people.session(secret).name == who.name == "ann"
    for name, password in (("ann", "another password"), ("nobody", "a long password"), ("ann", "")):
        with pytest.raises(LoginRefused, match="name or password is wrong"):
            people.log_in(name, password, address="1")


def test_the_first_person_is_an_administrator_and_the_last_one_stays(people):
    people.add("ann", "a long password", is_admin=False)
    people.add("ben", "a long password", is_admin=False)
    assert [(p["name"], p["is_admin"]) for p in people.names()] == [("ann", True), ("ben", False)]
    with pytest.raises(UsageError, match="last administrator"):
        people.remove("ann")


def test_neither_password_nor_secret_lies_in_the_database(people, tmp_path):
    people.add("ann", "a long password", is_admin=True)
    secret, _ = people.log_in("ann", "a long password", address="1")
    content = b"".join(path.read_bytes() for path in tmp_path.glob("catalogue.sqlite*"))
    assert b"$argon2id$" in content
    assert b"a long password" not in content
    assert secret.encode() not in content


@pytest.mark.parametrize(("used_every_s", "total_s"), [(0, IDLE_S + 1), (IDLE_S / 2, LONGEST_S + 1)])
def test_a_login_ends(people, clock, used_every_s, total_s):
    people.add("ann", "a long password", is_admin=True)
    secret, _ = people.log_in("ann", "a long password", address="1")
    end = clock.now + total_s
    while used_every_s and clock.now + used_every_s < end:
        clock.now += used_every_s
        people.session(secret)
    clock.now = end
    with pytest.raises(LoginRefused, match="has ended"):
        people.session(secret)


def test_a_new_password_a_removal_and_a_logout_end_logins(people):
    people.add("ann", "a long password", is_admin=True)
    people.add("ben", "a long password", is_admin=False)
    secrets = [people.log_in("ben", "a long password", address="1")[0] for _ in range(2)]
    people.log_out(secrets[0])
    with pytest.raises(LoginRefused):
        people.session(secrets[0])
    people.set_password("ben", "another password")
    with pytest.raises(LoginRefused):
        people.session(secrets[1])
    secret, _ = people.log_in("ben", "another password", address="1")
    people.remove("ben")
    with pytest.raises(LoginRefused):
        people.session(secret)


def test_the_login_of_the_one_person_ends_when_people_get_passwords(people):
    secret, _ = people.open_session("reader", is_admin=True)
    assert people.session(secret, alone="reader").is_admin
    with pytest.raises(LoginRefused):
        people.session(secret)
    people.add("ann", "a long password", is_admin=True)
    with pytest.raises(LoginRefused):
        people.session(secret, alone="reader")


@pytest.mark.parametrize(("name", "password"), [("a b", "a long password"), ("", "a long password"), ("ann", "short")])
def test_odd_names_and_short_passwords_are_refused(people, name, password):
    with pytest.raises(UsageError, match=r"a name is|a password has"):
        people.add(name, password, is_admin=False)


def test_guessing_waits_longer_and_longer(clock):
    limiter = LoginLimiter(clock)
    waits = []
    for _ in range(20):
        try:
            limiter.check(("ann",))
        except TooManyLogins as error:
            waits.append(error.wait_s)
            clock.now += error.wait_s
        limiter.failed(("ann",))
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert max(waits) == 900
    limiter.check(("ben",))
    limiter.succeeded(("ann",))
    limiter.check(("ann",))


def test_a_wrong_password_counts_for_the_name_and_the_address(people):
    people.add("ann", "a long password", is_admin=True)
    for _ in range(5):
        with pytest.raises(LoginRefused):
            people.log_in("ann", "wrong password", address="1")
    for name, address in (("ann", "2"), ("ben", "1")):
        with pytest.raises(TooManyLogins, match="try again in"):
            people.log_in(name, "a long password", address=address)


def test_the_database_is_closed_to_others(people, tmp_path):
    assert (tmp_path / "catalogue.sqlite").stat().st_mode & 0o077 == 0
