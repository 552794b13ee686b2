"""From statements to versions: what payloads state of records is folded onto what is believed.

It knows no kind of record and no database; where a fold is cut in two it comes to the same.
"""

from collections.abc import Iterable, Sequence
from typing import Generic

import msgspec

from project import content
from project.content import Fingerprint
from project.record import Key, R, Statement


class FoldedRecords(msgspec.Struct, Generic[R], frozen=True):
    """Records after statements were taken in.

    `believed` hold now; `added` are new versions, of which some may have ended again already; `ended` are versions
    that were believed before and no longer are.
    """

    believed: list[R]
    added: list[R]
    ended: list[R]
    fingerprint: Fingerprint

    @property
    def changed(self) -> list[R]:
        """Every version that is new or has ended."""
        return [*self.added, *self.ended]


def fold_records(believed: Iterable[R], statements: Sequence[Statement[R]]) -> FoldedRecords[R]:
    """Return what holds once the statements are taken in, in their order."""
    fold = _Fold(believed)
    for statement in statements:
        fold.take(statement)
    return fold.result()


class _Fold(Generic[R]):
    def __init__(self, believed: Iterable[R]) -> None:
        self.before = {record.key: record for record in believed}
        self.now = dict(self.before)
        self.closed: list[R] = []
        self.answers: dict[str, set[Key]] = {}
        for record in self.before.values():
            self._remember(record)

    def take(self, statement: Statement[R]) -> None:
        said = {record.key: record for record in statement.records}  # the last word of one payload stands
        for key, record in said.items():
            old = self.now.get(key)
            if old is not None and old.fact == record.fact:
                continue
            if old is not None:
                self._end(old, statement)
            self.now[key] = record
            self._remember(record)
        for key in statement.ended:
            if key in self.now:
                self._end(self.now[key], statement)
        if statement.whole:
            for key in self.answers.get(statement.asked, set()) - set(said):
                self._end(self.now[key], statement)

    def result(self) -> FoldedRecords[R]:
        added = [record for key, record in self.now.items() if self.before.get(key) is not record]
        ended: list[R] = []
        for record in self.closed:
            was_there = record.key in self.before and self.before[record.key].archive_seq == record.archive_seq
            (ended if was_there else added).append(record)
        fingerprint = content.of_records(added) + content.of_records(ended)
        fingerprint -= content.of_records(self.before[record.key] for record in ended)
        return FoldedRecords(list(self.now.values()), added, ended, fingerprint)

    def _end(self, record: R, by: Statement[R]) -> None:
        del self.now[record.key]
        if record.asked is not None:
            self.answers[record.asked].discard(record.key)
        if record.archive_seq != by.archive_seq:
            self.closed.append(msgspec.structs.replace(record, known_to=by.known_from, ended_by=by.archive_seq))

    def _remember(self, record: R) -> None:
        if record.asked is not None:
            self.answers.setdefault(record.asked, set()).add(record.key)
