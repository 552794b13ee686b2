"""What stands around the rows of a bar reply, key by key in the recorded order. It must not know the rows.

Source: recorded range, previous-close and grouped responses. No trailing newline: a verbatim cassette has none.
"""

from tests.fake_polygon.ask import Ask, Reply
from tests.fake_polygon.body import Body
from tests.fake_polygon.rows import quoted

_EMPTY = {"absent": "", "list": '"results":[],', "null": '"results":null,'}


def beginning(ask: Ask, ticker: str | None, adjusted: bool, count: int, rows: bytes) -> Body:
    """Return everything up to the status; `ticker` is None for the whole market."""
    subject = "" if ticker is None else f'"ticker":{quoted(ticker)},'
    counts = f'"queryCount":{count},"resultsCount":{count},"adjusted":{str(adjusted).lower()},'
    results = b'"results":[' + rows + b"]," if count else _EMPTY[ask.plan.empty_results].encode()
    return Body(b"{" + subject.encode() + counts.encode() + results)


def reply(ask: Ask, body: Body, count: int, next_url: str | None = None) -> Reply:
    """Return the reply with its own request_id; an empty one has no `count`, a last page no `next_url`."""
    end = f'"status":"{ask.state}","request_id":"{ask.request_id}"'
    if count:
        end += f',"count":{count}'
    if next_url is not None:
        end += f',"next_url":{quoted(next_url)}'
    return Reply(200, body, (end + "}").encode(), ask.request_id)
