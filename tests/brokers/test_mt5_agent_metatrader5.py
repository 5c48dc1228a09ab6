"""The adapter to the MetaTrader5 package, against a module that answers as it does: floats, None, broker time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hookfill.brokers.mt5.agent.metatrader5 import MetaTrader5Terminal, load_package
from hookfill.brokers.mt5.agent.terminal import Entry, Execution, Filling, Reason, Side, TerminalError, TradeMode, TradeRequest
from hookfill.kernel.errors import ConfigurationError

NOW = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
OFFSET = 7200


def broker_ms(moment: datetime) -> int:
    return int((moment.timestamp() + OFFSET) * 1000)


class Package:
    """What the module's functions answer; None means that they fail."""

    def __init__(self) -> None:
        self.error = (1, "Success")
        self.sent: list[dict[str, Any]] = []
        self.asked: list[tuple[Any, ...]] = []
        self.answers: dict[str, Any] = {
            "initialize": True,
            "terminal_info": SimpleNamespace(connected=True, trade_allowed=True, name="Terminal", company="Broker", build=5000),
            "account_info": SimpleNamespace(
                login=5, server="Demo", currency="USD", balance=10000.1, equity=10000.3, margin=0.0, leverage=100,
                margin_mode=2, trade_allowed=True, trade_expert=True,
            ),
            "symbol_info": SimpleNamespace(
                name="EURUSD", digits=5, point=1e-05, volume_min=0.01, volume_max=50.0, volume_step=0.01, filling_mode=2,
                trade_exemode=2, trade_mode=4, trade_stops_level=10, visible=False,
            ),
            "symbol_info_tick": SimpleNamespace(time_msc=broker_ms(NOW), bid=1.0850000000000002, ask=1.0851, last=0.0),
            "positions_get": (),
            "orders_get": (),
            "history_orders_get": (),
            "history_deals_get": (),
            "symbol_select": True,
            "shutdown": None,
        }  # fmt: skip

    def last_error(self) -> tuple[int, str]:
        return self.error

    def order_send(self, request: dict[str, Any]) -> Any:
        self.sent.append(request)
        return self.answers.get("order_send")

    def order_check(self, request: dict[str, Any]) -> Any:
        return self.answers.get("order_check")

    def __getattr__(self, name: str) -> Any:
        def answer(*arguments: Any, **named: Any) -> Any:
            self.asked.append((name, *arguments, named))
            return self.answers[name]

        return answer


@pytest.fixture
def package() -> Package:
    return Package()


@pytest.fixture
def terminal(package: Package) -> MetaTrader5Terminal:
    """One that has seen two ticks arrive, so that it knows the broker's zone."""
    made = MetaTrader5Terminal(package, clock=lambda: NOW)
    made.tick("EURUSD")
    package.answers["symbol_info_tick"].time_msc += 500
    made.tick("EURUSD")
    return made


def test_the_package_is_missing_here_and_says_so() -> None:
    with pytest.raises(ConfigurationError, match="--simulated"):
        load_package()


def test_it_logs_in_with_what_was_given(package: Package) -> None:
    MetaTrader5Terminal(package, login=5, password="word", path=Path("terminal64.exe")).connect()
    assert package.asked == [("initialize", "terminal64.exe", {"login": 5, "password": "word"})]
    package.answers["initialize"] = False
    package.error = (-6, "Authorization failed")
    with pytest.raises(TerminalError, match="Authorization failed"):
        MetaTrader5Terminal(package).connect()


def test_the_brokers_time_becomes_utc(terminal: MetaTrader5Terminal) -> None:
    assert terminal.offset_seconds() == OFFSET
    tick = terminal.tick("EURUSD")
    assert tick is not None
    assert (tick.bid, tick.ask, tick.last) == (Decimal("1.085"), Decimal("1.0851"), None)
    assert tick.time == NOW + timedelta(milliseconds=500)


def test_account_and_symbol(terminal: MetaTrader5Terminal, package: Package) -> None:
    account = terminal.account()
    assert (account.balance, account.hedging, account.trade_allowed) == (Decimal("10000.1"), True, True)
    symbol = terminal.symbol("EURUSD")
    assert symbol is not None
    assert (symbol.point, symbol.volume_step, symbol.filling_mode) == (Decimal("0.00001"), Decimal("0.01"), 2)
    assert (symbol.execution, symbol.trade_mode, symbol.stops_level_points) == (Execution.MARKET, TradeMode.FULL, 10)
    assert ("symbol_select", "EURUSD", True, {}) in package.asked
    package.answers["symbol_info"] = None
    assert terminal.symbol("NOPE") is None


