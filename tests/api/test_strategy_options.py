"""A strategy's settings for options and the newer exits over HTTP: kept as sent, refused where they can't be meant."""

import json
from decimal import Decimal
from typing import Any

import pytest

from hookfill.desk.settings import rules_of
from support.asking import ask, made
from support.house import House

SETTINGS: dict[str, Any] = {
    "exits": {
        "targets": [{"at": {"r": 1}, "percent": 50}, {"at": {"r": 2.5}, "percent": 25}],
        "stop": {"percent": 30},
        "min_dte_days": 2,
        "session_close_minutes": 5,
        "week_close_minutes": 15,
        "option_defaults": False,
    },
    "options": {"trade": "always", "rule": "tier", "tier": "SWING"},
}


async def test_they_come_back_as_they_were_sent(house: House) -> None:
    created = await made(house, settings=SETTINGS)
    rows = json.loads((await ask(house, "GET", "strategies")).content, parse_float=Decimal)
    [row] = [one for one in rows if one["id"] == created["strategy_id"]]
    found = row["settings"]
    assert found["options"] == SETTINGS["options"]
    assert [(Decimal(one["at"]["r"]), Decimal(one["percent"])) for one in found["exits"]["targets"]] == [
        (1, 50),
        (Decimal("2.5"), 25),
    ]
    assert (found["exits"]["option_defaults"], int(found["exits"]["min_dte_days"])) == (False, 2)
    rules = rules_of(found)  # as the desk reads them
    assert (rules.options.tier, rules.exits.option_defaults, len(rules.exits.targets)) == ("SWING", False, 2)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"options": {"trade": "never"}}, "trade"),
        ({"options": {"rule": "tier"}}, "tier"),
        ({"options": {"tier": "SWING"}}, "tier"),
        ({"options": {"max_hold_days": 366}}, "max_hold_days"),
        ({"options": {"rule": "tier", "tier": "LEAPS", "max_hold_days": 3}}, "max_hold_days"),
        ({"exits": {"targets": []}}, "targets"),
        ({"exits": {"targets": [{"at": {"r": 1}}]}}, "percent"),
        ({"exits": {"targets": [{"at": {"r": 1}, "percent": 60}, {"at": {"r": 2}, "percent": 60}]}}, "100"),
        ({"exits": {"targets": [{"at": {"r": 2}, "percent": 10}, {"at": {"r": 1}, "percent": 10}]}}, "further"),
        ({"exits": {"min_dte_days": 1.5}}, "min_dte_days"),
        ({"exits": {"session_close_minutes": 0}}, "session_close_minutes"),
        ({"exits": {"option_defaults": "no"}}, "option_defaults"),
    ],
)
async def test_what_can_not_be_meant_is_refused(house: House, settings: dict[str, Any], says: str) -> None:
    answer = await ask(house, "POST", "strategies", {"name": "Options", "settings": settings})
    assert answer.status_code == 422, answer.text
    assert says in answer.text
