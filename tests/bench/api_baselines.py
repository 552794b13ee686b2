"""What the API is measured against: the same bytes from memory, and a handler made the usual way.

`python -m tests.bench.api_baselines same BYTES` answers every path with so many bytes in our own server, behind its
gate and its access log; `… bare BYTES` does so in uvicorn with neither. `… usual 0` answers the route of one symbol
with FastAPI, pydantic and SQLAlchemy's mapped rows, one at a time.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from api.serve import listen, run_serving, server_of
from api.settings import ApiSettings
from sql.log import start_log


class _Base(DeclarativeBase):
    pass


class _Row(_Base):
    __tablename__ = "bar"
    __table_args__ = {"schema": "projection"}  # noqa: RUF012 - SQLAlchemy's own form

    ticker: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    open: Mapped[float]
    high: Mapped[float]
    low: Mapped[float]
    close: Mapped[float]
    volume: Mapped[float]
    vwap: Mapped[float | None]
    trades: Mapped[float | None]
    gap: Mapped[float | None]
    volume_ratio: Mapped[float | None]
    failed_rules: Mapped[int]
    quality_score: Mapped[float]
    validated: Mapped[bool]


class _Bar(BaseModel):
    session: date
    open: float
    high: float
    low: float
    close: float
    volume: float
    vwap: float | None
    trades: float | None
    quality_score: float
    validated: bool
    failed_rules: int
    gap: float | None
    volume_ratio: float | None


def from_memory(size: int) -> ASGIApp:
    """Return an application that answers every path with the same bytes."""
    body = b"x" * size

    async def answer(request: Request) -> Response:
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/{path:path}", answer)])


def usual(url: str) -> ASGIApp:
    """Return the application that is written first: a session a request, and a model a row."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=8)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.get("/api/v1/historical/{symbol}")
    async def historical(symbol: str) -> list[_Bar]:
        async with AsyncSession(engine) as session:
            rows = await session.scalars(select(_Row).where(_Row.ticker == symbol).order_by(_Row.session))
            return [_Bar.model_validate(row, from_attributes=True) for row in rows]

    return app


def main() -> None:
    """Serve a baseline at API_PORT."""
    kind, size = sys.argv[1:]
    port = int(os.environ["API_PORT"])
    if kind == "same":
        start_log()
        with listen(ApiSettings(port=port)) as listener:
            run_serving(server_of(from_memory(int(size))).serve(sockets=[listener]))
    else:
        app = from_memory(int(size)) if kind == "bare" else usual(os.environ["DATABASE_URL"])
        uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
