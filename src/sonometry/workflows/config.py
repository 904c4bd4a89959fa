"""Which options a run uses: a configuration (dataclass, mapping or YAML file), overridden by single options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sonometry.core.errors import UsageError
from sonometry.core.options import build, plain

#: A configuration as a caller may give it.
Configuration = Any


def resolve(cls: type, config: Configuration = None, options: Mapping[str, Any] | None = None) -> Any:
    """An instance of the dataclass `cls`.

    config : None, an instance of `cls`, a mapping, or the path of a YAML file. options : override it by name.
    Raises UsageError for an unknown option (naming the nearest) or a wrong value.
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, cls):
        raise UsageError(f"config must be a {cls.__name__}, got a {type(config).__name__}")
    if isinstance(config, (str, Path)):
        config = load_yaml(config)
    if config is None or isinstance(config, Mapping):
        config = build(cls, config or {})
    return build(cls, options, base=config) if options else config


def load_yaml(path: Path | str) -> dict[str, Any]:
    """Options from a YAML file; UsageError where it cannot be read or is no mapping."""
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"configuration {path.name} cannot be read: {error.strerror}; check --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"configuration {path.name} is not YAML; expected lines such as 'method: ncc'") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UsageError(f"configuration {path.name} must map option names to values, such as 'method: ncc'")
    return content


def to_yaml(config: Any) -> str:
    """YAML text of a configuration; `load_yaml` and `resolve` give it back."""
    return yaml.safe_dump(plain(config), sort_keys=False)
