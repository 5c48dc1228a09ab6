"""Jobs that only ask, and the same facts as the agent tells them by itself."""

from decimal import Decimal
from typing import Any

from hookfill.brokers.mt5.agent.jobs import Job, candle_query_from
from hookfill.brokers.mt5.agent.terminal import AccountInfo, Bar, Deal, Position, Reason, Terminal, Tick
from hookfill.brokers.mt5.model import JobType


def answer_question(terminal: Terminal, job: Job) -> dict[str, Any]:
    """The ``output_data`` of a job that changes nothing.

    Raises:
        UnusableJob: the question can't be understood.
        TerminalError: the terminal can't tell.
    """
    if job.job_type is JobType.GET_POSITIONS:
        return {"positions": [position_facts(position) for position in terminal.positions()]}
    if job.job_type is JobType.GET_ACCOUNT:
        return {"account": account_facts(terminal.account())}
    query = candle_query_from(job.input_data)
    bars = terminal.candles(query.symbol, query.timeframe, query.since, query.until, query.limit)
    return {"symbol": query.symbol, "timeframe": query.timeframe, "candles": [bar_facts(bar) for bar in bars]}


def account_facts(account: AccountInfo) -> dict[str, Any]:
    """The account as ``POST …/positions`` wants it."""
    return {
        "balance": account.balance,
        "equity": account.equity,
        "currency": account.currency,
        "login": account.login,
        "server": account.server,
        "leverage": account.leverage,
        "margin": account.margin,
        "hedging": account.hedging,
    }


def position_facts(position: Position) -> dict[str, Any]:
    """A position as ``POST …/positions`` wants it; what is not known is left out."""
    facts = {
        "ticket": str(position.ticket),
        "symbol": position.symbol,
        "side": position.side.value,
        "volume": position.volume,
        "price_open": position.price_open,
        "price_current": position.price_current,
        "sl": position.sl,
        "tp": position.tp,
        "profit": position.profit,
        "magic": position.magic,
        "comment": position.comment,
    }
    return {name: value for name, value in facts.items() if value is not None}


def deal_facts(deal: Deal) -> dict[str, Any]:
    """A deal as ``POST …/positions`` wants it; what another program dealt counts as done by hand."""
    reason = Reason.MANUAL if deal.reason is Reason.PROGRAM else deal.reason
    return {
        "deal_id": str(deal.ticket),
        "symbol": deal.symbol,
        "side": deal.side.value,
        "volume": deal.volume,
        "price": deal.price,
        "magic": deal.magic,
        "reason": reason.value,
        "profit": deal.profit,
        "commission": deal.commission,
        "time": deal.time.isoformat(),
        "position_id": str(deal.position_id),
    }


def tick_facts(tick: Tick) -> dict[str, Any]:
    """Prices as ``POST …/prices`` wants them."""
    facts: dict[str, Decimal | str | None] = {
        "symbol": tick.symbol,
        "bid": tick.bid,
        "ask": tick.ask,
        "last": tick.last,
        "time": tick.time.isoformat(),
    }
    return {name: value for name, value in facts.items() if value is not None}


def bar_facts(bar: Bar) -> dict[str, Any]:
    """A candle as the candles' door wants it, without symbol and timeframe."""
    return {
        "timestamp": bar.time.isoformat(),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
    }
