"""Which prices of contracts that are held the desk takes from a feed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from hookfill.desk.chains import told_quotes
from hookfill.market.feeds.stored import keep_chain
from hookfill.market.option_chain import OptionChain, OptionQuote
from hookfill.market.option_symbols import contract_from

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
CONTRACT = "SPY260320C00500000"


@pytest.mark.parametrize(
    ("source", "is_at_broker", "age", "is_taken"),
    [
        ("alpaca", False, 0, True),
        ("alpaca", True, 0, True),
        ("alpaca_indicative", False, 0, True),
        ("alpaca_indicative", True, 0, False),
        ("alpaca", False, 151, False),
        ("alpaca", False, -1, False),
    ],
)
async def test_prices_that_come_late_sell_nothing_at_a_broker(
    connection: asyncpg.Connection, source: str, is_at_broker: bool, age: int, is_taken: bool
) -> None:
    quote = OptionQuote(contract_from(CONTRACT), Decimal("3.1"), Decimal("3.3"), NOW, source)
    await keep_chain(connection, OptionChain("SPY", NOW, source, Decimal(500), (quote,)))
    held: Any = [SimpleNamespace(symbol=CONTRACT), SimpleNamespace(symbol="EURUSD")]
    told = await told_quotes(connection, held, NOW + timedelta(seconds=age), is_at_broker=is_at_broker)
    assert {symbol: one.price for symbol, one in told.items()} == ({CONTRACT: Decimal("3.2")} if is_taken else {})
