"""The facts of an answer that are not rows, as headers: they are all that CSV and NDJSON leave of the envelope."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct
from starlette.requests import Request


def fact_headers(request: Request, envelope: Struct) -> dict[str, str]:
    """Return Link to the next page, X-Generation and X-Coverage, each where the envelope has it."""
    headers = {}
    cursor = getattr(envelope, "next_cursor", None)
    if cursor is not None:
        headers["Link"] = f'<{_with_cursor(request, cursor)}>; rel="next"'
    generation = getattr(envelope, "generation", None)
    if generation is not None:
        headers["X-Generation"] = f"{generation.generation_id}; checkpoint={generation.checkpoint}"
    coverage = getattr(envelope, "coverage", None)
    if coverage is not None:
        headers["X-Coverage"] = json.dumps(_in_short(msgspec.to_builtins(coverage)), separators=(",", ":"))
    return headers


def _with_cursor(request: Request, cursor: str) -> str:
    """Return the target of a request with another cursor; it names no host, which only the caller knows for sure."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{quote(request.scope['path'])}?{urlencode([*query, ('cursor', cursor)])}"


def _in_short(facts: Any) -> Any:
    """Return facts as they fit into a header: of what is a list or a group in them, how many there are."""
    if not isinstance(facts, dict):
        return len(facts)
    return {name: len(fact) if isinstance(fact, list | dict) else fact for name, fact in facts.items()}
