"""The bundled sample day is what its generator draws, and holds what its description promises."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from hookfill.demo import sample_day
from hookfill.demo.sample_alerts import Intent, SampleAlert
from hookfill.demo.sample_candles import MARKETS, Bar, Market, draw_bars

BARS, ALERTS = sample_day.make_day()
RESEND_WINDOW = timedelta(seconds=60)


def bars_of(symbol: str) -> list[Bar]:
    return [bar for bar in BARS if bar.market.symbol == symbol]


def test_the_committed_files_are_what_the_seed_draws() -> None:
    assert sample_day.CANDLES.read_bytes() == sample_day.candles_csv(BARS).encode()
    assert sample_day.ALERTS.read_bytes() == sample_day.alerts_jsonl(ALERTS).encode()


def test_another_seed_draws_another_day() -> None:
    bars, alerts = sample_day.make_day(sample_day.SEED + 1)
    assert bars != BARS
    assert alerts != ALERTS


def test_the_files_are_small() -> None:
    assert sample_day.CANDLES.stat().st_size + sample_day.ALERTS.stat().st_size < 400_000


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.symbol)
def test_bars_are_sound_and_each_opens_at_the_close_before(market: Market) -> None:
    bars = bars_of(market.symbol)
    assert [bar.minute for bar in bars] == [market.first_minute + number for number in range(sum(leg[0] for leg in market.trend))]
    for bar in bars:
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert bar.volume > 0
    for before, after in pairwise(bars):
        assert after.open == before.close


def test_each_market_trades_its_hours() -> None:
    hours = {market.symbol: (bars_of(market.symbol)[0].opened_at, bars_of(market.symbol)[-1].closes_at) for market in MARKETS}
    noon, close = datetime(2026, 3, 4, 12, tzinfo=UTC), datetime(2026, 3, 4, 21, tzinfo=UTC)
    new_york_open = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
    assert hours["EURUSD"] == hours["BTCUSDT"] == (noon, close)
    assert hours["SPY"] == hours["AAPL"] == (new_york_open, close)


def test_the_trend_shows_in_the_prices() -> None:
    steady = Market("UP", 2, 10_000, 0, 0, ((10, 3), (5, -2)), 10)
    assert [bar.close for bar in draw_bars(steady, 1)][9::5] == [10_030, 10_020]


def test_prices_have_their_markets_decimals() -> None:
    assert MARKETS[0].text(117_850) == "1.17850"
    assert MARKETS[1].text(8_812_005) == "88120.05"
    rows = [line.split(",") for line in sample_day.CANDLES.read_text().splitlines()[1:]]
    places = {(row[0], -int(Decimal(price).as_tuple().exponent)) for row in rows for price in row[3:7]}
    assert places == {("EURUSD", 5), ("GBPUSD", 5), ("BTCUSDT", 2), ("SPY", 2), ("AAPL", 2)}


def test_alerts_come_in_order_within_the_day() -> None:
    moments = [alert.at for alert in ALERTS]
    assert moments == sorted(moments)
    assert moments[0] > datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert moments[-1] < datetime(2026, 3, 4, 21, 1, tzinfo=UTC)


def test_every_intent_occurs_and_most_alerts_trade() -> None:
    counts = Counter(alert.intent for alert in ALERTS)
    assert set(counts) == set(Intent)
    assert counts[Intent.TRADE] > len(ALERTS) * 0.7
    assert counts[Intent.MALFORMED] == 3


def test_exactly_the_resends_repeat_within_the_minute() -> None:
    last: dict[str, SampleAlert] = {}
    for alert in ALERTS:
        before = last.get(alert.body)
        repeats = before is not None and alert.at - before.at <= RESEND_WINDOW
        assert repeats == (alert.intent is Intent.RESEND), alert
        if not repeats:
            last[alert.body] = alert


def test_exactly_the_malformed_bodies_are_broken_json() -> None:
    for alert in ALERTS:
        if not alert.body.startswith("{"):
            continue
        if alert.intent is Intent.MALFORMED:
            with pytest.raises(json.JSONDecodeError):
                json.loads(alert.body)
        else:
            assert isinstance(json.loads(alert.body), dict)


def test_several_dialects_are_spoken() -> None:
    bodies = [alert.body for alert in ALERTS if alert.intent is Intent.TRADE]
    for token in ('"order_action"', '"side"', '"market_position"', '"sl"', '"stop_loss"', "buy SPY", "close SPY", "FX:EURUSD"):
        assert any(token in body for body in bodies), token


def test_a_second_holds_the_burst() -> None:
    per_second = Counter(alert.at.replace(microsecond=0) for alert in ALERTS)
    assert max(per_second.values()) >= 20
