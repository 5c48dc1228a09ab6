"""Request bodies of programs: bounded in size and read as strict JSON with exact numbers, before anything else looks at them."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from hookfill.api.models import Problem
from hookfill.kernel.strict_json import StrictJsonError, loads

BODY_LIMIT = 1024 * 1024
"""Largest body in bytes: some thousand positions, deals or bars."""
TOO_LARGE: dict[int | str, dict[str, Any]] = {413: {"model": Problem, "description": "The body is too large."}}
"""What routes of this class may answer beside what they are asked for."""


class StrictRequest(Request):
    """A request whose body is read whole, up to the limit, and parsed by ``kernel.strict_json`` whatever its Content-Type."""

    async def read(self) -> None:
        """Read and parse the body.

        Raises:
            HTTPException: 413, the body is larger than ``BODY_LIMIT``.
            RequestValidationError: it is no strict JSON; the text says where, and never quotes it.
        """
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_LIMIT:
                raise HTTPException(413, f"The body is larger than {BODY_LIMIT} bytes: send less at once.", {"Connection": "close"})
        self._body = b"".join(chunks)
        if not self._body:
            return
        try:
            self._json = loads(self._body)
        except StrictJsonError as error:
            raise RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": str(error)}]) from None


class StrictRoute(APIRoute):
    """A route of programs; use it as ``route_class``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler behind a strict reading of the body."""
        usual = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if self.body_field is None:
                return await usual(request)
            scope = dict(request.scope)
            others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            scope["headers"] = [*others, (b"content-type", b"application/json")]
            strict = StrictRequest(scope, request.receive)
            await strict.read()
            return await usual(strict)

        return handle
