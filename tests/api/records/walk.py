"""Walking a list by its cursors, as a caller would."""

from typing import Any

from tests.api.served import Client

_MOST_PAGES = 100


async def walk(client: Client, target: str, field: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of all pages of a list, each page being full but the last."""
    rows: list[dict[str, Any]] = []
    more = "&" if "?" in target else "?"
    cursor = ""
    for _ in range(_MOST_PAGES):
        page = (await client.ask(f"{target}{more}limit={limit}{cursor}")).json
        assert page["count"] == len(page[field])
        rows += page[field]
        if page["next_cursor"] is None:
            assert page["count"] <= limit
            return rows
        assert page["count"] == limit
        cursor = f"&cursor={page['next_cursor']}"
    raise AssertionError(f"{target} has no end")
