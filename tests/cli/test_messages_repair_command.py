"""``hookfill messages repair``: malformed messages shown, mended and sent on."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from hookfill.inbox import store
from hookfill.inbox.model import Delivery
from hookfill.kernel.ids import new_id
from hookfill.postgres.model import Database
from hookfill.postgres.pool import connect
from support.cli import Cli
from support.database import query, value

STRAY = b'{"type":"ENTRY","signal_id":"20251114_005000000_BULLISH","sl_price":25015.25","timestamp":1763102940000}'
HOPELESS = b'{"type":"ENTRY", \x1b[2J'
NOT_A_NUMBER = b'{"type":"ENTRY","signal_id":"x","sl_price":NaN}'


def came_in(database: Database, *bodies: bytes) -> list[str]:
    """Malformed telemetry of the owner's default account; the messages' ids."""
    account_id: UUID = value(database.url, "SELECT account_id FROM accounts WHERE is_default")
    now = datetime.now(UTC)
    items = [
        Delivery(account_id, new_id(), "telemetry", body, now, now, 0, state="malformed", reason="json_invalid", error="why")
        for body in bodies
    ]

    async def put() -> None:
        connection = await connect(database, name="test")
        await store.flush(connection, items)
        await connection.close()

    asyncio.run(put())
    return [str(item.message_id) for item in items]


def states(database: Database) -> list[str]:
    return [row[0] for row in query(database.url, "SELECT state FROM messages ORDER BY message_id")]


def test_without_apply_before_and_after_are_only_shown(cli: Cli) -> None:
    stray, hopeless = came_in(cli.database, STRAY, HOPELESS)
    text = cli.text("messages", "repair")
    assert stray in text
    assert hopeless in text
    assert "stray_quote_after_number" in text
    assert "Repairable: 1 of 2. Add --apply" in text
    assert "\x1b" not in text
    first, second = cli.json("messages", "repair")
    assert (first["before"], first["after"]) == (STRAY.decode(), STRAY.decode().replace('25",', "25,"))
    assert (first["rules"], first["problem"], first["is_sent_on"]) == (["stray_quote_after_number"], None, False)
    assert (second["after"], second["rules"], second["is_sent_on"]) == (None, [], False)
    assert "No repair rule" in second["problem"]
    assert states(cli.database) == ["malformed"] * 2


def test_with_apply_they_are_sent_on(cli: Cli) -> None:
    came_in(cli.database, STRAY, HOPELESS, STRAY)
    text = cli.text("messages", "repair", "--apply")
    assert "Repaired and sent on: 2. Left as they are: 1." in text
    assert states(cli.database) == ["received", "malformed", "duplicate"]
    assert value(cli.database.url, "SELECT count(*) FROM messages WHERE repaired_by = 'stray_quote_after_number'") == 2
    assert [message["state"] for message in cli.json("messages", "--state", "received")] == ["received"]
    assert cli.json("messages", "--state", "received")[0]["repaired_by"] == "stray_quote_after_number"
    assert "Repairable: 0 of 1." in cli.text("messages", "repair")


def test_messages_may_be_named(cli: Cli) -> None:
    stray, other, hopeless = came_in(cli.database, STRAY, STRAY.replace(b"BULLISH", b"BEARISH"), HOPELESS)
    (done,) = cli.json("messages", "repair", other, "--apply")
    assert (done["message_id"], done["is_sent_on"], done["state"]) == (other, True, "received")
    assert states(cli.database) == ["malformed", "received", "malformed"]
    for named in (hopeless, other):
        result = cli.run("messages", "repair", named, "--apply")
        assert result.exit_code == 1
        assert "problem" in result.stdout
    result = cli.run("messages", "repair", stray, "--rule", "nan_as_null", "--apply")
    assert (result.exit_code, states(cli.database)[0]) == (1, "malformed")


def test_one_rule_may_be_chosen(cli: Cli) -> None:
    came_in(cli.database, STRAY, NOT_A_NUMBER)
    found = cli.json("messages", "repair", "--rule", "nan_as_null")
    assert [message["rules"] for message in found] == [[], ["nan_as_null"]]
    assert found[1]["after"] == NOT_A_NUMBER.decode().replace("NaN", "null")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "is no id"),
        ([str(uuid4())], "There is no message"),
        (["--rule", "magic"], "choose one of stray_quote_after_number, nan_as_null"),
    ],
)
def test_what_is_not_there_is_said_so(cli: Cli, arguments: list[str], says: str) -> None:
    assert says in cli.error("messages", "repair", *arguments)


def test_nothing_to_repair_is_no_error(cli: Cli) -> None:
    assert "No message is malformed." in cli.text("messages", "repair", "--apply")
    assert cli.json("messages", "repair") == []
