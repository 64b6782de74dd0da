"""What every command shares: the config, the database, one line instead of a traceback, a progress bar.

Modules are imported where they are used: `--help` and quick commands should not wait for what they do not need.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from leaderboard.config import Config, ConfigError


class Commands(click.Group):
    """Lists the commands in the order of a day's work, and turns known errors into one line and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        from leaderboard.plugin import Invalid, TryLater

        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise click.ClickException(str(error)) from None
        except Invalid as error:
            raise click.ClickException(error.message) from None
        except TryLater as error:
            raise click.ClickException(f"{error}; try again in {error.seconds:.0f} s") from None


def with_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every command takes --config, and ends with one line where its database cannot be used."""

    @wraps(command)
    def careful(*args: Any, **options: Any) -> Any:
        try:
            return command(*args, **options)
        except Exception as error:
            if not isinstance(error, database_errors()):
                raise
            reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            raise click.ClickException(f"the database cannot be used: {reason}") from None

    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        help="The config file; default $LEADERBOARD_CONFIG or leaderboard.toml.",
    )(careful)


def database_errors() -> tuple[type[Exception], ...]:
    """What a database that is locked, full or gone raises, by itself or its driver. Asked only when something was raised."""
    import psycopg
    from sqlalchemy.exc import OperationalError

    from leaderboard.database import Unavailable
    from leaderboard.sqlite import sqlite_module

    return Unavailable, OperationalError, psycopg.OperationalError, sqlite_module().OperationalError


def connect(config: Config) -> Any:
    """The configured database as it is, left when the command ends."""
    from leaderboard.database import Database

    database = Database(config.database.url)
    click.get_current_context().call_on_close(database.dispose)
    return database


def open_database(config: Config) -> Any:
    """The configured database; a new one gets its tables, an older one is refused with the remedy."""
    database = connect(config)
    if database.is_new():
        prepare(database, config)
    elif database.pending():
        raise click.ClickException(
            "the database's tables are older than the program; run: leaderboard db upgrade"
        )
    return database


def warn(database: Any) -> None:
    """Say so at the start where this SQLite can damage its file."""
    from leaderboard.sqlite import sqlite_affected

    version = database.version()
    if database.is_sqlite and sqlite_affected(version.removeprefix("SQLite ")):
        click.echo(
            f"Warning: {version} has a bug that can damage the file when several programs use it (WAL reset). "
            "Install the package pysqlite3, or Python with SQLite 3.51.3 or newer, or use PostgreSQL.",
            err=True,
        )


def welcome(database: Any, config: Config) -> None:
    """While nobody is here: say where the first admin comes in. The address is a key, so only the console is told."""
    from leaderboard import people, weeks
    from leaderboard.check import unfit
    from leaderboard.web import first_run

    with database.reading() as session:
        if unfit(config) or not people.nobody_here(session):
            return
    click.echo(
        "Nobody is here yet. Whoever opens this address within a day becomes the first admin:\n"
        f"  {first_run.address(config, weeks.now())}",
        err=True,
    )


def prepare(database: Any, config: Config) -> None:
    """Bring the tables up to date, and record the config's numbers as version 1 of the rules where there is none.

    Both or neither: the next start would take tables without rules for a database in use, and go on with other numbers.
    """
    from sqlmodel import Session

    from leaderboard import weeks
    from leaderboard.ledger import record_rules
    from leaderboard.tables import RulesVersion

    with database.rebuilding() as connection:
        database.migrate(connection)
        with Session(connection) as session:
            if session.get(RulesVersion, 1) is None:
                record_rules(
                    session, config.points, config.fair_play, weeks.now(), note="from the config file"
                )
            session.commit()  # into the transaction around it


def progress(title: str) -> tuple[Any, Callable[[int, int], None]]:
    """A progress bar for long work; silent where nobody watches."""
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task(title, total=None)
    return bar, lambda done, of: bar.update(task, completed=done, total=of)


def audited(database: Any) -> int:
    """Say every difference between ledger, scores and evidence, or that there is none; returns how many."""
    from leaderboard.audit import audit

    bar, tell = progress("auditing")
    found = 0
    with bar, database.snapshot() as session:
        for line in audit(session, tell):
            found += 1
            click.echo(line)
    click.echo(f"{found} differences" if found else "ledger, scores and evidence agree")
    return found
