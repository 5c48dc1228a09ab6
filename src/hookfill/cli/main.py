"""The command line's entry point: puts the commands together.

Commands import what they need when they run: ``hookfill --help`` loads neither web server nor database.
"""

import typer

from hookfill.cli import accounts, agent, exports, flags, imports, messages, orders, strategies, users
from hookfill.cli.common import Group
from hookfill.cli.control import flatten, halt, resume
from hookfill.cli.demo import demo
from hookfill.cli.doctor import doctor
from hookfill.cli.reading import status, story
from hookfill.cli.reconcile import reconcile
from hookfill.cli.send import send
from hookfill.cli.serve import serve
from hookfill.cli.token import migrate, token

app = typer.Typer(
    cls=Group,
    name="hookfill",
    help="Every alert kept, explained and filled exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def main() -> None:
    """Every alert kept, explained and filled exactly once."""


app.command()(serve)
app.command()(demo)
app.command()(status)
app.command()(story)
app.command(context_settings={"ignore_unknown_options": True})(send)  # a secret may begin with a dash
app.add_typer(messages.app, name="messages")
app.add_typer(orders.app, name="orders")
app.add_typer(accounts.app, name="accounts")
app.add_typer(strategies.app, name="strategies")
app.add_typer(users.app, name="users")
app.add_typer(flags.app, name="flags")
app.add_typer(imports.app, name="import")
app.add_typer(exports.app, name="export")
app.add_typer(agent.app, name="agent")
app.command()(reconcile)
app.command()(halt)
app.command()(resume)
app.command()(flatten)
app.command()(token)
app.command()(migrate)
app.command()(doctor)


def run() -> None:
    """The console script."""
    app()
