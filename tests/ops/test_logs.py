"""Log lines: JSON or readable, by level, without secrets, and inert whatever a stranger sent."""

import subprocess
import sys
import textwrap
from typing import Any

import orjson
import pytest

from hookfill.ops.logs import MASK, make_safe


def logged(program: str, level: str = "info", *, is_terminal: bool = False) -> str:
    """What a program writes to standard error once logging is set up."""
    prologue = f"from hookfill.ops.logs import configure\nconfigure({level!r}, is_terminal={is_terminal})\n"
    command = [sys.executable, "-c", prologue + textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


def test_lines_are_json_where_there_is_no_terminal() -> None:
    (line,) = logged("import structlog; structlog.get_logger('x').info('stored', messages=3)").splitlines()
    found = orjson.loads(line)
    assert (found["event"], found["messages"], found["level"]) == ("stored", 3, "info")
    assert found["timestamp"].endswith("Z")


def test_lines_are_readable_on_a_terminal() -> None:
    text = logged("import structlog; structlog.get_logger('x').info('stored', messages=3)", is_terminal=True)
    assert "stored" in text
    assert not text.startswith("{")


@pytest.mark.parametrize(("level", "events"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_decides(level: str, events: int) -> None:
    program = """
        import structlog
        log = structlog.get_logger()
        for method in ("debug", "info", "warning", "error"):
            getattr(log, method)("happened")
    """
    assert logged(program, level).count("happened") == events


def test_other_loggers_and_warnings_go_the_same_way() -> None:
    program = """
        import logging, warnings
        logging.getLogger("uvicorn.error").warning("strange %s", "request")
        logging.getLogger("uvicorn.error").info("not worth a line")
        warnings.warn("old")
        try:
            raise ValueError("boom\\x1b[31m")
        except ValueError:
            logging.getLogger("asyncio").exception("failed")
    """
    lines = [orjson.loads(line) for line in logged(program).splitlines()]
    assert [line["logger"] for line in lines] == ["uvicorn.error", "py.warnings", "asyncio"]
    assert lines[0]["event"] == "strange request"
    assert "ValueError: boom\\x1b[31m" in lines[2]["exception"]


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("path", "POST /api/v1/webhooks/tv/canary-9 HTTP/1.1", f"POST /api/v1/webhooks/tv/{MASK} HTTP/1.1"),
        ("error", "postgresql://hookfill:canary-9@db/name refused", f"postgresql://hookfill:{MASK}@db/name refused"),
        ("header", "authorization: Bearer canary-9", f"authorization: Bearer {MASK}"),
        ("owner_token", "canary-9", MASK),
        ("HMAC_SECRET", "canary-9", MASK),
        ("api_key", b"canary-9", MASK),
        ("headers", {"authorization": "canary-9", "n": [1, "x\x1b"]}, {"authorization": MASK, "n": [1, "x\\x1b"]}),
        ("secrets", ["canary-9"], [MASK]),
        ("body", b"\xff\x1b[2J\n", "\ufffd\\x1b[2J\n"),
        ("text", "a\r\nb\u202e", "a\\r\nb\\u202e"),
        ("error", ValueError("x\x07"), "x\\x07"),
        ("count", 3, 3),
        ("nothing", None, None),
    ],
)
def test_values_are_made_safe(key: str, value: Any, shown: Any) -> None:
    assert make_safe(None, "info", {key: value}) == {key: shown}


def test_no_nesting_makes_it_fail() -> None:
    nested: list[Any] = []
    nested.append(nested)
    assert "event" in make_safe(None, "info", {"event": "x", "nested": nested})
