"""The price of an alert as a last price: of the account that traded at it, where its strategy allows that."""

from decimal import Decimal

import pytest

from hookfill.desk.abroad import SQL as ABROAD
from hookfill.desk.fold import fold
from hookfill.desk.price import alert_prices
from hookfill.market.reading import SQL as READING
from hookfill.risk.model import Limits
from support.desk import at, flat, signal, situation, strategy

BUY = "buy EURUSD 0.1 @"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([(BUY + "1.1", 1)], [("EURUSD", "1.1", 1)]),
        ([(BUY + "1.1", 1), (BUY + "1.2", 2)], [("EURUSD", "1.2", 2)]),
        ([(BUY + "1.1", 1), ("buy BTCUSDT 0.1 @64000", 2)], [("EURUSD", "1.1", 1), ("BTCUSDT", "64000", 2)]),
        ([(BUY + "1.1", 1), ("close EURUSD @1.101", 2)], [("EURUSD", "1.101", 2)]),
        ([(BUY + "1.1 order_type=limit limit_price=1.2", 1)], [("EURUSD", "1.1", 1)]),
        ([(BUY + "1.1 order_type=limit limit_price=1", 1)], []),  # it rests
        ([("close EURUSD @1.1", 1)], []),  # refused: there is nothing to close
        ([("buy EURUSD 0.1", 1)], []),
    ],
)
def test_the_newest_price_that_was_traded_at(texts: list[tuple[str, float]], expected: list[tuple[str, str, float]]) -> None:
    outcome = fold(situation(*(signal(text, minute) for text, minute in texts), strategies=[strategy(policy={"pyramiding": 3})]))
    told = [(quote.symbol, quote.price, quote.at, quote.source) for quote in alert_prices(outcome)]
    assert told == [(symbol, Decimal(price), at(minute), "alert") for symbol, price, minute in expected]


@pytest.mark.parametrize("leave", ["close BTCUSDT @110", "sell BTCUSDT 1 @110"])
def test_a_position_that_only_alerts_price_is_left_at_the_alerts_price(leave: str) -> None:
    """However far it has gone since: its last price is an alert's as well, and older. A market's price would bound it."""
    texts = signal("buy BTCUSDT 1 @100", 1), signal(leave, 600)
    outcome = fold(situation(*texts, limits=Limits()))
    entry, left = (order.fills[0] for order in outcome.orders[:2])
    assert (left.side, left.price, left.price_source) == ("sell", Decimal("109.989"), "alert")
    assert left.realized_pnl == Decimal("109.989") - entry.price
    told = fold(situation(*texts, limits=Limits(), bars=[flat(0, "100", symbol="BTCUSDT")]))
    assert told.orders[1].fills[0].price == Decimal("99.99")


@pytest.mark.parametrize("name", ["market knows better", "strategy forbids it"])
def test_no_price_of_an_alert_where_the_market_has_one_or_the_strategy_forbids_it(name: str) -> None:
    bars = [flat(0, "1.1")] if name == "market knows better" else []
    listed = [strategy(market={"use_alert_price": name == "market knows better"})]
    outcome = fold(situation(signal(BUY + "1.1001", 1.1), bars=bars, strategies=listed))
    assert len(outcome.orders) == len(bars)
    assert alert_prices(outcome) == []


async def test_it_is_kept_for_the_account_and_an_older_one_never_overwrites_it(desk) -> None:
    second = await desk.strategy()
    await desk.alerts((BUY + "1.1", 5), (BUY + "1.3", 4), strategy_id=second)  # told late, of a minute before
    await desk.work()
    stored = "SELECT account_id, symbol, price, quoted_at, source FROM account_quotes"
    assert [tuple(row) for row in await desk.rows(stored)] == [(desk.account_id, "EURUSD", Decimal("1.1"), at(5), "alert")]
    await desk.alerts((BUY + "1.4", 4.5))
    await desk.work()
    assert [row["price"] for row in await desk.rows(stored)] == [Decimal("1.1")]
    await desk.alerts(("close EURUSD @1.2", 6))
    await desk.work()
    assert [(row["price"], row["quoted_at"]) for row in await desk.rows(stored)] == [(Decimal("1.2"), at(6))]
    assert await desk.rows("SELECT FROM quotes") == []
    [told] = await desk.rows(READING.last_prices.sql, None, "", 10)
    assert (told["symbol"], told["price"], told["source"], told["account_id"]) == (
        "EURUSD",
        Decimal("1.2"),
        "alert",
        desk.account_id,
    )
    await desk.candles(flat(6, "1.25"))
    [told] = await desk.rows(READING.last_prices.sql, None, "", 10)
    assert (told["price"], told["source"], told["account_id"]) == (Decimal("1.25"), "candle", None)


async def test_no_position_is_judged_by_it(desk) -> None:
    """Another strategy's alert neither stops this one's position out nor keeps the desk looking at it."""
    await desk.alerts((BUY + "1.1 sl=1.09", 1))
    await desk.work()
    await desk.alerts((BUY + "1.08", 2), strategy_id=await desk.strategy())
    await desk.work()
    assert [row["price"] for row in await desk.rows("SELECT price FROM account_quotes")] == [Decimal("1.08")]
    assert {row["status"] for row in await desk.rows("SELECT status FROM positions")} == {"open"}
    assert await desk.rows(ABROAD.accounts_with_own_prices.sql, at(9)) == []
