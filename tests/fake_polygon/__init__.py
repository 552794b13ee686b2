"""A fake Polygon (Massive) vendor: a market, synthetic or from a folder, over HTTP in the vendor's own wire format.

A tool of the product as well as of its tests: the demo and the benchmarks run it too. Nothing here may be imported
by the rooms, and it imports none of them.
"""

from tests.fake_polygon.cast import DEFAULT_UNIVERSE, SPECIAL_TICKERS, made_up_tickers
from tests.fake_polygon.folder import FolderMarket
from tests.fake_polygon.plan import ADVANCED, BASIC, DEVELOPER, STARTER, Plan
from tests.fake_polygon.server import FakePolygon
from tests.fake_polygon.synthetic import SyntheticMarket
from tests.fake_polygon.vendor import Vendor

__all__ = [
    "ADVANCED",
    "BASIC",
    "DEFAULT_UNIVERSE",
    "DEVELOPER",
    "SPECIAL_TICKERS",
    "STARTER",
    "FakePolygon",
    "FolderMarket",
    "Plan",
    "SyntheticMarket",
    "Vendor",
    "made_up_tickers",
]
