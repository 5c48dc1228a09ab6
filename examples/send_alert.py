"""Send an alert to a strategy's webhook URL and wait for what becomes of it.

    HOOKFILL_TOKEN=$(hookfill token) python examples/send_alert.py WEBHOOK_URL EURUSD buy 0.1

HOOKFILL_URL says where the server is. The alert has an id of its own, so that the same order, given twice, is two alerts.
"""

import os
import sys
import uuid
from decimal import Decimal

from hookfill.client import Client, ClientError


def main(webhook_url: str, symbol: str, action: str, quantity: str) -> int:
    """Send it; 0 if it was executed."""
    url = os.environ.get("HOOKFILL_URL", "http://localhost:8000")
    alert = {"symbol": symbol, "action": action, "quantity": Decimal(quantity), "id": str(uuid.uuid4())}
    try:
        with Client(url, token=os.environ.get("HOOKFILL_TOKEN")) as client:
            signal = client.wait_for_signal(client.send_alert(webhook_url, alert), timeout_seconds=60)
            print(f"{signal.status}: {signal.error_message or f'filled at {signal.fill_price}'}")
            for order in client.orders(signal_id=signal.id):
                for fill in order.fills:
                    print(f"{order.side} {fill.quantity} {order.symbol} at {fill.price}, commission {fill.commission}")
    except ClientError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if signal.status == "executed" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
