"""``hookfill send``: a test alert through a door, and what became of it."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from hookfill.cli.common import HomeOption, JsonOption, Session, run_async, session
from hookfill.kernel.errors import ConfigurationError, HookfillError

if TYPE_CHECKING:
    import asyncpg
    import httpx

TIMEOUT_SECONDS = 10.0
DECIDED_SECONDS = 10.0
LOOK_SECONDS = 0.05
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,200}")


class NotSent(HookfillError):
    """No server took the message."""


def send(
    target: Annotated[
        str | None, typer.Argument(metavar="URL_OR_SECRET", help="A strategy's webhook URL or its secret; default: /webhook.")
    ] = None,
    body: Annotated[str | None, typer.Option(help="The whole message, as it is; else it is made of the options.")] = None,
    symbol: Annotated[str, typer.Option(help="What to trade.")] = "EURUSD",
    action: Annotated[str, typer.Option(help="buy, sell or close.")] = "buy",
    quantity: Annotated[str | None, typer.Option(help="Lots, contracts, shares or coins.")] = None,
    price: Annotated[str | None, typer.Option(help="The price that the alert carries.")] = None,
    stop: Annotated[str | None, typer.Option(help="Stop loss.")] = None,
    take_profit: Annotated[str | None, typer.Option("--target", help="Take profit.")] = None,
    timeframe: Annotated[str, typer.Option(help="For /webhook.")] = "5m",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a test alert and show the answer and, if the server is this home's, what became of it."""
    fields = {"quantity": quantity, "price": price, "stop_loss": stop, "take_profit": take_profit}
    alert = {"symbol": symbol, "action": action, **{name: value for name, value in fields.items() if value is not None}}
    sent = run_async(_send(home, target, body, alert, timeframe))
    _show(sent, as_json=as_json)
    if not sent["accepted"]:
        raise typer.Exit(1)


def _show(sent: Mapping[str, Any], *, as_json: bool) -> None:
    from hookfill.cli.show import console, pairs, print_json

    if as_json:
        print_json(sent)
        return
    facts = {"status": sent["status"], "answer": json.dumps(sent["answer"])}
    outcome = sent["outcome"]
    if outcome is not None:
        became = outcome["status"] or outcome["state"]
        if outcome["state"] == "duplicate":
            became = f"duplicate; the first one is {became}"
        facts |= {"became": became + (f" ({outcome['reason']})" if outcome["reason"] else "")}
        facts |= {"because": outcome["error_message"], "filled at": outcome["fill_price"]}
        facts |= {"look further": f"hookfill story {outcome['signal_id'] or outcome['message_id']}"}
    console().print(pairs("Sent", {name: value for name, value in facts.items() if value is not None}))


async def _send(
    home: Path | None, target: str | None, body: str | None, alert: Mapping[str, Any], timeframe: str
) -> dict[str, Any]:
    from hookfill.cli.strategies import base_url
    from hookfill.kernel.clock import utc_now

    async with session(home) as at:
        listening = at.home.listening_url()
        url = _url(target, listening or base_url(at))
        is_signed = urlsplit(url).path == "/webhook"
        if is_signed:
            alert = {**alert, "timeframe": timeframe, "timestamp": utc_now().isoformat()}
        content = (body if body is not None else json.dumps(alert)).encode()
        sent_at = utc_now()
        answer = await _post(at, url, content, is_signed=is_signed)
        is_ours = listening is not None and urlsplit(listening).netloc == urlsplit(url).netloc
        return {
            "accepted": answer.is_success,
            "status": answer.status_code,
            "answer": _content(answer),
            "outcome": await _outcome(at.connection, sent_at, content) if is_ours else None,
        }


def _url(target: str | None, base: str) -> str:
    if target is None:
        return f"{base.rstrip('/')}/webhook"
    if urlsplit(target).scheme in {"http", "https"}:
        return target
    if _SECRET.fullmatch(target):
        return f"{base.rstrip('/')}/api/v1/webhooks/tv/{target}"
    raise ConfigurationError("Give the whole webhook URL (http://… or https://…) or a strategy's secret.")


async def _post(at: Session, url: str, content: bytes, *, is_signed: bool) -> "httpx.Response":
    import hashlib
    import hmac

    import httpx

    headers = {"Content-Type": "application/json" if content.lstrip().startswith(b"{") else "text/plain"}
    if is_signed and at.settings.hmac_secret is not None:
        key = at.settings.hmac_secret.get_secret_value().encode()
        headers["x-webhook-signature"] = hmac.new(key, content, hashlib.sha256).hexdigest()
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            return await client.post(url, content=content, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        where = urlsplit(url)  # the path may be a secret
        raise NotSent(
            f"{where.scheme}://{where.netloc} does not answer ({type(error).__name__}): is `hookfill serve` running there?"
        ) from error


def _content(answer: "httpx.Response") -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


async def _outcome(connection: "asyncpg.Connection", sent_at: datetime, content: bytes) -> dict[str, Any] | None:
    """What became of the message, once it is decided; as far as it is by then."""
    import asyncio
    import time

    from hookfill.inbox.store import delivery_since
    from hookfill.kernel.lifecycle import SIGNAL
    from hookfill.signals.mask import mask_secrets

    give_up = time.monotonic() + DECIDED_SECONDS
    while True:
        found = await delivery_since(connection, sent_at, mask_secrets(content))
        is_decided = found is not None and (found["status"] is None or SIGNAL.is_terminal(found["status"]))
        if is_decided or time.monotonic() > give_up:
            return None if found is None else dict(found)
        await asyncio.sleep(LOOK_SECONDS)
