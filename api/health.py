"""GET /health: whether this process is alive. It asks nobody else, so it says nothing of the database."""

from importlib.metadata import version
from typing import Annotated, Literal

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from api.answer import json_answer
from api.operation import Operation
from api.params import NoParams


class Health(Struct, frozen=True):
    """A process that answers."""

    status: Literal["healthy"]
    version: Annotated[str, Meta(description="The version of the software that answers.")]


_HEALTHY = Health("healthy", version("market-data-warehouse"))


async def health(request: Request, params: NoParams) -> Response:
    """Answer that the process is alive."""
    return json_answer(_HEALTHY)


OPERATION = Operation(
    path="/health",
    summary="Is the server alive",
    description="Answers as long as the process runs, whether or not the database does.",
    params=NoParams,
    answer=Health,
    example=_HEALTHY,
    handle=health,
    tags=("Operations",),
)