def test_positions_orders_and_deals(terminal: MetaTrader5Terminal, package: Package) -> None:
    common = {"symbol": "EURUSD", "magic": 7, "comment": "hfmark"}
    package.answers["positions_get"] = (
        SimpleNamespace(ticket=9, type=1, volume=0.1, price_open=1.085, price_current=1.0, sl=1.09, tp=0.0, profit=-1.5,
                        time_msc=broker_ms(NOW), **common),
    )  # fmt: skip
    package.answers["history_orders_get"] = (SimpleNamespace(ticket=8, type=0, volume_initial=0.1, **common),)
    package.answers["orders_get"] = (SimpleNamespace(ticket=10, type=3, volume_initial=0.2, **common),)
    deal = {"order": 8, "position_id": 9, "volume": 0.1, "price": 1.085, "profit": -1.5, "commission": -0.35, "fee": -0.05}
    package.answers["history_deals_get"] = (
        SimpleNamespace(ticket=2, type=1, entry=1, reason=4, time_msc=broker_ms(NOW), **deal, **common),
        SimpleNamespace(ticket=1, type=0, entry=0, reason=3, time_msc=broker_ms(NOW - timedelta(hours=1)), **deal, **common),
        SimpleNamespace(ticket=3, type=2, entry=0, reason=0, time_msc=broker_ms(NOW), **deal, **common),
    )
    (position,) = terminal.positions()
    assert (position.side, position.sl, position.tp, position.opened_at) == (Side.SELL, Decimal("1.09"), None, NOW)
    assert [(order.ticket, order.side, order.is_open) for order in terminal.orders(NOW)] == [
        (8, Side.BUY, False),
        (10, Side.SELL, True),
    ]
    entered, left = terminal.deals(NOW - timedelta(hours=2))
    assert (entered.entry, entered.reason, entered.commission) == (Entry.IN, Reason.PROGRAM, Decimal("-0.4"))
    assert (left.entry, left.reason, left.time) == (Entry.OUT, Reason.STOP_LOSS, NOW)
    assert terminal.deals(NOW) == (left,)


@pytest.mark.parametrize("ask", ["positions_get", "orders_get", "history_orders_get"])
def test_none_is_an_error_unless_nothing_is_wrong(terminal: MetaTrader5Terminal, package: Package, ask: str) -> None:
    package.answers[ask] = None
    assert (terminal.positions(), terminal.orders(NOW)) == ((), ())
    package.error = (-10004, "No IPC connection")
    with pytest.raises(TerminalError, match="No IPC connection"):
        (terminal.positions(), terminal.orders(NOW))


def test_a_terminal_without_connection_is_not_believed(terminal: MetaTrader5Terminal, package: Package) -> None:
    terminal.check_connection()
    package.answers["terminal_info"].connected = False
    with pytest.raises(TerminalError, match="not connected"):
        terminal.check_connection()


def request(**changed: Any) -> TradeRequest:
    given = {
        "symbol": "EURUSD", "side": Side.SELL, "volume": Decimal("0.1"), "price": Decimal("1.085"), "sl": None,
        "tp": Decimal("1.08"), "deviation_points": 20, "magic": 7, "comment": "hfmark", "filling": Filling.IOC,
    }  # fmt: skip
    return TradeRequest(**given | changed)


def test_a_request_is_sent_as_the_package_wants_it(terminal: MetaTrader5Terminal, package: Package) -> None:
    package.answers["order_send"] = SimpleNamespace(retcode=10009, comment="done", order=8, deal=2, price=1.085, volume=0.1)
    answer = terminal.order_send(request(position=9))
    assert (answer.retcode, answer.order, answer.deal, answer.price) == (10009, 8, 2, Decimal("1.085"))
    assert package.sent == [
        {
            "action": 1,
            "symbol": "EURUSD",
            "volume": 0.1,
            "type": 1,
            "price": 1.085,
            "tp": 1.08,
            "deviation": 20,
            "magic": 7,
            "comment": "hfmark",
            "type_time": 0,
            "type_filling": 1,
            "position": 9,
        }
    ]
    package.answers["order_send"] = None
    package.error = (-10005, "IPC timeout")
    assert terminal.order_send(request()).retcode is None
    assert "IPC timeout" in terminal.order_send(request()).text
    package.answers["order_check"] = SimpleNamespace(retcode=0, comment="Done")
    assert terminal.order_check(request()).retcode == 0


def test_candles_carry_utc(terminal: MetaTrader5Terminal, package: Package) -> None:
    opened = (broker_ms(NOW) // 1000) - 300
    bar = {"time": opened, "open": 1.085, "high": 1.0860000000000003, "low": 1.084, "close": 1.0855, "tick_volume": 12}
    package.answers["copy_rates_from_pos"] = [bar]
    package.answers["copy_rates_from"] = [bar]
    (found,) = terminal.candles("EURUSD", "M5", None, None, 3)
    assert (found.time, found.high, found.volume) == (NOW - timedelta(minutes=5), Decimal("1.086"), 12)
    assert package.asked[-1] == ("copy_rates_from_pos", "EURUSD", 5, 0, 3, {})
    assert terminal.candles("EURUSD", "H1", NOW, NOW, 3) == ()
    assert package.asked[-1] == ("copy_rates_from", "EURUSD", 16385, NOW + timedelta(seconds=OFFSET), 3, {})


def test_what_it_tells_of_itself(terminal: MetaTrader5Terminal) -> None:
    facts = terminal.describe()
    assert (facts["company"], facts["connected"], facts["broker_time_is_sure"]) == ("Broker", True, True)
