"""Score forms from YAML: what is asked, on which scale, and what its ends mean.

A survey is a file of `surveys/` or one that the user names:

    name: achilles
    title: ...
    items:
      - {id: SCT, title: ..., low: 1, high: 7, low_means: healthy, high_means: severely injured}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from sonometry.core.errors import DataError
from sonometry.io.atomic import write_atomic

#: Folder in a workspace for surveys that users bring.
SURVEYS = "surveys"
_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_LONGEST, _MOST_ITEMS, _LARGEST_BYTES = 200, 60, 100_000
_WIDEST = 100


@dataclass(frozen=True)
class SurveyItem:
    """One question with whole numbers from low to high as answers."""

    id: str
    title: str
    low: int
    high: int
    low_means: str = ""
    high_means: str = ""
    help: str = ""


@dataclass(frozen=True)
class Survey:
    """Questions that are answered together, about a clip or an exam."""

    name: str
    title: str
    items: tuple[SurveyItem, ...]
    source: str = ""

    def item(self, name: str) -> SurveyItem | None:
        """The question `name`, or None."""
        return next((item for item in self.items if item.id == name), None)


def shipped_surveys() -> dict[str, Survey]:
    """The surveys of the package, by name."""
    folder = resources.files("sonometry.annotate") / "surveys"
    texts = (file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".yaml"))
    return {one.name: one for one in sorted(map(parse_survey, texts), key=lambda s: s.name)}


def read_survey(path: Path) -> Survey:
    """A survey of the user's. DataError says what is wrong with it."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise DataError(f"{path.name} is too large for a survey; at most {_LARGEST_BYTES // 1000} kB")
        return parse_survey(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} cannot be read as text in UTF-8; pass a survey in YAML") from error
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from error


def kept_surveys(workspace: Path, brought: Sequence[Path] = ()) -> dict[str, Survey]:
    """The user's surveys by name: those that the workspace keeps, and new ones, which it keeps from now on."""
    folder = workspace / SURVEYS
    for path in brought:
        survey = read_survey(path)
        write_atomic(folder / f"{survey.name}.yaml", path.read_bytes())
    kept = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    return {survey.name: survey for survey in map(read_survey, kept)}


def parse_survey(text: str) -> Survey:
    """A survey from YAML. DataError for anything that is none."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError("a survey must be YAML with name, title and items") from error
    if not isinstance(data, Mapping) or not isinstance(data.get("items"), list):
        raise DataError("a survey must be YAML with name, title and items")
    name = data.get("name")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise DataError("the name of a survey is at most 32 letters, digits and _")
    items = tuple(_item(number, entry) for number, entry in enumerate(data["items"], 1))
    if not 1 <= len(items) <= _MOST_ITEMS or len({item.id for item in items}) < len(items):
        raise DataError(f"a survey has 1 to {_MOST_ITEMS} items, each with its own id")
    return Survey(name, _words("title", data.get("title", name)), items, _words("source", data.get("source", "")))


def _item(number: int, entry: Any) -> SurveyItem:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str) or not _ID.fullmatch(entry["id"]):
        raise DataError(f"item {number} needs an id of at most 32 letters, digits and _")
    low, high = entry.get("low"), entry.get("high")
    if type(low) is not int or type(high) is not int or not low < high or high - low > _WIDEST:
        raise DataError(f"item {entry['id']} needs whole numbers low and high with low below high")
    texts = {key: _words(key, entry.get(key, "")) for key in ("low_means", "high_means", "help")}
    return SurveyItem(entry["id"], _words("title", entry.get("title", entry["id"])), low, high, **texts)


def _words(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or not value.replace("\n", " ").isprintable():
        raise DataError(f"{name} must be a text of at most {_LONGEST} characters")
    return value
