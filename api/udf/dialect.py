"""The charting library's language: every refusal says `s` and `errmsg`, whatever its status.

The library parses the body of any status, and takes a body without `s` for a symbol it may chart.

Source: the library's UDF-compatible datafeed (history provider, requester and resolveSymbol); its page "UDF".
"""

from typing import Annotated

from msgspec import Meta, Struct

from api.dialect import Dialect
from api.errors import ErrorDetail


class ChartError(Struct, frozen=True, tag_field="s", tag="error"):
    """What was asked cannot be answered."""

    errmsg: Annotated[str, Meta(description="What the chart shows.")]
    error: Annotated[ErrorDetail, Meta(description="The same, as every route of ours says it.")]

    @classmethod
    def of(cls, detail: ErrorDetail) -> "ChartError":
        """Return an error of ours as the library reads it."""
        return cls(detail.message, detail)


def _translate(status: int, detail: ErrorDetail) -> tuple[int, ChartError]:
    return status, ChartError.of(detail)


UDF = Dialect(("/udf/",), ChartError, _translate)
