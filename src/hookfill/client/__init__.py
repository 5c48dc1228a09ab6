"""Speaks to a Hookfill server: pushes candles, sends alerts, reads what became of them.

.. code-block:: python

    from decimal import Decimal
    from hookfill.client import Client

    with Client("https://hookfill.example.com", token=TOKEN, candles_key=CANDLES_KEY) as client:
        pushed = client.push_candles(candles)  # batches of 5,000; pushing the same again is safe
        sent = client.send_alert(WEBHOOK_URL, {"symbol": "EURUSD", "action": "buy", "quantity": Decimal("0.1")})
        signal = client.wait_for_signal(sent)
        print(signal.status, signal.fill_price, signal.error_message)
        for position in client.positions():
            print(position.symbol, position.quantity, position.unrealized_pnl)

``AsyncClient`` has the same methods for asyncio: ``await client.positions()``,
and ``async for`` over ``client.candles("EURUSD", "H1")``.

Amounts are ``Decimal``, exactly as the server has them; times are timezone-aware UTC.

**What is tried again.** Reading and pushing candles: up to five times, with growing pauses, when no answer comes or the server says
that it can't serve now; ``Retry-After`` is heeded. Alerts: the very same bytes, and only within 50 seconds from the first attempt,
because the server takes the same bytes within 60 seconds for the same alert. Everything else (strategies made, changed, deleted):
never. ``Retries`` changes how often and how fast, not what.

**What is raised.** ``Unauthorized``, ``NotFound`` and other ``Refused`` (with the ``faults`` of single fields): the server says no.
``Unavailable``: it could not be asked; ``may_have_arrived`` says whether it may have done it all the same. ``NotDecided``: waiting
took too long. ``InvalidArgument``: nothing was sent. All are ``ClientError``; their texts say what to do, and hold no secret.

Where what lies: ``calls`` has the methods, each written once as a program for both clients (``steps``, ``drivers``); ``retries``
decides when to try again; ``http`` is all that touches network and clocks.
"""

from hookfill.client.errors import ClientError, Fault, InvalidArgument, NotDecided, NotFound, Refused, Unauthorized, Unavailable
from hookfill.client.http import AsyncClient, Client
from hookfill.client.model import (
    Account,
    Candle,
    Fill,
    Halt,
    Limits,
    NewStrategy,
    Order,
    Position,
    Pushed,
    Quote,
    QuoteBar,
    SentAlert,
    Signal,
    SignedAnswer,
    Step,
    Story,
    Strategy,
)
from hookfill.client.retries import Retries

__all__ = [
    "Account",
    "AsyncClient",
    "Candle",
    "Client",
    "ClientError",
    "Fault",
    "Fill",
    "Halt",
    "InvalidArgument",
    "Limits",
    "NewStrategy",
    "NotDecided",
    "NotFound",
    "Order",
    "Position",
    "Pushed",
    "Quote",
    "QuoteBar",
    "Refused",
    "Retries",
    "SentAlert",
    "Signal",
    "SignedAnswer",
    "Step",
    "Story",
    "Strategy",
    "Unauthorized",
    "Unavailable",
]
