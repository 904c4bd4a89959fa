"""The server against those who are not invited: other sites, other names, no login, odd requests."""

from __future__ import annotations

import json
import logging
import os
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from sonometry.annotate.web import Access, create_app
from sonometry.core.errors import UsageError

HOME = "http://127.0.0.1:8642"
MARK = {
    "list": "Views",
    "round": 1,
    "slot": "view",
    "value": {"segments": [{"start": 0, "label": "A2C"}]},
    "seen_version": 0,
}


class Visitor(TestClient):
    """A browser: sends Origin, and the token once it is logged in."""

    def __init__(self, app) -> None:
        super().__init__(app, base_url=HOME, raise_server_exceptions=False, headers={"Origin": HOME})

    def log_in(self, **body) -> dict:
        me = self.post("/api/login", json=body).json()
        self.headers["X-CSRF"] = me.get("csrf", "")
        return me

    def mark(self, target: str, **changes):
        return self.post("/api/marks", json={**MARK, "target": target, "action_id": str(uuid.uuid4()), **changes})


@pytest.fixture
def access():
    return Access(8642, key="the key of the terminal")


@pytest.fixture
def app(desk, access):
    return create_app(desk, access)


@pytest.fixture
def alone(app, access):
    """The one person of a workspace without passwords."""
    with Visitor(app) as visitor:
        visitor.log_in(key=access.key)
        yield visitor


@pytest.fixture
def key(desk):
    return desk.catalogue.clips()[0].clip_key


def test_the_key_of_the_terminal_lets_the_one_person_in(app, access):
    stranger = Visitor(app)
    assert stranger.log_in(key="another").get("error", "").startswith("open the address")
    assert stranger.get("/api/lists").status_code == 401
    assert stranger.log_in(key=access.key)["is_admin"]
    assert stranger.get("/api/lists").status_code == 200


def test_the_key_of_the_terminal_is_void_once_people_have_passwords(app, access, desk):
    desk.people.add("ann", "a long password", is_admin=True)
    assert "error" in Visitor(app).log_in(key=access.key)
    assert Visitor(app).log_in(name="ann", password="a long password")["name"] == "ann"


def test_the_cookie_is_for_this_site_and_for_no_script(app, access):
    answer = Visitor(app).post("/api/login", json={"key": access.key})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


EVERY = [
    ("GET", "/api/lists"), ("GET", "/api/lists/Views"), ("GET", "/api/lists/Views/targets/x"), ("POST", "/api/lists"),
    ("POST", "/api/marks"), ("POST", "/api/undo"), ("GET", "/api/clips/x/frames"), ("GET", "/api/clips/x/frames/0"),
    ("GET", "/api/clips/x/suggest/left_atrium/0"), ("GET", "/api/people"), ("POST", "/api/people"),
    ("POST", "/api/people/x/password"), ("DELETE", "/api/people/x"), ("GET", "/api/surveys"),
    ("GET", "/api/results/Views"), ("POST", "/api/export"),
]  # fmt: skip


def test_every_address_of_data_is_named_here(desk, access):
    routes = create_app(desk, access).app.routes
    there = {(method, route.path) for route in routes for method in route.methods if route.path.startswith("/api/")}
    open_to_all = {("POST", "/api/login"), ("POST", "/api/logout"), ("GET", "/api/me")}
    assert len(there - open_to_all) == len(EVERY)


def test_nothing_is_told_or_changed_without_a_login(app):
    for method, path in EVERY:
        answer = Visitor(app).request(method, path, json={} if method == "POST" else None)
        assert answer.status_code in (401, 422), path
        assert set(answer.json()) == {"error"}


FOREIGN = [
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": ""}, {"Origin": "http://127.0.0.1:9999"},
    {"Origin": HOME + ".evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Content-Type": "text/plain"},
]  # fmt: skip


def test_a_change_from_another_site_is_refused(alone, desk, key):
    for headers in FOREIGN:
        body = json.dumps({**MARK, "target": key, "action_id": str(uuid.uuid4())})
        answer = alone.post("/api/marks", content=body, headers={"Content-Type": "application/json", **headers})
        assert answer.status_code in (403, 415), headers
    assert desk.store.of_list("") == []


def test_a_change_without_the_token_of_the_page_is_refused(alone, desk, key):
    alone.headers["X-CSRF"] = "guessed"
    assert alone.mark(key).status_code == 401
    assert desk.store.of_list("") == []


