"""``GET /api/v1/quotes``: the last price of each symbol, where it came from, and how old it is."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from hookfill.api.answers import PROBLEMS, Json
from hookfill.api.candle_models import CandleSymbol, LastPrice, Symbols, split_symbols
from hookfill.api.candles import Reader
from hookfill.market.reading import SQL

router = APIRouter(prefix="/api/v1", tags=["market data"], responses=PROBLEMS)


@router.get("/quotes", summary="Last prices", response_model=list[LastPrice])
async def quotes(
    connection: Reader,
    symbols: Annotated[
        Symbols | None, Query(description="Separated by commas; left out: all.", examples=["EURUSD,BTCUSDT"])
    ] = None,
    after: Annotated[CandleSymbol | None, Query(description="Only symbols behind this one: the page before's last.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="How many at most.")] = 500,
) -> Json:
    """In order of symbol; a symbol without any price is left out.

    The prices that everybody shares come from candles and the owner's agents. What your own agents tell, and the price of an
    alert that a paper account traded at because no fresh one was known (`use_alert_price` of a strategy), are for that account:
    where they are newer they are shown instead, with `scope` account. An older price never replaces a newer one.
    """
    wanted = None if symbols is None else split_symbols(symbols)
    rows = await connection.fetch(SQL.last_prices.sql, wanted, after or "", limit)
    return Json([_told(row) for row in rows])


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    bar = {"seconds": row["bar_seconds"], "low": row["bar_low"], "high": row["bar_high"]}
    return {
        "symbol": row["symbol"],
        "price": row["price"],
        "quoted_at": row["quoted_at"],
        "age_seconds": row["age_seconds"],
        "source": row["source"],
        "bar": None if row["bar_seconds"] is None else bar,
        "scope": "everybody" if row["account_id"] is None else "account",
        "account_id": row["account_id"],
    }
