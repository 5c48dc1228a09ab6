"""Schemathesis over the whole API document: no input of any kind is answered 5xx, or other than the document says.

In the suite a few inputs per route, always the same ones; `make fuzz` tries many, other ones each time.
"""

import asyncio
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from hookfill.api.build import build_api
from hookfill.postgres.model import Database
from support.people import bearer
from support.routes import KINDS
from support.server import Server
from support.tenants import Tenant, furnish_server

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = build_api(Mock(), "http://localhost").openapi()
LABELS = sorted(
    (f"{method.upper()} {path}" for path, operations in DOCUMENT["paths"].items() for method in operations),
    key=lambda label: (label.startswith("DELETE"), label),
)
"""What is deleted is gone for those that come later."""
EXAMPLES = 10
MODES = {"valid": GenerationMode.POSITIVE, "invalid": GenerationMode.NEGATIVE}


def takes_something(label: str) -> bool:
    """Whether there is anything that could be wrong."""
    method, _, path = label.partition(" ")
    operation = DOCUMENT["paths"][path][method.lower()]
    return bool(operation.get("parameters") or operation.get("requestBody"))


CASES = [(label, mode) for label in LABELS for mode in MODES if mode == "valid" or takes_something(label)]


class Town:
    """A server with somebody who owns one of everything."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self.server, self.tenant = server, tenant
        self.schema = schemathesis.openapi.from_dict(DOCUMENT)
        self.session = requests.Session()
        self.session.trust_env = False

    def headers(self, operation: APIOperation) -> dict[str, str]:
        """What lets its owner in."""
        is_agents = {"AgentKey": []} in operation.definition.raw.get("security", [])
        return self.tenant.agent if is_agents else bearer(self.tenant.token)

    def aim(self, case: Any, draw: st.DataObject) -> None:
        """Let most requests be about something that is there: random ids never are."""
        known = self.tenant.ids | {"webhook_secret": self.tenant.webhook_secret}
        for place in (case.path_parameters, case.query, case.body):
            if isinstance(place, dict):
                for name in (KINDS | {"webhook_secret"}).intersection(place):
                    if draw.draw(st.integers(0, 3)):
                        place[name] = known[name]
        if isinstance(case.query, dict) and "wait" in case.query:
            case.query["wait"] = 0


@pytest.fixture(scope="module")
def town(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Server(tmp_path_factory.mktemp("home"), database_url=module_database.url) as server:
        town = Town(server, asyncio.run(furnish_server(server, module_database, "owner")))
        yield town
        town.session.close()
        assert "Traceback" not in server.output()


@pytest.mark.parametrize(("label", "mode"), CASES)
def test_no_input_breaks_a_route(town: Town, label: str, mode: str, request: pytest.FixtureRequest) -> None:
    examples = request.config.getoption("--fuzz-examples")
    operation = town.schema.find_operation_by_label(label)
    assert operation is not None

    @settings(
        max_examples=examples or EXAMPLES,
        derandomize=not examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink) if examples else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def run(draw: st.DataObject) -> None:
        case = draw.draw(operation.as_strategy(MODES[mode]))
        town.aim(case, draw)
        answer = case.call(base_url=town.server.url, headers=town.headers(operation), session=town.session, timeout=30)
        case.validate_response(answer, checks=CHECKS)

    run()
