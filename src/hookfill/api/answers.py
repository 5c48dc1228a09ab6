"""How the API answers: exact JSON, and problems as JSON that says what to do."""

from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from hookfill.api.models import InvalidRequest, Problem
from hookfill.kernel import exact_json
from hookfill.kernel.errors import HookfillError

UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What is raised when the database does not answer."""
TEXTS = {
    404: "There is nothing at this path: see /openapi.json for what there is.",
    405: "This path does not take this method: see /openapi.json for the one that it takes.",
}
_LOG = structlog.get_logger("hookfill.api")

PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No token or API key, or none that is in force."},
    403: {"model": Problem, "description": "The API key's scopes, or the user's role, don't allow it."},
    422: {"model": InvalidRequest, "description": "A parameter can't be used."},
    503: {"model": Problem, "description": "The database does not answer now."},
}
"""What every route that reads may answer beside what it is asked for."""
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is none of that id among your own."}}


class Json(Response):
    """A value as exact JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The value as bytes."""
        return exact_json.dumps(content)


def problem(status: int, text: str, headers: dict[str, str] | None = None) -> Json:
    """A refusal that says what to do."""
    return Json({"detail": text}, status, headers)


def install(api: FastAPI) -> None:
    """Answer every error of the API as JSON."""
    api.add_exception_handler(HTTPException, _http_problem)
    api.add_exception_handler(RequestValidationError, _invalid_request)
    api.add_exception_handler(HookfillError, _expected)
    api.add_exception_handler(Exception, _unexpected)
    for error in UNREACHABLE:
        api.add_exception_handler(error, _unreachable)


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    # FastAPI's own 404 and 405 carry no more than the name of the status.
    is_bare = error.detail in ("Not Found", "Method Not Allowed")
    text = TEXTS[error.status_code] if is_bare else str(error.detail)
    return problem(error.status_code, text, dict(error.headers) if error.headers else None)


async def _invalid_request(request: Request, error: Exception) -> Response:
    """Which parameter and why; never what was sent, which may be a secret in the wrong place."""
    assert isinstance(error, RequestValidationError)
    faults = [{"type": fault["type"], "loc": list(fault["loc"]), "msg": _unquoted(fault)} for fault in error.errors()]
    return Json({"detail": faults}, 422)


def _unquoted(fault: dict[str, Any]) -> str:
    """What is wrong, in words that hold nothing of what was sent: of pydantic's own, only this kind quotes it."""
    if fault["type"] == "union_tag_invalid":
        return f"{fault['ctx']['discriminator']} should be one of {fault['ctx']['expected_tags']}"
    text: str = fault["msg"]
    return text


async def _unreachable(request: Request, error: Exception) -> Response:
    _LOG.warning("api_without_database", error=f"{type(error).__name__}: {error}")
    return problem(503, "The database does not answer: try again in a moment.", {"Retry-After": "5"})


async def _expected(request: Request, error: Exception) -> Response:
    _LOG.error("api_failed", error=f"{type(error).__name__}: {error}")
    return problem(500, str(error))


async def _unexpected(request: Request, error: Exception) -> Response:
    return problem(500, "This is a defect of Hookfill: the server's log has its traceback; please report it.")
