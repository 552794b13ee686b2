"""What Schemathesis has to know of this API beside its document: what no schema of a parameter can say.

They concern requests that the document allows, and URLs too long to be read at all. What the document forbids is sent
as it is, and no check is switched off.
"""

import datetime as dt
from typing import Any
from urllib.parse import quote

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

from project.ruleset import DEFAULT_RULES

# Of the 16,384 bytes that a URL may have (api/access/bounds.py), 414 beyond; a list of 1,000 symbols may need more.
_LONGEST_QUERY = 15_000
_MOST_SYMBOLS_KNOWN_AT = 50
_TEN_YEARS_AGO = 1_485_000_000  # by the clock of the tests' servers, in seconds

# Words that only an answer can give; any other is refused with 422: a page's cursor, a rule of the live ruleset.
_GIVEN_BY_ANSWERS = ("cursor", "rule")


def _is_allowed(case: Case[Any]) -> bool:
    return case.meta is None or case.meta.generation.mode == GenerationMode.POSITIVE


@schemathesis.hook
def map_case(context: HookContext, case: Case[Any]) -> Case[Any]:
    """Leave out what only an answer can give, and let any text of rules be one that is a rules file."""
    if _is_allowed(case) and any(name in (case.query or {}) for name in _GIVEN_BY_ANSWERS):
        case.query = {name: value for name, value in case.query.items() if name not in _GIVEN_BY_ANSWERS}
    if _is_allowed(case) and "rules" in (case.query or {}):
        case.query = {**case.query, "rules": DEFAULT_RULES.read_text()}
    return case


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Leave out what another parameter forbids, and, whatever the document says, what does not fit into a URL."""
    query: dict[str, Any] = dict(case.query or {})
    path: dict[str, Any] = dict(case.path_parameters or {})
    return len(quote(str(query))) <= _LONGEST_QUERY and (
        not _is_allowed(case)
        or (
            _are_in_order(query, "start", "end")
            and _are_in_order(query, "since", "until")
            and _are_in_order(path, "from", "to")
            and _goes_with_known_at(case.path, query)
            and not (case.path == "/api/v1/coverage" and _when(query.get("start")) < _TEN_YEARS_AGO)
        )
    )


def _are_in_order(values: dict[str, Any], first: str, last: str) -> bool:
    """Tell whether a range does not end before it starts."""
    return first not in values or last not in values or _when(values[first]) <= _when(values[last])


def _when(written: Any) -> float:
    """Return a date or an instant, also one in milliseconds as the vendor has them, in seconds; else no number."""
    try:
        when = dt.datetime.fromisoformat(str(written))
    except ValueError:
        pass
    else:
        since_epoch = when.replace(tzinfo=when.tzinfo or dt.UTC) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        return since_epoch.total_seconds()
    try:
        return int(str(written)) / 1000
    except ValueError:
        return float("nan")


def _goes_with_known_at(path: str, query: dict[str, Any]) -> bool:
    """Tell whether what was believed at an instant is asked for alone, and of not too many symbols."""
    if "known_at" not in query:
        return True
    if str(query.get("history")).lower() in ("true", "1"):
        return False
    return path != "/api/v1/bars" or 0 < len(query.get("symbols", ())) <= _MOST_SYMBOLS_KNOWN_AT
