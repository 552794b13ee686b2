"""docker-compose.yml as Docker Compose reads it: YAML with merged anchors, and ${...} taken from an environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"
IMAGE = "market-data-warehouse"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:[-?+])(?P<other>[^}]*))?\}")


class Unset(Exception):
    """A variable that must be set is not; the message is that of the file."""


def read_compose() -> dict[str, Any]:
    """Return the file as it stands, ${...} and all."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


def services(**environ: str) -> dict[str, dict[str, Any]]:
    """Return the services with what an environment makes of their variables.

    Raises: Unset.
    """
    found: dict[str, dict[str, Any]] = _filled(read_compose()["services"], environ)
    return found


def ours() -> dict[str, dict[str, Any]]:
    """Return the services that run our image, as they stand."""
    return {name: each for name, each in read_compose()["services"].items() if each["image"].startswith(IMAGE)}


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _VARIABLE.sub(lambda found: _replaced(found, environ), value)
        case dict():
            return {key: _filled(each, environ) for key, each in value.items()}
        case list():
            return [_filled(each, environ) for each in value]
        case _:
            return value


def _replaced(found: re.Match[str], environ: Mapping[str, str]) -> str:
    held, other = environ.get(found["name"], ""), found["other"]
    match found["how"]:
        case ":-":
            return held or other
        case ":+":
            return other if held else ""
        case ":?" if not held:
            raise Unset(f"{found['name']}: {other}")
        case _:
            return held
