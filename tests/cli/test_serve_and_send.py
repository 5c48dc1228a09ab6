"""``hookfill serve`` as a process of its own, and ``hookfill send`` to it."""

import hashlib
import hmac
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.cli import Cli
from support.database import query, value, wait_until

STOP_SECONDS = 60
HMAC = "canary-hmac-secret-00af31"


@contextmanager
def serving(cli: Cli, *options: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """``hookfill serve`` on a free port; what it prints can be read from it."""
    command = [sys.executable, "-m", "hookfill", "serve", "--port", "0", *options]
    given = {name: text for name, text in {**cli.environment, **environment}.items() if text is not None}
    process = subprocess.Popen(command, env=given | {"PATH": ""}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=STOP_SECONDS)


def ready(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_when_asked(cli: Cli, number: signal.Signals) -> None:
    with serving(cli, "--json") as process:
        found = ready(process)
        assert found["pid"] == process.pid
        assert cli.json("status")["server"]["url"] == found["url"]
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        out, err = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 0, err
    assert out == ""
    assert "Traceback" not in err
    assert cli.json("status")["server"]["url"] is None
    assert not psutil.wait_procs(children, timeout=STOP_SECONDS)[1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_the_worker_is_deaf_to_the_terminal(cli: Cli) -> None:
    with serving(cli, "--json") as process:
        ready(process)
        wait_until(lambda: cli.json("status")["server"]["worker"], "no worker connected")
        (worker,) = psutil.Process(process.pid).children(recursive=True)
        worker.send_signal(signal.SIGINT)
        worker.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 0
    assert "worker_ended" not in err
    assert "Traceback" not in err


def test_people_get_a_block_that_says_what_to_do_next(cli: Cli) -> None:
    with serving(cli, "--role", "api") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
    text = "".join(lines)
    assert "Hookfill is ready: http://127.0.0.1:" in text
    for shown in ("/webhook", "hookfill token", "hookfill strategies create", str(cli.home)):
        assert shown in text


def test_an_occupied_port_is_one_line(cli: Cli) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with serving(cli, "--port", str(listener.getsockname()[1])) as process:
            out, err = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 1
    assert out == ""
    assert "choose another --port" in err
    assert "Traceback" not in err


def test_a_worker_alone_runs_until_it_is_stopped(cli: Cli) -> None:
    with serving(cli, "--role", "worker", "--json") as process:
        assert ready(process) == {"url": None, "pid": process.pid}
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 0


def test_send_shows_the_answer_and_what_became_of_it(cli: Cli) -> None:
    url_path = "/api/v1/webhooks/tv/"
    with serving(cli, "--json") as process:
        base = ready(process)["url"]
        made = cli.json("strategies", "create", "Scalper")
        assert made["webhook_url"].startswith(f"{base}{url_path}")
        secret = made["webhook_url"].rpartition("/")[2]
        order = ["--symbol", "BTCUSDT", "--quantity", "0.01", "--price", "90000"]
        by_url = cli.json("send", made["webhook_url"], *order)
        assert (by_url["accepted"], by_url["status"], by_url["answer"]) == (True, 200, {"status": "ok"})
        assert (by_url["outcome"]["state"], by_url["outcome"]["status"]) == ("processed", "executed")
        by_secret = cli.json("send", secret, *order)
        assert by_secret["outcome"]["state"] == "duplicate"
        assert by_secret["outcome"]["signal_id"] == by_url["outcome"]["signal_id"]
        assert "duplicate; the first one is executed" in cli.text("send", secret, *order)
        assert cli.json("send", secret, "--body", "what?")["outcome"]["reason"] == "text_unusable"
        text = cli.text("send", secret, "--body", "hm [red]\x1b[31m")
        assert "text_unusable" in text
        assert "\x1b" not in text
        assert f"hookfill story {value(cli.database.url, 'SELECT max(signal_id::text) FROM signals')}" in text
    assert query(cli.database.url, "SELECT symbol, quantity FROM positions")[0][0] == "BTCUSDT"


def test_send_signs_for_the_signed_door(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookfill.cli.send.DECIDED_SECONDS", 0.3)  # no worker runs that would decide
    with serving(cli, "--json", "--role", "api", HMAC_SECRET=HMAC) as process:
        ready(process)
        refused = cli.run("send", "--json")
        assert refused.exit_code == 1
        assert json.loads(refused.stdout)["status"] == 401
        body = '{"symbol":"SPY","direction":"long","timeframe":"5m","timestamp":"2026-03-04T15:00:00Z"}'
        assert hmac.new(HMAC.encode(), body.encode(), hashlib.sha256).hexdigest() not in cli.text("status")
        accepted = cli.run("send", "--body", body, "--json", HMAC_SECRET=HMAC)
    assert accepted.exit_code == 0
    found = json.loads(accepted.stdout)
    assert found["status"] == 201
    assert found["outcome"]["signal_id"] == found["answer"]["signal_id"]
    assert found["outcome"]["status"] == "pending"


def test_send_to_nobody(cli: Cli) -> None:
    says = cli.error("send", "http://127.0.0.1:1/api/v1/webhooks/tv/canary-secret-889911")
    assert "does not answer" in says
    assert "canary-secret-889911" not in says
    assert "webhook URL" in cli.error("send", "no url")


def test_a_secret_may_begin_with_a_dash(cli: Cli) -> None:
    assert "does not answer" in cli.error("send", "-D" + "x" * 41, HOOKFILL_PORT="1")


def test_an_import_beside_a_running_server_is_left_to_its_worker(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    header = "Alert ID,Ticker,Name,Description,Time\n"
    rows = [f"1,t,n,{word} BTCUSDT 0.01 price=90000,2026-03-02T12:00:0{n}Z\n" for n, word in enumerate(("buy", "close"))]
    log.write_text(header + "".join(rows))
    with serving(cli, "--json") as process:
        ready(process)
        wait_until(lambda: cli.json("status")["server"]["worker"], "no worker connected")
        cli.text("strategies", "create", "Scalper")
        found = cli.json("import", "alerts", log, "--strategy", "Scalper")
    assert found["outcomes"] == {"executed": 2}
