"""What can go wrong with the logins and services of a composed warehouse.

OpsError
├── RoleInTheWay     a role of a login's name is something else
├── NotTheOwner      the login of DATABASE_URL may not make logins
└── NotHealthy       a service does not do its job now
"""

from collections.abc import Sequence

from ops.errors import OpsError


class RoleInTheWay(OpsError):
    """A role of that name has what a login of ours never has, so it is somebody else's and is left alone."""

    def __init__(self, name: str, reasons: Sequence[str]) -> None:
        super().__init__(
            f"the role {name} is there already and {', '.join(reasons)}; it is left as it is: "
            "give the logins other names (--prefix), or take that from it"
        )
        self.name, self.reasons = name, tuple(reasons)


class NotTheOwner(OpsError):
    """Roles are made by the database's owner, who may create roles; `why` is the server's word."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the login of DATABASE_URL may not make logins ({why}); run this as the database's owner, "
            "who may create roles"
        )


class NotHealthy(OpsError):
    """A service does not do its job now; `why` says what is missing."""

    def __init__(self, service: str, why: str) -> None:
        super().__init__(f"{service}: {why}")
        self.service, self.why = service, why
