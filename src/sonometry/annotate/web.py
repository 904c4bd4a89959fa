"""The web application: pages, and the JSON they live on. Thin; the work is done by `desk`.

Every clip is named by its key, never by a path; static files are a fixed list. All but the login needs a session, all
changes need the token of the session.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from sonometry.annotate.desk import Desk
from sonometry.annotate.guard import SAFE_METHODS, Guard
from sonometry.annotate.people import LONGEST_S, LoginRefused, Person, TooManyLogins, same_secret
from sonometry.annotate.readings import view_label
from sonometry.annotate.store import Conflict
from sonometry.annotate.structures import CONTOURS, UNUSABLE_REASONS, VIEW, VIEWS
from sonometry.annotate.work_lists import Work, WorkList
from sonometry.core.errors import DataError, SonometryError, UsageError

LOG = logging.getLogger(__name__)
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Access:
    """How one comes in. reader : name of the one person while there are no accounts; key : what lets him in."""

    port: int
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "::1"})
    reader: str = "reader"
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def cookie(self) -> str:
        """Cookies know no ports, so that two servers need two names."""
        return f"sonometry_{self.port}"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Login(_Body):
    name: str = Field("", max_length=64)
    password: str = Field("", max_length=1024)
    key: str = Field("", max_length=128)


class Action(_Body):
    list: str = Field(max_length=64)
    round: int = 1
    target: str = Field(max_length=64)
    slot: str = Field(max_length=96)
    value: Any
    seen_version: int = Field(ge=0, le=10**6)
    action_id: str = Field(pattern=r"^[0-9a-f-]{36}$")


class Undo(_Body):
    list: str = Field(max_length=64)
    round: int = 1
    action_id: str = Field(pattern=r"^[0-9a-f-]{36}$")


class NewList(_Body):
    name: str = Field(max_length=64)
    work: Work = Field(strict=False)
    is_blind: bool = False
    rounds: int = 1
    survey: str = Field("", max_length=64)
    structures: tuple[str, ...] = Field((), max_length=20, strict=False)
    is_exam: bool = False
    chosen: dict[str, str] = Field(default_factory=dict, max_length=9)


class NewPerson(_Body):
    name: str = Field(max_length=64)
    password: str = Field(max_length=1024)
    is_admin: bool = False


def create_app(desk: Desk, access: Access) -> Any:
    """The application on an open desk."""
    app = FastAPI(title="Sonometry annotation", docs_url=None, redoc_url=None, openapi_url=None)
    _add_errors(app)
    _add_pages(app)
    _add_login(app, desk, access)
    person = _who(desk, access)
    _add_lists(app, desk, person)
    _add_marks(app, desk, person)
    _add_clips(app, desk, person)
    _add_people(app, desk, person)
    from sonometry.annotate.web_results import add_results

    add_results(app, desk, person)
    return Guard(app, access.hosts)


Who = Callable[[Request], Person]


def _who(desk: Desk, access: Access) -> Who:
    """Who sends a request. Raises LoginRefused."""

    def person(request: Request) -> Person:
        known = desk.people.session(request.cookies.get(access.cookie, ""), alone=access.reader)
        if request.method not in SAFE_METHODS and not same_secret(request.headers.get("x-csrf", ""), known.csrf):
            raise LoginRefused("the page is out of date; reload it")
        return known

    return person


def administrator(person: Person) -> None:
    """UsageError for anybody else."""
    if not person.is_admin:
        raise UsageError("only an administrator may do this")


def _add_errors(app: FastAPI) -> None:
    def refused(status: int) -> Callable[[Request, Exception], JSONResponse]:
        return lambda request, error: JSONResponse({"error": str(error)}, status)

    def conflict(request: Request, error: Any) -> JSONResponse:
        return JSONResponse({"error": str(error), "current": error.current.as_json()}, 409)

    def too_many(request: Request, error: Any) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 429, {"Retry-After": str(error.wait_s)})

    def malformed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "the request has another form than expected; reload the page"}, 422)

    def unexpected(request: Request, error: Exception) -> JSONResponse:
        LOG.error("a request failed: %s", type(error).__name__)  # no text of the error: it may quote a file
        return JSONResponse({"error": "this failed inside the server"}, 500)

    app.add_exception_handler(Conflict, conflict)
    app.add_exception_handler(TooManyLogins, too_many)
    app.add_exception_handler(LoginRefused, refused(401))
    app.add_exception_handler(UsageError, refused(400))
    app.add_exception_handler(DataError, refused(422))
    app.add_exception_handler(SonometryError, refused(500))
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(Exception, unexpected)


def _add_pages(app: FastAPI) -> None:
    """The page and what it loads, read once."""
    folder = resources.files("sonometry.annotate") / "static"
    files = {
        one.name: (one.read_bytes(), _TYPES["." + one.name.rpartition(".")[2]])
        for one in folder.iterdir()
        if "." + one.name.rpartition(".")[2] in _TYPES
    }

    def static(name: str) -> Response:
        if name not in files:
            return JSONResponse({"error": "there is no such page"}, 404)
        content, kind = files[name]
        return Response(content, media_type=kind)

    app.get("/")(lambda: static("index.html"))
    app.get("/favicon.ico")(lambda: static("mark.svg"))
    app.get("/static/{name}")(static)


def _add_login(app: FastAPI, desk: Desk, access: Access) -> None:
    def log_in(body: Login, request: Request) -> Response:
        if desk.people.is_empty():
            address = f"address {request.client.host if request.client else ''}"
            desk.people.limiter.check((address,))
            if not same_secret(body.key, access.key):
                desk.people.limiter.failed((address,))
                raise LoginRefused("open the address that the terminal shows; it holds the key")
            secret, known = desk.people.open_session(access.reader, is_admin=True)
        else:
            address = request.client.host if request.client else ""
            secret, known = desk.people.log_in(body.name, body.password, address=address)
        response = JSONResponse(_me(known, desk))
        response.set_cookie(
            access.cookie,
            secret,
            max_age=int(LONGEST_S),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def log_out(request: Request) -> Response:
        desk.people.log_out(request.cookies.get(access.cookie, ""))
        response = JSONResponse({})
        response.delete_cookie(access.cookie, httponly=True, samesite="strict")
        return response

    def me(request: Request) -> dict[str, Any]:
        try:
            return _me(_who(desk, access)(request), desk)
        except LoginRefused:
            return {"name": None, "is_alone": desk.people.is_empty()}

    app.post("/api/login")(log_in)
    app.post("/api/logout")(log_out)
    app.get("/api/me")(me)


def _me(person: Person, desk: Desk) -> dict[str, Any]:
    return {
        "name": person.name,
        "is_admin": person.is_admin,
        "is_alone": desk.people.is_empty(),
        "csrf": person.csrf,
        "views": [{"name": v.name, "title": v.title, "key": v.key} for v in VIEWS],
        "contours": [
            {"name": c.name, "title": c.title, "colour": c.colour, "is_closed": c.is_closed} for c in CONTOURS
        ],
        "unusable_reasons": UNUSABLE_REASONS,
    }


def _add_lists(app: FastAPI, desk: Desk, person: Who) -> None:
    def lists(who: Annotated[Person, Depends(person)]) -> list[dict[str, Any]]:
        found = []
        for one in desk.lists.all():
            rounds = []
            for round_ in range(1, one.rounds + 1):
                targets, done = desk.progress(one, who.name, round_)
                rounds.append({"n": len(targets), "n_done": sum(t.key in done for t in targets)})
            found.append({**one.as_json(), "progress": rounds})
        return found

    def add(body: NewList, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        administrator(who)
        one = WorkList(**{**body.model_dump(), "structures": tuple(body.structures)})
        desk.lists.add(one)
        return one.as_json()

    def one_list(name: str, who: Annotated[Person, Depends(person)], round: int = 1) -> dict[str, Any]:
        one = desk.lists.get(name)
        targets, done = desk.progress(one, who.name, round)
        survey = desk.survey_of(one)
        rows = [{"key": t.key, "n_clips": len(t.clips), "is_done": t.key in done} for t in targets]
        if not one.is_blind and not one.is_exam:
            for row, target in zip(rows, targets, strict=True):
                clip = target.clips[0]
                row |= {"vendor": clip.vendor, "n_frames": clip.n_frames}
        if one.work is Work.VIEWS:
            labels = {m.target: view_label(m) for m in desk.store.standing(one.scope(who.name, round), [VIEW])}
            rows = [{**row, "label": labels.get(str(row["key"]), "")} for row in rows]
        return {
            **one.as_json(),
            "round": round,
            "targets": rows,
            "form": survey
            and {"title": survey.title, "source": survey.source, "items": [vars(i) for i in survey.items]},
        }

    app.get("/api/lists")(lists)
    app.post("/api/lists")(add)
    app.get("/api/lists/{name}")(one_list)


def _add_marks(app: FastAPI, desk: Desk, person: Who) -> None:
    def target(name: str, key: str, who: Annotated[Person, Depends(person)], round: int = 1) -> dict[str, Any]:
        found, marks = desk.target(desk.lists.get(name), key, reader=who.name, round_=round)
        clips = [
            {"key": c.clip_key, "n_frames": c.n_frames, "is_cached": desk.frames.is_cached(c.clip_key)}
            for c in found.clips
        ]
        first = found.clips[0]
        warning = "This recording is not de-identified." if first.deidentification == "identified" else ""
        return {"key": key, "clips": clips, "marks": marks, "view": first.view, "warning": warning}

    def put(body: Action, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        mark = desk.put(
            desk.lists.get(body.list),
            body.target,
            body.slot,
            body.value,
            reader=who.name,
            round_=body.round,
            seen_version=body.seen_version,
            action_id=body.action_id,
        )
        return mark.as_json()

    def undo(body: Undo, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        mark = desk.undo(desk.lists.get(body.list), reader=who.name, round_=body.round, action_id=body.action_id)
        return mark.as_json()

    app.get("/api/lists/{name}/targets/{key}")(target)
    app.post("/api/marks")(put)
    app.post("/api/undo")(undo)


def _add_clips(app: FastAPI, desk: Desk, person: Who) -> None:
    def frames(key: str, who: Annotated[Person, Depends(person)]) -> Response:
        parts = desk.frames.pack(key)  # an error is raised here, before the first byte is sent
        return StreamingResponse(parts, media_type="application/octet-stream")

    def frame(key: str, index: int, who: Annotated[Person, Depends(person)]) -> Response:
        return Response(desk.frames.jpeg(key, index), media_type="image/jpeg")

    def suggestion(key: str, structure: str, index: int, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        from sonometry.annotate.suggest import suggest

        return suggest(desk.frames.read(desk.frames.clip(key).clip_key), key, structure, index)

    app.get("/api/clips/{key}/frames")(frames)
    app.get("/api/clips/{key}/frames/{index}")(frame)
    app.get("/api/clips/{key}/suggest/{structure}/{index}")(suggestion)


def _add_people(app: FastAPI, desk: Desk, person: Who) -> None:
    def people(who: Annotated[Person, Depends(person)]) -> list[dict[str, Any]]:
        administrator(who)
        return desk.people.names()

    def add(body: NewPerson, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        administrator(who)
        desk.people.add(body.name, body.password, is_admin=body.is_admin)
        return vars(replace(who, csrf=""))

    def change(body: NewPerson, name: str, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        if who.name != name:
            administrator(who)
        desk.people.set_password(name, body.password)
        return {}

    def remove(name: str, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        administrator(who)
        desk.people.remove(name)
        return {}

    app.get("/api/people")(people)
    app.post("/api/people")(add)
    app.post("/api/people/{name}/password")(change)
    app.delete("/api/people/{name}")(remove)
