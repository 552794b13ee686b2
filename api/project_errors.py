"""The errors of the rooms below, as a caller of the API reads them."""

from collections.abc import Iterator
from contextlib import contextmanager

import archive.errors
import project.errors
from api.errors import (
    AuditFailed,
    ForeignProjection,
    GenerationChanging,
    NothingProjected,
    PayloadDamaged,
    UnknownPayload,
    UnknownSymbol,
)
from api.generation import clear_database_errors
from project.names import symbol


@contextmanager
def clear_project_errors() -> Iterator[None]:
    """Turn what a reader of `project` or `archive` raises into this room's errors, a database that is away too.

    Raises: READ_ERRORS, UnknownSymbol, UnknownPayload, PayloadDamaged, AuditFailed.
    """
    try:
        with clear_database_errors():
            yield
    except project.errors.NothingProjected as exc:
        raise NothingProjected from exc
    except project.errors.OutdatedProjection as exc:
        raise ForeignProjection from exc
    except project.errors.GenerationChanging as exc:
        raise GenerationChanging from exc
    except project.errors.UnknownSymbols as exc:
        raise UnknownSymbol(exc.symbols[0]) from exc
    except symbol.UnknownSymbol as exc:
        raise UnknownSymbol(exc.symbol) from exc
    except project.errors.AuditFailed as exc:
        raise AuditFailed(str(exc)) from exc
    except archive.errors.UnknownPayload as exc:
        raise UnknownPayload(exc.archive_seq) from exc
    except archive.errors.DamagedPayload as exc:
        raise PayloadDamaged(exc.archive_seq) from exc
