"""Identity: which security traded under a symbol, and when; a symbol followed through renames and re-use.

A symbol is a name at a point in time: META is a company since June 2022 and was a fund before, and that company was FB
until then. What is known comes from the vendor's ticker changes and lists. The changes miss most delisted names, and no
list says since when a symbol is used; so a span may be open at either end, and where nothing is known at all a symbol
is one span of an unknown security. It knows no database.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise, zip_longest

import msgspec

from project.names.listing import Listing
from project.names.ticker_change import TickerChange

_ONE_DAY = dt.timedelta(days=1)
# The vendor dates a change a few days off at times: META 2022-06-11, a Saturday, for Thursday 2022-06-09.
NEAR = dt.timedelta(days=10)


class Span(msgspec.Struct, frozen=True):
    """The dates, both included, on which a security has a ticker; None is an end that nobody knows, or none yet."""

    ticker: str
    first: dt.date | None = None
    last: dt.date | None = None

    def holds(self, day: dt.date) -> bool:
        """Tell whether a date is in it."""
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


class Security(msgspec.Struct, frozen=True):
    """A security with the tickers it has had, oldest first; `security_id` is None where it is not known which."""

    security_id: str | None
    name: str | None
    spans: tuple[Span, ...]


def securities_of(symbol: str, changes: Iterable[TickerChange], listings: Iterable[Listing]) -> list[Security]:
    """Return every security that is known to have had a symbol, the one that has or had it last at the end.

    `changes` and `listings` are those believed of all tickers of these securities. Where nothing is known the symbol
    is one span of an unknown security.
    """
    found = [
        security for security in securities(changes, listings) if any(span.ticker == symbol for span in security.spans)
    ]
    ordered = sorted(found, key=lambda security: _order(_newest_span(security, symbol)))
    return ordered or [Security(None, None, (Span(symbol),))]


def followed(symbol: str, known: Sequence[Security], on: dt.date | None = None) -> tuple[Span, ...]:
    """Return the spans to read for the security that has a symbol, on a date or last: its names, oldest first.

    `known` is what `securities_of` gives. A date on which no known security has the symbol belongs to an unknown one,
    between those that are known.
    """
    if on is None:
        return known[-1].spans
    for security in reversed(known):
        if any(span.ticker == symbol and span.holds(on) for span in security.spans):
            return security.spans
    spans = [span for security in known for span in security.spans if span.ticker == symbol]
    before = [span.last for span in spans if span.last is not None and span.last < on]
    after = [span.first for span in spans if span.first is not None and span.first > on]
    return (Span(symbol, max(before) + _ONE_DAY if before else None, min(after) - _ONE_DAY if after else None),)


def securities(changes: Iterable[TickerChange], listings: Iterable[Listing]) -> list[Security]:
    """Return the securities that ticker changes and listings tell of, with non-overlapping spans of each ticker."""
    told = _of_changes(changes)
    by_id = {one.security_id: one for one in told}
    told.extend(_of_listings([listing for listing in listings if not _take_in(by_id, listing)]))
    _part_shared_tickers(told)
    return [Security(one.security_id, one.name, tuple(one.spans)) for one in told]


def settled(spans: Sequence[Span], sessions: Mapping[str, Sequence[dt.date]]) -> tuple[Span, ...]:
    """Return the spans of one security with each change on the date that the bars show, where they show it.

    `sessions` are those near the changes for which each ticker has a bar. A change moves within `NEAR` days of the
    vendor's date, to the first bar of the new ticker after the last one of the old.
    """
    moved = list(spans)
    for place in range(1, len(moved)):
        old, new = moved[place - 1], moved[place]
        if new.first is None or old.last != new.first - _ONE_DAY:
            continue
        first = _shown_by_bars(
            new.first, _near(sessions.get(old.ticker, ()), new.first), _near(sessions.get(new.ticker, ()), new.first)
        )
        if (old.first is None or old.first < first) and (new.last is None or first <= new.last):
            moved[place - 1] = msgspec.structs.replace(old, last=first - _ONE_DAY)
            moved[place] = msgspec.structs.replace(new, first=first)
    return tuple(moved)


def _near(days: Sequence[dt.date], change: dt.date) -> list[dt.date]:
    return [day for day in days if abs(day - change) <= NEAR]


def _shown_by_bars(change: dt.date, old: Sequence[dt.date], new: Sequence[dt.date]) -> dt.date:
    if old and new:
        return min(new) if max(old) < min(new) else change
    if new:
        return min(change, min(new))
    return max(change, max(old) + _ONE_DAY) if old else change


class _Told(msgspec.Struct):
    """A security as it is being put together."""

    security_id: str
    name: str | None
    stated_by: int
    spans: list[Span]


def _of_changes(changes: Iterable[TickerChange]) -> list[_Told]:
    by_security: dict[str, list[TickerChange]] = defaultdict(list)
    for change in changes:
        by_security[change.security_id].append(change)
    told = []
    for security_id, own in sorted(by_security.items()):
        ordered = sorted(own, key=lambda change: (change.changed_on, change.archive_seq, change.ticker))
        newest = max(own, key=lambda change: change.archive_seq)
        told.append(_Told(security_id, newest.name, newest.archive_seq, list(_spans(ordered))))
    return told


def _spans(changes: Sequence[TickerChange]) -> Iterator[Span]:
    """Yield the spans between changes that are in order of time; of two on one date the later word stands."""
    last_word = {change.changed_on: change for change in changes}
    kept = [next(same) for _, same in groupby(last_word.values(), lambda change: change.ticker)]
    for change, following in zip_longest(kept, kept[1:]):
        until = None if following is None else following.changed_on - _ONE_DAY
        yield Span(change.ticker, change.changed_on, until)


def _take_in(told: Mapping[str, _Told], listing: Listing) -> bool:
    """Tell whether a listing is of a security that ticker changes tell of, and add to it what the listing knows."""
    for vendor_id in (listing.composite_figi, listing.share_class_figi, listing.security_id, listing.cik):
        one = told.get(vendor_id or "")
        tickers = [] if one is None else [span.ticker for span in one.spans]
        if one is None or not _is_of(listing, one.security_id, tickers):
            continue
        if listing.ticker not in tickers:
            _add_name(one, listing)
            return True
        place = len(tickers) - 1 - tickers[::-1].index(listing.ticker)
        span, until = one.spans[place], listing.delisted_on
        if until is not None and span.last is None and (span.first is None or span.first <= until):
            one.spans[place] = msgspec.structs.replace(span, last=until)
        return True
    return False


def _add_name(one: _Told, listing: Listing) -> None:
    """Add a name that the changes do not have: a newer one if it was listed since, else an older one."""
    begin, newest, gone = one.spans[0].first, one.spans[-1].first, listing.delisted_on
    since = gone > newest if gone and newest else listing.active and listing.archive_seq > one.stated_by
    if since:
        one.spans.append(Span(listing.ticker, None, gone))
    else:
        ends = [end for end in (gone, begin and begin - _ONE_DAY) if end is not None]
        one.spans.insert(0, Span(listing.ticker, None, min(ends, default=None)))


def _is_of(listing: Listing, security_id: str, tickers: Sequence[str]) -> bool:
    if security_id in (listing.composite_figi, listing.share_class_figi):
        return True
    # A company is not a security: another ticker of the same company is another of its securities.
    return security_id in (listing.security_id, listing.cik) and listing.ticker in tickers


def _of_listings(listings: Iterable[Listing]) -> list[_Told]:
    """Return the securities that only lists tell of: those that share a FIGI are one, or any id under one ticker."""
    told: list[_Told] = []
    known: dict[object, list[_Told]] = defaultdict(list)
    for listing in sorted(listings, key=lambda listing: (listing.archive_seq, listing.ticker, listing.security_id)):
        figis = {figi for figi in (listing.composite_figi, listing.share_class_figi) if figi}
        ids = figis | {listing.security_id, listing.cik or listing.security_id}
        signs = [*sorted(figis), *((listing.ticker, vendor_id) for vendor_id in sorted(ids))]
        span = Span(listing.ticker, None, listing.delisted_on)
        for one in (one for sign in signs for one in known[sign]):
            if not any(own.ticker == span.ticker and _are_two(own, span) for own in one.spans):
                one.security_id, one.name, one.stated_by = listing.security_id, listing.name, listing.archive_seq
                one.spans = [own for own in one.spans if own.ticker != listing.ticker] + [span]
                break
        else:
            one = _Told(listing.security_id, listing.name, listing.archive_seq, [span])
            told.append(one)
        for sign in signs:
            if one not in known[sign]:
                known[sign].append(one)
    for one in told:
        one.spans.sort(key=_order)
    return told


def _are_two(known: Span, listed: Span) -> bool:
    """Tell whether both were delisted, on different dates: one security is so once under a ticker."""
    return known.last is not None and listed.last is not None and known.last != listed.last


def _part_shared_tickers(told: Sequence[_Told]) -> None:
    """Give each security its own time under a ticker that several have had: it is one at a time."""
    by_ticker: dict[str, list[tuple[_Told, int]]] = defaultdict(list)
    for one in told:
        for place, span in enumerate(one.spans):
            by_ticker[span.ticker].append((one, place))
    for uses in by_ticker.values():
        ordered = sorted(uses, key=lambda use: (_order(use[0].spans[use[1]]), use[0].stated_by))
        for (one, place), (other, other_place) in pairwise(ordered):
            earlier, later = one.spans[place], other.spans[other_place]
            if one is other:
                continue
            if later.first is None:
                if earlier.last is not None and (later.last is None or earlier.last < later.last):
                    other.spans[other_place] = msgspec.structs.replace(later, first=earlier.last + _ONE_DAY)
            elif earlier.first is None or earlier.first < later.first:
                until = min(earlier.last or dt.date.max, later.first - _ONE_DAY)
                one.spans[place] = msgspec.structs.replace(earlier, last=until)


def _newest_span(security: Security, symbol: str) -> Span:
    return max((span for span in security.spans if span.ticker == symbol), key=_order)


def _order(span: Span) -> tuple[int, dt.date]:
    """Return what puts uses of a ticker in order of time: those that have ended, of unknown time, and that go on."""
    if span.last is not None:
        return 0, span.last
    return (1, dt.date.min) if span.first is None else (2, span.first)
