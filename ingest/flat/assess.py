"""What an archived flat file is: how many lines of which session, or one of the ways in which there is no file.

A pure function of the response, as assess.py is for the REST routes. It reads the header and `window_start` and nothing
else: ingest knows no prices, and a line that cannot be a bar is the projector's to reject.

Source: error documents of S3 (Code and Message in XML); the vendor publishes a file by 11:00 New York on the next day.
"""

import datetime as dt
import gzip
import io
import re
import zlib

from archive.calendar import NEW_YORK
from archive.payload import Response, Transfer
from ingest.assess import Assessment, Outcome
from ingest.period import last_surely_absent

_MOST_BYTES = 1 << 28
_LONGEST_MESSAGE = 200
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NEEDED = {b"ticker", b"window_start"}
_NS_PER_S = 1_000_000_000
_DAY = re.compile(rb"\d{10,19}")
# A file of minutes has the same columns, and hundreds of times.
_MOST_TIMES = 100
# What a server says to whoever may not, or asks in a wrong way: no other file will be answered either.
_NOT_FOR_YOU = (301, 302, 307, 308, 400, 401, 403)
_NO_BUCKET = "NoSuchBucket"
_DENIED = "AccessDenied"
_TOO_SLOW = "RequestTimeout"


def assess_flat_file(response: Response) -> Assessment:
    """Return what a response to the request for a session's flat file is."""
    if response.http_status != 200:
        return _refusal(response)
    if response.transfer is not Transfer.COMPLETE:
        return _no_file(f"its body was cut short after {len(response.body):,} bytes")
    text = _unzipped(response.body)
    if text is None:
        return _no_file("its body is no whole gzip file")
    header, _, rows = text.removeprefix(_BYTE_ORDER_MARK).replace(b"\r\n", b"\n").partition(b"\n")
    columns = [name.strip(b' "') for name in header.split(b",")]
    if not _NEEDED.issubset(columns):
        return _no_file(f"its header names no ticker and window_start: {_plain(header.decode(errors='replace'))!r}")
    lines = [line for line in rows.split(b"\n") if line]
    return _file(response, lines, columns.index(b"window_start"))


def _file(response: Response, lines: list[bytes], place: int) -> Assessment:
    if not lines:
        return _no_file("it has a header and no line")
    stamps = {fields[place].strip(b'"') for fields in (line.split(b",") for line in lines) if len(fields) > place}
    if len(stamps) > _MOST_TIMES:
        return _no_file(f"its {len(lines):,} lines are of {len(stamps):,} times: it is no file of daily bars")
    days = sorted({_new_york_date(stamp) for stamp in stamps if _DAY.fullmatch(stamp)})
    asked = [day for day in days if day == response.request.from_date]
    if asked:
        return Assessment(Outcome.ANSWER, len(lines), asked[0], asked[-1])
    stamped = f"the first is of {days[0]}" if days else "they have no date"
    message = f"none of its {len(lines):,} lines is of its session, {stamped}"
    return Assessment(Outcome.ANSWER, len(lines), message=message)


def _new_york_date(stamp: bytes) -> dt.date:
    return dt.datetime.fromtimestamp(int(stamp) // _NS_PER_S, NEW_YORK).date()


def _unzipped(body: bytes) -> bytes | None:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            text = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        return None
    return text if len(text) <= _MOST_BYTES else None


def _refusal(response: Response) -> Assessment:
    status, text = response.http_status, response.body[:10_000].decode(errors="replace")
    code, said = _element(text, "Code"), _element(text, "Message")
    outcome = _outcome(response, code)
    parts = ("no such file", str(status), code) if outcome is Outcome.NOT_FOUND else (str(status), code, said)
    return Assessment(outcome, message=_plain(": ".join(part for part in parts if part)))


def _outcome(response: Response, code: str) -> Outcome:
    status, session = response.http_status, response.request.from_date
    may_come = session is not None and session > last_surely_absent(response.fetched_at)
    # Some servers deny a file that is not there to a key that may not list the bucket.
    if may_come and (status == 404 or code == _DENIED) and code != _NO_BUCKET:
        return Outcome.NOT_YET
    if status == 408 or code == _TOO_SLOW:
        return Outcome.VENDOR_FAILED
    if status in _NOT_FOR_YOU or code == _NO_BUCKET:
        return Outcome.BAD_KEY
    match status:
        case 404:
            return Outcome.NOT_FOUND
        case 429:
            return Outcome.THROTTLED
        case _:
            return Outcome.VENDOR_FAILED if status >= 500 else Outcome.REFUSED


def _element(text: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else ""


def _plain(text: str) -> str:
    """Return a text of theirs as part of one line."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:_LONGEST_MESSAGE]


def _no_file(message: str) -> Assessment:
    return Assessment(Outcome.NOT_AN_ANSWER, message=message)
