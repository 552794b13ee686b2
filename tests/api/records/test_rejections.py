"""Rejected rows over HTTP: as they were sent, with every reason, by payload, reason, symbol and date."""

from typing import Any

from tests.api.records.archived import DAY, GROUPED, responses
from tests.api.served import Client


async def _rows(client: Client, query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await client.ask(f"/api/v1/rejections?{query}")).json["rejections"]
    return rows


async def test_each_rejected_row_is_told_as_it_was_sent(records: Client) -> None:
    rows = await _rows(records, "order=asc")
    assert [(row["archive_seq"], row["row_index"], row["symbol"], row["reasons"]) for row in rows] == [
        (GROUPED, 2, "ZVZZT", ["test_ticker"]),
        (GROUPED, 3, "LOST", ["missing_close"]),
        (GROUPED, 4, "AAPL", ["duplicate_key"]),
        (GROUPED, 5, "A\\u0000B", ["control_in_ticker"]),
    ]
    sent = responses()[GROUPED - 1].body.decode()
    assert all(row["row_text"] in sent and row["session"] == str(DAY) for row in rows)


async def test_filters_leave_those_that_are_meant(records: Client) -> None:
    assert [row["symbol"] for row in await _rows(records, "reason=missing_close")] == ["LOST"]
    assert await _rows(records, "reason=missing") == []
    assert len(await _rows(records, f"payload={GROUPED}")) == 4
    assert await _rows(records, f"payload={GROUPED + 1}") == []
    assert await _rows(records, "payload=9223372036854775807") == []
    assert [row["row_index"] for row in await _rows(records, "symbol=AAPL")] == [4]


async def test_a_reason_or_payload_that_cannot_be_is_refused(records: Client) -> None:
    for query, parameter in (
        ("reason=a%20b", "reason"),
        ("payload=0", "payload"),
        ("payload=9223372036854775808", "payload"),
        ("payload=1;DROP", "payload"),
    ):
        assert (await records.ask(f"/api/v1/rejections?{query}")).refusal().parameter == parameter
