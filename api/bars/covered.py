"""A series together with its coverage, both of one state of the projection."""

from api.bars.selection import Selection, Series, read_series
from api.errors import GenerationChanging
from api.overview.coverage import Coverage, ProjectionMoved, read_coverage
from api.warehouse import Warehouse

_ATTEMPTS = 16


async def read_covered(warehouse: Warehouse, selection: Selection) -> tuple[Series, Coverage]:
    """Return the bars of a selection and what is missing of its range; they are read again where the projection moved
    on between the two.

    Raises: UnknownSymbol; READ_ERRORS.
    """
    for _ in range(_ATTEMPTS):
        series = await read_series(warehouse, selection)
        try:
            coverage = await read_coverage(
                warehouse,
                selection.symbol,
                selection.first,
                selection.last,
                series.sessions,
                generation=series.generation,
            )
        except ProjectionMoved:
            continue
        return series, coverage
    raise GenerationChanging
