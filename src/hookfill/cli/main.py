"""The command line's entry point."""

from pathlib import Path

import typer

from hookfill.app import Listening, serve_api, serve_worker
from hookfill.home import Home
from hookfill.settings import Settings

app = typer.Typer()


@app.callback()
def main() -> None: ...


@app.command()
def serve(host: str = "", port: int = -1, home: Path = None, role: str = "all", tied: bool = False) -> None:
    given = {"host": host or None, "port": port if port >= 0 else None, "home": home}
    settings = Settings(**{k: v for k, v in given.items() if v is not None})
    place = Home.at(settings.home)
    import uvloop

    def ready(l: Listening) -> None:
        print(f"Hookfill listens on {l.url}", flush=True)

    if role == "worker":
        uvloop.run(serve_worker(settings, place, is_tied=tied, on_ready=lambda l: None))
    else:
        uvloop.run(serve_api(settings, place, with_worker=role == "all", on_ready=ready))


def run() -> None:
    app()
