"""Asking the API of a house as one of its users, and the strategies that are made by the way."""

import json
from typing import Any

import httpx

from support.house import TOKEN, House, at

OTHER = "canary-other-token-77aa01c2d4"


async def ask(house: House, method: str, path: str, body: Any = None, token: str = TOKEN, **headers: str) -> httpx.Response:
    """Ask ``/api/v1/…`` as the owner (or another); no answer may ever be a defect of ours."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body, default=str).encode()
    sent = {"Authorization": f"Bearer {token}", **headers}
    answer = await house.client.request(method, f"/api/v1/{path}", content=content, headers=sent)
    assert answer.status_code < 500, answer.text
    return answer


async def made(house: House, token: str = TOKEN, **body: Any) -> dict[str, Any]:
    """A new strategy's answer."""
    answer = await ask(house, "POST", "strategies", {"name": "Breakout", **body}, token)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def send(house: House, url: str, body: Any, minute: float = 0) -> None:
    """Send an alert to a webhook URL so many minutes after noon."""
    answer = await house.client.post(url, content=json.dumps(body), headers={"X-Hookfill-Time": at(minute).isoformat()})
    assert answer.status_code == 200
