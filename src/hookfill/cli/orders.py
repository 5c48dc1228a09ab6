"""``hookfill orders``: what was ordered, and ``orders cancel`` for entries that rest."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from hookfill.cli.common import HomeOption, JsonOption, run_async, session
from hookfill.cli.reading import NotFound

MOST = 10_000
app = typer.Typer(help="What was ordered; entries that rest can be cancelled.", rich_markup_mode=None)


class OrderState(StrEnum):
    """Where an order stands."""

    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


@app.callback(invoke_without_command=True)
def orders(
    context: typer.Context,
    status: Annotated[OrderState | None, typer.Option(help="Only those in one state; those that rest are working.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show orders with what was filled of them, newest first."""
    if context.invoked_subcommand is not None:
        return
    found = run_async(_orders(home, None if status is None else status.value, limit))
    _print(found, as_json=as_json)


async def _orders(home: Path | None, status: str | None, limit: int) -> list[dict[str, Any]]:
    from hookfill.orders.store import list_orders

    async with session(home) as at:
        return await list_orders(at.connection, at.user_id, status=status, limit=limit)


@app.command("cancel")
def cancel(
    identifiers: Annotated[list[str], typer.Argument(metavar="ID…", help="The orders' ids.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel entries that rest: nothing of them fills any more. What had filled before stays.

    The worker sets their status to cancelled as soon as it runs.
    """
    _print(run_async(_cancel(home, [_identifier(text) for text in identifiers])), as_json=as_json)


def _identifier(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"{text!a} is no id: `hookfill orders --status working` shows ids.") from None


async def _cancel(home: Path | None, identifiers: list[UUID]) -> list[dict[str, Any]]:
    """All of them or, when one can't be, none."""
    from hookfill.orders.store import cancel_order

    async with session(home) as at, at.connection.transaction():
        found = []
        for order_id in identifiers:
            order = await cancel_order(at.connection, at.user_id, order_id)
            if order is None:
                raise NotFound(f"There is no order {order_id}: `hookfill orders --status working` shows what rests.")
            found.append(order)
        return found


def _print(found: list[dict[str, Any]], *, as_json: bool) -> None:
    from hookfill.cli.show import console, print_json, table

    if as_json:
        print_json(found)
        return
    columns = ("as of (UTC)", "symbol", "side", "type", "quantity", "price", "status", "filled", "at", "until (UTC)", "id")
    rows = [
        (
            order["as_of"],
            order["symbol"],
            order["side"],
            order["order_type"],
            order["quantity"],
            order["limit_price"] or order["stop_price"],
            "being cancelled"
            if order["cancel_requested_at"] and order["status"] in ("working", "partially_filled")
            else order["status"],
            order["filled_quantity"],
            order["average_fill_price"],
            order["expires_at"],
            order["id"],
        )
        for order in found
    ]
    console().print(table("Orders", columns, rows, right=("quantity", "price", "filled", "at")))
