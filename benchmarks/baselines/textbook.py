"""The textbook way to take alerts durably: FastAPI, a Pydantic model, a pool of ten asyncpg connections, one insert per request."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Literal

import asyncpg
from fastapi import FastAPI
from pydantic import BaseModel

TABLE = """
CREATE TABLE IF NOT EXISTS textbook_alerts (
    id          bigserial PRIMARY KEY,
    alert_id    text,
    symbol      text NOT NULL,
    action      text NOT NULL,
    volume      numeric,
    price       numeric,
    received_at timestamptz NOT NULL DEFAULT now()
)
"""
INSERT = "INSERT INTO textbook_alerts (alert_id, symbol, action, volume, price) VALUES ($1, $2, $3, $4, $5)"


class Alert(BaseModel):
    """The body of a request."""

    symbol: str
    action: Literal["buy", "sell", "close"]
    volume: Decimal | None = None
    price: Decimal | None = None
    id: str | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keep the pool as long as the application runs."""
    async with asyncpg.create_pool(os.environ["TEXTBOOK_DATABASE_URL"], min_size=10, max_size=10) as pool:
        await pool.execute(TABLE)
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/webhook")
async def webhook(alert: Alert) -> dict[str, str]:
    """Store one alert, then answer."""
    async with app.state.pool.acquire() as connection:
        await connection.execute(INSERT, alert.id, alert.symbol, alert.action, alert.volume, alert.price)
    return {"status": "ok"}
