"""Watch the open positions: print them whenever something about them has changed.

    HOOKFILL_TOKEN=$(hookfill token) python examples/watch_positions.py [LOOKS]

HOOKFILL_URL says where the server is. Ends after so many looks, one a second; without a number it goes on.
"""

import asyncio
import itertools
import os
import sys

from hookfill.client import AsyncClient, ClientError, Position, Unavailable


def line(position: Position) -> str:
    """One position."""
    return (
        f"{position.symbol:12} {position.quantity:>12f} at {position.average_price:f}, now {position.mark:f}: "
        f"{position.unrealized_pnl:+.2f} (stop {position.trailing_stop or position.stop_price}, target {position.target_price})"
    )


async def main(looks: int | None = None) -> int:
    """Watch; 0 if it ended as it was told to."""
    url = os.environ.get("HOOKFILL_URL", "http://localhost:8000")
    shown: list[str] | None = None
    try:
        async with AsyncClient(url, token=os.environ.get("HOOKFILL_TOKEN")) as client:
            for look in itertools.count(1):
                try:
                    lines = [line(position) for position in await client.positions(limit=500)]
                except Unavailable as error:  # it has tried several times; a server that restarts is waited for
                    lines = [str(error)]
                if lines != shown:
                    print(*(lines or ["No open position."]), sep="\n", flush=True)
                shown = lines
                if look == looks:
                    break
                await asyncio.sleep(1)
    except ClientError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*map(int, sys.argv[1:]))))
