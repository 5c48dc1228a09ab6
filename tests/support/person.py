"""Somebody who uses the API over HTTP: registered, with a token, asking and waiting."""

from collections.abc import Callable
from typing import Any, Self

import httpx

from support.database import wait_until

PASSWORD = "canary-correct-horse-battery-5f2e"


class Person:
    """One registered user of a running server."""

    def __init__(self, url: str, token: str) -> None:
        """Ask the server at ``url`` with an access token."""
        self.url, self.token = url, token
        self._client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)

    @classmethod
    def register(cls, url: str, email: str) -> Self:
        """Register and log in."""
        answer = httpx.post(f"{url}/api/v1/auth/register", json={"email": email, "password": PASSWORD}, timeout=30, trust_env=False)
        assert answer.status_code == 201, answer.text
        return cls(url, answer.json()["access_token"])

    def request(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Ask, hold the answer against the expected status, and return its JSON (None without a body)."""
        answer = self._client.request(method, path, json=body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def get(self, path: str) -> Any:
        """Read."""
        return self.request("GET", path)

    def post(self, path: str, body: Any, *, status: int = 200) -> Any:
        """Make something."""
        return self.request("POST", path, body, status=status)

    def patch(self, path: str, body: Any) -> Any:
        """Change something."""
        return self.request("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Delete something."""
        self.request("DELETE", path, status=204)

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Wait, for a bounded time, until something holds."""
        wait_until(condition, what)

    def wait_for_signal(self, status: str) -> dict[str, Any]:
        """The newest signal, once it has this status."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = self.get("/api/v1/signals?limit=1")
            return bool(found) and found[0]["status"] == status

        self.wait_for(is_there, f"a newest signal that is {status}; it is {found}")
        signal: dict[str, Any] = self.get(f"/api/v1/signals/{found[0]['id']}")
        return signal

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()
