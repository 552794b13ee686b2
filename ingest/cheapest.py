"""The fewest calls for a set of holes: which to ask for by name, and which sessions for the whole market.

One call gives either all sessions that one name misses or one session for every name, so each missing session needs
the one or the other: the cheapest choice is a minimum vertex cover of the bipartite graph of names and sessions, which
by König's theorem is a minimum cut. Pure; it knows no vendor and no archive.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

Name = TypeVar("Name", bound=Hashable)
Session = TypeVar("Session", bound=Hashable)

# Where both need as many calls, names are asked for: an answer for the whole market is a hundred times as large.
_BY_NAME, _BY_SESSION = 1_000_000, 1_000_001
_SOURCE, _SINK = "source", "sink"


class Choice(msgspec.Struct, Generic[Name, Session], frozen=True):
    """What to ask for by name and what by session; together they fill every hole."""

    names: frozenset[Name]
    sessions: frozenset[Session]


def cheapest(holes: Mapping[Name, Sequence[Session]]) -> Choice[Name, Session]:
    """Return the choice with the fewest calls for the sessions that each name misses."""
    by_name, rest = _surely_by_name(holes)
    cut, sessions = _minimum_cut(rest)
    return Choice(by_name | cut, sessions)


def _surely_by_name(
    holes: Mapping[Name, Sequence[Session]],
) -> tuple[frozenset[Name], dict[Name, frozenset[Session]]]:
    """Set aside the names that miss as many sessions as there are names: asking for each name costs no more."""
    rest = {name: sessions for name, sessions in holes.items() if sessions}
    by_name: set[Name] = set()
    while many := {name for name, sessions in rest.items() if len(sessions) >= len(rest)}:
        by_name |= many
        rest = {name: sessions for name, sessions in rest.items() if name not in many}
    return frozenset(by_name), {name: frozenset(sessions) for name, sessions in rest.items()}


def _minimum_cut(holes: Mapping[Name, frozenset[Session]]) -> tuple[frozenset[Name], frozenset[Session]]:
    """Return both sides of the minimum vertex cover.

    Names that miss the same sessions are one node, and so are sessions that the same names miss, so a night on which
    thousands of symbols miss the same few sessions is a graph of three edges.
    """
    if not holes:
        return frozenset(), frozenset()
    names_of: dict[frozenset[Session], list[Name]] = defaultdict(list)
    for name, sessions in holes.items():
        names_of[sessions].append(name)
    if len(names_of) == 1:  # as on most nights
        ((sessions, names),) = names_of.items()
        return (frozenset(), sessions) if len(sessions) < len(names) else (frozenset(names), frozenset())
    import networkx  # a fifth of a second that other commands need not wait for

    missed_by: dict[Session, set[frozenset[Session]]] = defaultdict(set)
    for sessions in names_of:
        for session in sessions:
            missed_by[session].add(sessions)
    sessions_of: dict[frozenset[frozenset[Session]], list[Session]] = defaultdict(list)
    for session, classes in missed_by.items():
        sessions_of[frozenset(classes)].append(session)

    graph = networkx.DiGraph()
    for sessions, names in names_of.items():
        graph.add_edge(_SOURCE, ("names", sessions), capacity=_BY_NAME * len(names))
    for alike_of, alike in sessions_of.items():
        graph.add_edge(("sessions", alike_of), _SINK, capacity=_BY_SESSION * len(alike))
        for sessions in alike_of:
            graph.add_edge(("names", sessions), ("sessions", alike_of))  # no capacity: it cannot be cut
    _, (kept, _) = networkx.minimum_cut(graph, _SOURCE, _SINK)
    return (
        frozenset(n for sessions, names in names_of.items() if ("names", sessions) not in kept for n in names),
        frozenset(s for alike_of, alike in sessions_of.items() if ("sessions", alike_of) in kept for s in alike),
    )
