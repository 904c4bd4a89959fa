"""Marks: their form, versions, undo, and that nothing is written twice or over another's."""

from __future__ import annotations

import threading
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonometry.annotate.marks import Extent, checked_value, parse_slot
from sonometry.annotate.store import Conflict, MarkStore, NothingToUndo, Scope
from sonometry.annotate.surveys import shipped_surveys
from sonometry.core.errors import UsageError
from sonometry.data.schema import open_engine

EXTENT = Extent(10, 100, 200)
SHARED = Scope()


def view(label: str) -> dict:
    return {"segments": [{"start": 0, "label": label}]}


@pytest.fixture
def store(tmp_path):
    engine = open_engine(tmp_path)
    yield MarkStore(engine)
    engine.dispose()


def put(store, slot="view", value=None, *, author="ann", seen=0, target="clip-1", scope=SHARED, action=None):
    action = action or str(uuid.uuid4())
    return store.put(scope, target, parse_slot(slot), value, author=author, seen_version=seen, action_id=action)


def test_the_newest_mark_stands_and_the_history_stays(store):
    put(store, value=view("A2C"))
    put(store, value=view("A4C"), seen=1)
    assert store.current(SHARED, "clip-1")["view"].value == view("A4C")
    assert [mark.version for mark in store.standing(SHARED)] == [2]


def test_a_stale_version_is_refused_with_what_stands_there(store):
    put(store, value=view("A2C"))
    with pytest.raises(Conflict, match="changed meanwhile") as caught:
        put(store, value=view("A4C"), author="ben")
    assert (caught.value.current.author, caught.value.current.value) == ("ann", view("A2C"))
    assert len(store.standing(SHARED)) == 1


def test_an_action_that_is_sent_twice_is_written_once(store):
    first = put(store, value=view("A2C"), action="a" * 36)
    again = put(store, value=view("A2C"), action="a" * 36)
    assert first == again


def test_the_number_of_an_action_cannot_be_used_for_another(store):
    put(store, value=view("A2C"), action="a" * 36)
    with pytest.raises(UsageError, match="taken by another"):
        put(store, value=view("A2C"), action="a" * 36, author="ben")


def test_of_two_writers_at_the_same_moment_one_gets_a_conflict(store):
    outcomes, start = [], threading.Barrier(8)

    def write(name: str) -> None:
        start.wait()
        try:
            outcomes.append(put(store, value=view("A2C"), author=name).author)
        except Conflict:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(f"r{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert sum(o is not None for o in outcomes) == 1


def test_undo_takes_back_one_action_after_the_other_and_is_kept_as_a_row(store):
    put(store, value=view("A2C"))
    put(store, value=view("A4C"), seen=1)
    put(store, slot="unusable", value={"reason": "other"})
    undone = [store.undo([SHARED], author="ann", action_id=str(uuid.uuid4())) for _ in range(3)]
    assert [(m.slot, m.value) for m in undone] == [("unusable", None), ("view", view("A2C")), ("view", None)]
    assert store.current(SHARED, "clip-1")["view"].version == 4
    with pytest.raises(NothingToUndo, match="nothing left"):
        store.undo([SHARED], author="ann", action_id=str(uuid.uuid4()))


def test_an_action_after_an_undo_can_be_undone(store):
    put(store, value=view("A2C"))
    store.undo([SHARED], author="ann", action_id=str(uuid.uuid4()))
    put(store, value=view("PLAX"), seen=2)
    assert store.undo([SHARED], author="ann", action_id=str(uuid.uuid4())).value is None


def test_undo_does_not_touch_what_another_person_wrote_over_it(store):
    put(store, value=view("A2C"))
    put(store, value=view("A4C"), seen=1, author="ben")
    with pytest.raises(Conflict):
        store.undo([SHARED], author="ann", action_id=str(uuid.uuid4()))
    assert store.current(SHARED, "clip-1")["view"].value == view("A4C")


def test_blind_readers_and_rounds_do_not_see_each_other(store):
    for reader, number in (("ann", 1), ("ann", 2), ("ben", 1)):
        put(store, value=view("A2C"), scope=Scope("list", reader, number), author=reader)
    assert store.current(Scope("list", "ben", 2), "clip-1") == {}
    assert len(store.of_list("list")) == 3


@pytest.mark.parametrize(
    ("slot", "value", "message"),
    [
        ("view", {"segments": []}, "has segments"),
        ("view", {"segments": [{"start": 1, "label": "A2C"}]}, "the first with 0"),
        ("view", {"segments": [{"start": 0, "label": "A2C"}, {"start": 10, "label": "A4C"}]}, "frames of the clip"),
        ("view", view("A9C"), "name of a view"),
        ("phase", {"ED": [10]}, "frames from 0 to 9"),
        ("phase", {"ED": [True]}, "frames from 0 to 9"),
        ("unusable", {"reason": "a name"}, "one of"),
        ("contour:lv_endocardium@10", {"points": [[1, 2]]}, "frame from 0 to 9"),
        ("contour:lv_endocardium@1", {"points": []}, "1 to 256 points"),
        ("contour:lv_endocardium@1", {"points": [[1, float("nan")]]}, "far outside"),
        ("contour:lv_endocardium@1", {"points": [[1, 10**400]]}, "far outside"),
        ("contour:lv_endocardium@1", {"points": [[1, "2"]]}, r"\[row, column\]"),
        ("score:SCT", {"score": 8}, "from 1 to 7"),
        ("score:SCT", {"score": 3.0}, "whole number"),
        ("score:XX", {"score": 3}, "no such score"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(slot, value, message):
    with pytest.raises(UsageError, match=message):
        checked_value(parse_slot(slot), value, extent=EXTENT, survey=shipped_surveys()["achilles"])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["segments", "points", "start", "label", "ED", "ES", "reason", "score"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(
    value=json_values, slot=st.sampled_from(["view", "phase", "unusable", "done", "score:TU", "contour:left_atrium@3"])
)
def test_any_json_is_either_a_mark_or_refused_in_one_line(value, slot):
    parsed = parse_slot(slot)
    survey = shipped_surveys()["achilles"] if slot.startswith("score") else None
    try:
        checked = checked_value(parsed, value, extent=EXTENT, survey=survey)
    except UsageError:
        return
    assert checked_value(parsed, checked, extent=EXTENT, survey=survey) == checked


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=40) | st.from_regex(r"(contour|score|view)[:@/.a-z0-9]{0,20}", fullmatch=True))
def test_any_text_is_either_a_slot_or_refused(text):
    try:
        slot = parse_slot(text)
    except UsageError:
        return
    assert slot.text == text
    assert "/" not in text
