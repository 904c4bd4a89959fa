"""The page in a real browser, used as a reader uses it: keys, mouse, a server that dies, a second person."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from sonometry.annotate.splines import sample_spline
from sonometry.io.manifest import read_manifest

pytestmark = pytest.mark.peers

VIEWS = ["A2C", "A3C", "A4C", "A5C", "PLAX", "SAXBASAL", "SAXMID", "SUB4C"]
READY = "window.sonometry && sonometry.bench.target && sonometry.bench.player.shownKey"
SAVED = "sonometry.bench.box.state.kind === 'saved'"


def marks_of(workspace: Path) -> list[tuple]:
    """Target, slot, version and value of every row, as they lie on the disk."""
    with sqlite3.connect(workspace / "catalogue.sqlite") as database:
        rows = database.execute("SELECT target, slot, version, value, author FROM annotate_marks ORDER BY mark_id")
        found = [
            (target, slot, version, value and json.loads(value), author)
            for target, slot, version, value, author in rows
        ]
    database.close()
    return found


def open_list(page, server, name: str, number: int = 1) -> None:
    page.open(server.url)
    page.wait("document.querySelector('.cards')")
    page.run(f"location.hash = '#/work/{name}/{number}'")
    page.wait(READY)
    page.press("Home")  # stops the cine
    page.wait("sonometry.bench.player.frame === 0 && sonometry.bench.player.isShown")


def draw(page, places: list[tuple[float, float]]) -> None:
    for place in places:
        page.click(*page.screen_place(*place))


def points(page) -> list[list[float]]:
    return page.run("sonometry.bench.editor.points()")


def test_twenty_clips_are_labelled_with_keys_alone(tmp_path, write_clips, served, browsers):
    from sonometry.cli.run import run
    from sonometry.workflows.ingest import ingest

    ingest(write_clips(tmp_path / "clips", 20, n_frames=3), workspace=tmp_path / "ws")
    page, server = browsers().page(), served(tmp_path / "ws")
    page.open(server.url)
    page.wait("document.querySelector('.cards')")
    page.press("Tab")
    page.run("document.querySelector('a.round').focus()")
    page.press("Enter")
    page.wait(READY)
    asked = [VIEWS[i % 8] for i in range(20)]
    for i, view in enumerate(asked):
        page.wait(f"{READY} && sonometry.bench.index === {i}")
        page.press(str(VIEWS.index(view) + 1))
    page.wait(f"{SAVED} && document.querySelector('.progress-text').textContent === '20 of 20 done'")
    assert page.complaints == []
    assert run(["annotate", "export", "--workspace", str(tmp_path / "ws")]) == 0
    manifest = read_manifest(tmp_path / "clips/manifest.csv")
    assert [row.view for row in manifest] == asked


def test_the_next_clip_is_there_before_it_is_asked_for(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Views")
    page.wait("import('/static/clips.js').then((m) => m.clip(sonometry.bench.targets[1].key).isComplete)")
    server.kill()
    page.press("ArrowDown")
    page.wait("sonometry.bench.player.shownKey === sonometry.bench.targets[1].key")


def test_a_key_before_the_picture_labels_nothing(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Views")
    page.run("Object.defineProperty(sonometry.bench.player, 'shownKey', { get: () => null, set: () => {} })")
    page.press("1")
    page.press("x")
    assert page.run("sonometry.bench.box.queue.length") == 0
    assert marks_of(workspace) == []


def test_a_cine_plays_at_its_true_speed(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Views")
    page.press(" ")
    seen = page.run("""new Promise(done => { const seen = [], p = sonometry.bench.player;
      p.addEventListener('frame', () => seen.push([document.timeline.currentTime, p.frame]));
      setTimeout(() => done(seen), 1500); })""")
    time_ms, frame = np.array(seen).T
    ahead = np.exp(
        2j * np.pi * (time_ms * 0.025 - frame) / 6
    )  # 25 frames/s, six frames; a slow computer leaves some out
    assert len(seen) >= 3
    assert np.abs(np.angle(ahead / ahead[0])).max() * 6 / (2 * np.pi) < 1.01


def test_a_contour_is_drawn_and_edited(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Heart%20contours")
    page.press("1")
    corners = [(80, 50), (40, 60), (30, 80), (40, 100), (80, 110)]
    draw(page, corners)
    assert np.allclose(points(page), corners, atol=0.6)
    page.drag(page.screen_place(30, 80), page.screen_place(20, 82))
    assert np.allclose(points(page)[2], (20, 82), atol=0.6)
    middle = sample_spline(np.array(points(page)), is_closed=False)[8]
    page.click(*page.screen_place(*middle))  # on the line: a point is inserted there
    assert len(points(page)) == 6
    assert np.allclose(points(page)[1], middle, atol=0.6)
    page.click(*page.screen_place(*middle), button="right")
    assert len(points(page)) == 5
    page.drag(page.screen_place(80, 50), page.screen_place(85, 55), modifiers=8)
    moved = np.array(corners, float) + 5
    moved[2] = (25, 87)
    assert np.allclose(points(page), moved, atol=0.8)
    page.press("c")
    page.wait(f"sonometry.bench.player.frame === 1 && sonometry.bench.editor.points().length === 5 && {SAVED}")
    page.press("z")
    page.wait("sonometry.bench.player.frame === 1 && sonometry.bench.editor.points().length === 0")
    page.press("ArrowLeft")
    before = points(page)
    page.call("Page.reload")
    page.wait(READY)
    page.run("sonometry.bench.player.go(0)")
    page.press("1")
    assert points(page) == before
    assert "cm²" in page.run("document.querySelector('.structure').textContent")
    assert page.complaints == []


def test_a_killed_server_loses_nothing_between_two_strokes(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Heart%20contours")
    page.press("1")
    draw(page, [(80, 50), (40, 60)])
    page.wait(SAVED)
    server.kill()
    assert [len(value["points"]) for *_, value, _ in marks_of(workspace)] == [1, 2]
    draw(page, [(30, 80), (40, 100)])
    page.wait("sonometry.bench.box.state.kind === 'waiting'")
    assert "kept in this browser" in page.run("document.querySelector('.saving').textContent")
    server.start()
    page.wait(SAVED)
    rows = marks_of(workspace)
    assert [len(value["points"]) for *_, value, _ in rows] == [1, 2, 3, 4]
    assert [version for _, _, version, _, _ in rows] == [1, 2, 3, 4]


def test_a_closed_browser_keeps_what_the_server_did_not_hear(workspace, served, browsers):
    browser, server = browsers(), served(workspace)
    page = browser.page()
    open_list(page, server, "Views")
    server.kill()
    page.press("3")
    page.wait("sonometry.bench.box.state.kind === 'waiting'")
    page.call("Page.close")
    server.start()
    other = browser.page()
    open_list(other, server, "Views")
    other.wait(SAVED)
    ((_, slot, _, value, author),) = marks_of(workspace)
    assert (slot, value["segments"], author) == ("view", [{"start": 0, "label": "A4C"}], "reader")


def log_in(page, server, name: str) -> None:
    page.open(server.url)
    page.wait("document.querySelector('form.login')")
    page.run("document.querySelector('input').focus()")
    page.type(name)
    page.press("Tab")
    page.type(f"password of {name}")
    page.press("Enter")
    page.wait("document.querySelector('.cards')")


def test_two_people_on_one_clip_choose_which_mark_stays(workspace, desk, served, browsers):
    for name in ("ann", "ben"):
        desk.people.add(name, f"password of {name}", is_admin=False)
    server, pages = served(workspace), [browsers().page(), browsers().page()]
    for page, name in zip(pages, ("ann", "ben"), strict=True):
        log_in(page, server, name)
        page.run("location.hash = '#/work/Views/1'")
        page.wait(READY)
    ann, ben = pages
    ann.press("1")
    ann.wait(f"{SAVED} && sonometry.bench.index === 1")
    ben.press("2")
    ben.wait("document.querySelector('.dialog')")
    said = ben.run("document.querySelector('.dialog').textContent")
    assert "ann changed the view" in said
    assert "A2C" in said
    assert "A3C" in said
    assert [(v["segments"][0]["label"], who) for *_, v, who in marks_of(workspace)] == [("A2C", "ann")]
    ben.press("k")
    ben.wait(f"{SAVED} && !document.querySelector('.dialog')")
    assert len(marks_of(workspace)) == 1
    ben.run("sonometry.bench.open(0)")
    ben.wait(READY)
    ben.press("4")
    ben.wait(SAVED)
    assert [(v["segments"][0]["label"], who) for *_, v, who in marks_of(workspace)][-1] == ("A5C", "ben")


def test_the_second_reading_of_a_survey_is_blind_and_in_another_order(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Achilles%20healing")
    orders = [page.run("sonometry.bench.targets.map((one) => one.key)")]
    for score in "1234567"[:6]:
        page.press(score)
    page.wait(f"{SAVED} && sonometry.bench.panel.isDone()")
    page.press("Enter")
    page.wait("sonometry.bench.index === 1")
    page.run("location.hash = '#/work/Achilles%20healing/2'")
    page.wait(f"{READY} && sonometry.bench.round === 2")
    orders.append(page.run("sonometry.bench.targets.map((one) => one.key)"))
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    page.run(f"sonometry.bench.open({orders[1].index(orders[0][0])})")
    page.wait(READY)
    assert page.run("sonometry.bench.marks.size") == 0
    assert [value["score"] for *_, value, _ in marks_of(workspace)] == [1, 2, 3, 4, 5, 6]


def test_a_clip_is_split_where_the_view_changes(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Views")
    page.run("sonometry.bench.player.go(3)")
    page.wait("sonometry.bench.player.isShown")
    for key in ("x", "3", "5", "d"):
        page.press(key)
    page.wait(SAVED)
    first = marks_of(workspace)[0][0]
    values = [(slot, value) for target, slot, _, value, _ in marks_of(workspace) if target == first]
    assert values[-1] == ("view", {"segments": [{"start": 0, "label": "PLAX"}, {"start": 3, "label": "A4C"}]})


def test_the_page_draws_the_spline_that_is_exported(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Views")
    rng = np.random.default_rng(3)
    for n, is_closed in ((2, True), (3, False), (7, True), (9, False)):
        control = rng.uniform(0, 100, (n, 2)).tolist()
        script = f"import('/static/spline.js').then((m) => m.sample({control}, {json.dumps(is_closed)}))"
        assert np.allclose(page.run(script), sample_spline(np.array(control), is_closed=is_closed), atol=1e-9)


def test_the_page_asks_for_nothing_from_elsewhere(workspace, served, browsers):
    page, server = browsers().page(), served(workspace)
    open_list(page, server, "Views")
    time.sleep(0.3)
    names = page.run("performance.getEntriesByType('resource').map((one) => new URL(one.name).host)")
    assert set(names) == {f"127.0.0.1:{server.port}"}
    refused = "fetch('https://example.org/').then(() => 'sent', () => 'refused')"
    assert page.run(refused) == "refused"
