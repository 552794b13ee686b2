"""The route of a tabular operation: one path, which may end in the suffix of a format."""

from starlette.routing import Match, Route
from starlette.types import Scope

from api.formats.representation import FORMAT, split_suffix


class TabularRoute(Route):
    """A route that is found with the suffix of a format as well, and tells the request which it was."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return how the path, without its suffix, matches."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path, suffix = split_suffix(scope["path"])
        match, found = super().matches({**scope, "path": path})
        return match, {**found, FORMAT: suffix}
