"""Builds the API application."""

from functools import cache
from importlib.metadata import version
from typing import Any

import asyncpg
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from hookfill.accounts.vault import Vault
from hookfill.api import (
    account,
    accounts,
    agent_reports,
    agent_work,
    agents,
    agents_performance,
    alarms,
    answers,
    api_keys,
    automated_signals,
    broker_connections,
    candles,
    control,
    doors,
    exit_signals,
    experiments,
    feature_flags,
    health,
    indicator_export,
    invitations,
    jobs,
    ledgers,
    messages,
    metrics,
    orders,
    positions,
    quotes,
    reconciliations,
    signals,
    strategies,
    strike_selection,
    user_settings,
    users,
)
from hookfill.api.people import People
from hookfill.api.vital_signs import Process
from hookfill.api.waking import Waking
from hookfill.edge.room import Room
from hookfill.journal.known_days import KnownDays
from hookfill.risk.model import DEFAULT_LIMITS, Limits

DESCRIPTION = """\
What became of every alert, in numbers. Amounts are exact JSON numbers; times are ISO 8601 in UTC; lists come newest first.

All of it but the doors, `/health`, registering and logging in needs the header `Authorization: Bearer TOKEN` (an access token, an
API key, or the owner's token that `hookfill token` shows), and shows only what is the caller's own.
"""


class Api(FastAPI):
    """The JSON API, documented together with the doors that stand beside it."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            for path, operations in doors.PATHS.items():
                document["paths"].setdefault(path, {}).update(operations)
            _join_agents_headers(document)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _join_agents_headers(document: dict[str, Any]) -> None:
    """An agent sends its id and its key; FastAPI lists them as if one of the two were enough."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if operation.get("security") == [{"AgentId": []}, {"AgentKey": []}]:
                operation["security"] = [{"AgentId": [], "AgentKey": []}]


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """The routes of all rooms. FastAPI takes a fifth of a second to understand them: once in a process will do."""
    everything = APIRouter()
    trading = (messages, signals, strategies, orders, positions, account, accounts, broker_connections, user_settings)
    exported = (indicator_export, ledgers)
    for room in (
        *trading,
        *exported,
        automated_signals,
        experiments,
        agents_performance,
        agents,
        agent_work,
        agent_reports,
        jobs,
        alarms,
        control,
        feature_flags,
        users,
        api_keys,
        invitations,
        candles,
        quotes,
        strike_selection,
        reconciliations,
        health,
        metrics,
        exit_signals,
    ):
        everything.include_router(room.router)
    return tuple(everything.routes)


def build_api(
    pool: asyncpg.Pool,
    base_url: str,
    *,
    process: Process | None = None,
    waking: Waking | None = None,
    people: People | None = None,
    limits: Limits = DEFAULT_LIMITS,
    vault: Vault | None = None,
    trades_live: bool = False,
) -> FastAPI:
    """The API over a pool of connections.

    Args:
        pool: connections to read through.
        base_url: how the outside reaches this server.
        process: what the server tells of itself, for ``/health`` and ``/metrics``.
        waking: wakes agents that wait for a job; None: they are woken by nothing and answered when their wait is over.
        vault: encrypts broker credentials; None: with a key that ends with this process.
        trades_live: connections that trade real money may be made.
        limits: of accounts that have none of their own.
        people: how people are recognised and admitted; None: by invitation, with access tokens that end with this process.
    """
    api = Api(
        title="Hookfill",
        version=version("hookfill"),
        description=DESCRIPTION,
        servers=[{"url": base_url}],
        docs_url=None,  # its pages would load scripts from a foreign host
        redoc_url=None,
        redirect_slashes=False,  # who pushes to a wrong path must be told, not sent on: machines drop the body
    )
    api.state.pool = pool
    api.state.base_url = base_url.rstrip("/")
    api.state.process = process or Process()
    api.state.limits = limits
    api.state.people = people or People()
    api.state.trades_live = trades_live
    api.state.vault = vault or Vault.of_this_process()
    api.state.waking = waking or Waking(pool)
    api.state.uploads = Room(reconciliations.UPLOADS)
    api.state.known_days = KnownDays()
    answers.install(api)
    api.router.routes.extend(_routes())
    doors.refuse_other_methods(api)
    return api
