"""Pages of results: who has read what, how far readers agree, and files of it."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from sonometry.annotate.desk import Desk
from sonometry.annotate.people import Person
from sonometry.core.errors import UsageError


class Export(BaseModel):
    """Which files to write."""

    model_config = ConfigDict(extra="forbid", strict=True)
    format: str = Field(max_length=32)


def add_results(app: FastAPI, desk: Desk, person: Callable[[Request], Person]) -> None:
    """Add the addresses of this module."""

    def surveys(who: Annotated[Person, Depends(person)]) -> list[dict[str, str]]:
        return [{"name": one.name, "title": one.title} for one in desk.surveys.values()]

    def results(name: str, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        from sonometry.annotate.agreement import results_of

        one = desk.lists.get(name)
        if one.is_blind and not who.is_admin:
            raise UsageError("readers are blind to each other; an administrator sees the results of this list")
        return results_of(desk, one)

    def export(body: Export, who: Annotated[Person, Depends(person)]) -> dict[str, Any]:
        from sonometry.annotate.export import export as write

        if not who.is_admin:
            raise UsageError("only an administrator may export")
        result = write(desk, [body.format], None)
        return {"paths": [str(path) for path in result.paths], "notes": list(result.notes)}

    app.get("/api/surveys")(surveys)
    app.get("/api/results/{name}")(results)
    app.post("/api/export")(export)