def test_a_foreign_host_name_is_refused(alone):
    for host in ("evil.example", "evil.example:8642", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"):
        assert alone.get("/api/me", headers={"Host": host}).status_code == 421, host


def test_pages_may_load_nothing_from_elsewhere(alone):
    answer = alone.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in answer.text.replace('"http-equiv', "")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_mark_is_kept_and_a_stale_one_gets_409_with_what_is_there(alone, key):
    assert alone.mark(key).json()["version"] == 1
    answer = alone.mark(key)
    assert answer.status_code == 409
    assert answer.json()["current"]["value"] == MARK["value"]


def test_a_request_that_is_too_large_is_refused(alone, key):
    answer = alone.mark(key, value={"segments": [{"start": 0, "label": "x" * 300_000}]})
    assert answer.status_code == 413


def test_frames_come_as_they_are_on_the_disk(alone, desk, key):
    import struct

    import simplejpeg

    content = alone.get(f"/api/clips/{key}/frames").content
    parts = []
    while content:
        (size,) = struct.unpack(">I", content[:4])
        parts.append(content[4 : 4 + size])
        content = content[4 + size :]
    facts = json.loads(parts[0])
    assert (facts["n_frames"], facts["spacing_m"]) == (len(parts) - 1, [0.001, 0.0008])
    shown = simplejpeg.decode_jpeg(parts[3], colorspace="GRAY")[..., 0].astype(float)
    assert abs(shown - desk.frames.grey(key, 2)).mean() < 3
    assert alone.get(f"/api/clips/{key}/frames/2").content == parts[3]


WORDS = ["..", ".", "", "%2e%2e", "%2f", "\\", "catalogue.sqlite", "deid", "key", "frames.zarr", "\x00"]
PATHS = st.text(max_size=30) | st.lists(st.sampled_from(WORDS), max_size=6).map("/".join)
TYPES = ("text/html", "text/javascript", "text/css", "application/json", "image/svg")


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=PATHS, prefix=st.sampled_from(["/static/", "/api/clips/", "/api/lists/", "/", "/api/results/"]))
def test_no_path_leads_to_a_file_of_the_workspace(alone, desk, words, prefix):
    from urllib.parse import quote

    for path in (prefix + quote(words, safe=""), prefix + quote(words, safe="/%.")):
        for end in ("", "/frames", "/frames/0"):
            answer = alone.get(path + end)
            if answer.status_code == 200:
                assert answer.headers["content-type"].startswith(TYPES)
            assert b"SQLite format" not in answer.content
            assert str(desk.workspace).encode() not in answer.content


def test_a_link_out_of_the_data_folder_is_not_followed(desk, alone, tmp_path, key):
    clip = desk.catalogue.clip(key)
    path = desk.catalogue.roots()[clip.root_id] / clip.path
    os.replace(path, tmp_path / "outside.dcm")
    path.symlink_to(tmp_path / "outside.dcm")
    answer = alone.get(f"/api/clips/{key}/frames")
    assert answer.status_code == 422
    assert "has gone" in answer.json()["error"]


def test_a_failure_inside_tells_nothing_and_logs_no_text(alone, desk, key, monkeypatch, caplog):
    def fail(name):
        raise RuntimeError("Jane^Doe /srv/secret.dcm")

    monkeypatch.setattr(desk.frames, "pack", fail)
    with caplog.at_level(logging.DEBUG):
        answer = alone.get(f"/api/clips/{key}/frames")
    assert answer.status_code == 500
    assert "Doe" not in answer.text
    assert "Doe" not in caplog.text


def test_readers_do_not_see_what_is_for_administrators(app, desk):
    desk.people.add("ann", "a long password", is_admin=True)
    desk.people.add("ben", "a long password", is_admin=False)
    with Visitor(app) as ben:
        ben.log_in(name="ben", password="a long password")
        for answer in (
            ben.get("/api/people"),
            ben.post("/api/people", json={"name": "x", "password": "a long password"}),
            ben.post("/api/people/ann/password", json={"name": "ann", "password": "a long password"}),
            ben.delete("/api/people/ann"),
            ben.post("/api/lists", json={"name": "x", "work": "views"}),
            ben.post("/api/export", json={"format": "marks"}),
            ben.get("/api/results/Achilles healing"),
        ):
            assert answer.status_code == 400, answer.request.url
            assert "administrator" in answer.json()["error"]
        assert ben.get("/api/results/Views").status_code == 200


def test_a_blind_reader_gets_nothing_of_another(app, desk):
    for name in ("ann", "ben"):
        desk.people.add(name, "a long password", is_admin=False)
    target = desk.catalogue.clips()[0].study_key
    scored = {"list": "Achilles healing", "slot": "score:SCT", "value": {"score": 6}}
    with Visitor(app) as ann, Visitor(app) as ben:
        ann.log_in(name="ann", password="a long password")
        ben.log_in(name="ben", password="a long password")
        assert ann.mark(target, **scored).status_code == 200
        for text in (
            ben.get(f"/api/lists/Achilles healing/targets/{target}").text,
            ben.get("/api/lists/Achilles healing").text,
            ben.get("/api/lists").text,
        ):
            assert '"score":6' not in text
            assert "ann" not in text
        assert ben.mark(target, **scored).json()["version"] == 1


def test_others_are_not_served_without_passwords(desk):
    from sonometry.annotate.server import serve

    with pytest.raises(UsageError, match="nobody has a password"):
        serve(desk, host="0.0.0.0", port=0)


def test_a_port_that_is_taken_is_told(desk):
    import socket

    from sonometry.annotate.server import serve
    from sonometry.core.errors import OutputError

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OutputError, match="choose another --port"):
            serve(desk, port=other.getsockname()[1])
