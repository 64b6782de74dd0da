"""The commands (`leaderboard`): each says what it does, ends with an exit status, and shows progress when it takes long.

Modules are imported where they are used: `--help` and quick commands should not wait for what they do not need.
"""

import sys
from pathlib import Path
from typing import Any

import click

from leaderboard import __version__
from leaderboard.authors import helpdesks, new_plugin, tried
from leaderboard.commands import (
    Commands,
    audited,
    connect,
    open_database,
    prepare,
    progress,
    warn,
    welcome,
    with_config,
)
from leaderboard.config import Config, load, place

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="leaderboard")
def main() -> None:
    """Extra Mile: points for going above and beyond, each resting on a witness."""


@main.command(short_help="Open a made-up company to try everything out.")
@click.option("--port", default=8000, show_default=True, help="Where to serve it, on 127.0.0.1.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where its config and database go and stay; default: a new temporary folder.",
)
@click.option("--no-history", is_flag=True, help="Start with the people only, without ten weeks of history.")
def demo(port: int, folder: Path | None, no_history: bool) -> None:
    """Open a made-up company: 40 people in 5 teams and 3 time zones, with 10 weeks of history.

    Prints one line per role: role, e-mail, password. Ends with Ctrl-C.
    """
    from leaderboard import demo as company

    company.run(port, folder, history=not no_history)


@main.command(short_help="Serve the product: the web and the clock.")
@with_config
@click.option("--no-jobs", is_flag=True, help="Serve the web only; run `leaderboard scheduler` beside it.")
def run(config_file: Path | None, no_jobs: bool) -> None:
    """Serve the product: the web and the clock in one process group, until Ctrl-C or SIGTERM."""
    from leaderboard.serve import serve

    config = load(config_file)
    database = open_database(config)
    warn(database)
    welcome(database, config)
    database.dispose()
    serve(config, config_file, jobs=not no_jobs)


@main.command(short_help="Look at what an operator can get wrong; or at a plugin.")
@with_config
@click.option(
    "--plugin", metavar="NAME", help="Try this helpdesk plugin instead: a folder of plugins/ or a module."
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the plugin's samples are; default: beside its __init__.py.",
)
@click.option("--payloads", default=10_000, show_default=True, help="How many payloads are made up for it.")
@click.option("--seed", default=0, show_default=True, help="Another number makes other payloads up.")
def check(
    config_file: Path | None, plugin: str | None, samples: Path | None, payloads: int, seed: int
) -> None:
    """Look at config, database, permissions, mail, channels, helpdesks and clocks, and say what to do.

    Nothing is changed and nothing sent. A line per finding: ok, warning or wrong. Exit status 1 when something is wrong.

    With --plugin: go through all that every helpdesk plugin must do, on its own samples and on payloads made up from
    them. No config is read, nobody is called; it speaks the language of the shell.
    """
    from leaderboard import weeks
    from leaderboard.check import check as findings

    if plugin is not None:
        sys.exit(1 if tried(plugin, samples, payloads, seed) else 0)
    if samples is not None:
        raise click.UsageError("say which --plugin the samples are of")
    config = load(config_file)
    wrong = 0
    for finding in findings(config, place(config_file), weeks.now):
        wrong += finding.state == "wrong"
        click.echo(f"{finding.state:<8} {finding.what}: {finding.words}")
    sys.exit(1 if wrong else 0)


@main.command(short_help="Run the clock only, beside `run --no-jobs`.")
@with_config
def scheduler(config_file: Path | None) -> None:
    """Run the clock only: closes weeks, pulls sources, sends announcements. Several of them are harmless."""
    from leaderboard.serve import keep_time

    config = load(config_file)
    keep_time(config, open_database(config))


@main.command(short_help="Fetch what is new from a helpdesk now.")
@with_config
@click.argument("source")
def pull(config_file: Path | None, source: str) -> None:
    """Fetch what is new from SOURCE now, as the clock does every five minutes."""
    from leaderboard import deliveries, weeks

    config = load(config_file)
    if source not in config.plugins:
        raise click.ClickException(f"there is no [plugins.{source}] in the config")
    bar, tell = progress(f"pulling {source}")
    seen = 0

    def page(new: int) -> None:
        nonlocal seen
        seen += new
        tell(seen, seen)

    with bar:
        new = deliveries.pull(open_database(config), config, source, weeks.now, page)
    click.echo(f"{source}: {new} new facts")


@main.command(short_help="Read stored deliveries again.")
@with_config
@click.argument("delivery", type=int, required=False)
@click.option("--failed", is_flag=True, help="All failed deliveries, the oldest first.")
@click.option("--source", help="Only those of this source.")
def replay(config_file: Path | None, delivery: int | None, failed: bool, source: str | None) -> None:
    """Read a stored DELIVERY again and post what is new. Harmless as often as you like."""
    from sqlalchemy import select

    from leaderboard import deliveries, weeks
    from leaderboard.tables import Delivery

    config = load(config_file)
    database = open_database(config)
    if delivery is None and not failed:
        raise click.UsageError("say which DELIVERY, or --failed")
    ids = [delivery] if delivery is not None else []
    if delivery is None:
        table = Delivery.__table__  # type: ignore[attr-defined]
        query = select(table.c.id).where(table.c.state == "failed").order_by(table.c.id)
        if source:
            query = query.where(table.c.source == source)
        with database.reading() as session:
            ids = list(session.connection().execute(query).scalars())
    still = 0
    bar, tell = progress("replaying")
    with bar:
        for done, id_ in enumerate(ids, 1):
            try:
                receipt = deliveries.replay(database, config, id_, weeks.now())
            except LookupError as error:
                raise click.ClickException(str(error)) from None
            except deliveries.Frozen as error:  # the others go on
                still += 1
                click.echo(f"delivery {id_}: {error.message}")
                continue
            still += receipt.state == "failed"
            reason = f": {receipt.reason}" if receipt.reason else ""
            click.echo(f"delivery {id_}: {receipt.state}, {receipt.new} new facts{reason}")
            tell(done, len(ids))
    sys.exit(1 if still else 0)


@main.command("close-week", short_help="Close ended weeks now.")
@with_config
@click.option("--team", help="Only this team (its slug).")
@click.option("--week", help="Only this week, as 2026-W47.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")
def close_week(config_file: Path | None, team: str | None, week: str | None, dry_run: bool) -> None:
    """Close ended weeks now: freeze the numbers and draft the winners, as the clock does on Monday."""
    from leaderboard import jobs, weeks

    config = load(config_file)
    for line in jobs.close_weeks_by_hand(
        open_database(config), config, weeks.now, team, week, dry_run=dry_run
    ):
        click.echo(line)


@main.command(short_help="Prove that ledger, scores and evidence agree.")
@with_config
def audit(config_file: Path | None) -> None:
    """Prove on the live database that ledger, scores and evidence agree; exit status 1 and every difference if not."""
    sys.exit(1 if audited(open_database(load(config_file))) else 0)


@main.command(short_help="Write every row into one file.")
@with_config
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(config_file: Path | None, file: Path) -> None:
    """Write every row, as of one moment, into FILE; safe beside a running server.

    The same kind of file from SQLite and from PostgreSQL, and either can be restored from it. It holds what the database holds,
    so keep it as safe. The config file and its secrets are not in it.
    """
    from leaderboard import weeks
    from leaderboard.backup import backup as write

    database = connect(load(config_file))
    bar, tell = progress("backing up")
    with bar:
        done = write(database, file, weeks.now(), tell)
    click.echo(f"{file}: {done.rows} rows of {done.tables} tables, revision {done.revision}")


@main.command(short_help="Make the database what a backup holds.")
@with_config
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Also where the database is in use: all that it holds is lost.")
def restore(config_file: Path | None, file: Path, replace: bool) -> None:
    """Make the database what it was when FILE was written, all of it or nothing, and audit it.

    FILE is compared with its checksums first. A backup of an older version is brought up to date. Stop the service before.
    """
    from leaderboard import weeks
    from leaderboard.backup import restore as read

    database = connect(load(config_file))
    database.version()  # a database that cannot be used is said before the file is read
    bar, tell = progress("restoring")
    with bar:
        done = read(database, file, weeks.now(), tell, replace=replace)
    click.echo(f"{done.rows} rows of {done.tables} tables, as of {done.made_at:%Y-%m-%d %H:%M} UTC")
    sys.exit(1 if audited(database) else 0)


@main.command(short_help="Compute scores again from the evidence.")
@with_config
def rebuild(config_file: Path | None) -> None:
    """Compute scores and tallies again from the stored evidence; safe beside a running server."""
    from leaderboard import weeks
    from leaderboard.audit import rebuild as anew

    database = open_database(load(config_file))
    bar, tell = progress("rebuilding")
    with bar:
        written = anew(database, weeks.now(), tell)
    click.echo(
        f"rebuilt; {written} ledger lines had to be corrected" if written else "rebuilt; the ledger was right"
    )


@main.group()
def people() -> None:
    """People and teams."""


@people.command("import")
@with_config
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would change and change nothing.")
def people_import(config_file: Path | None, file: Path, dry_run: bool) -> None:
    """Import people and teams from FILE: name,email,team,role[,timezone,joined_on]. Safe to repeat.

    Nothing is changed unless every line is good; mistakes are listed by line.
    """
    from leaderboard import people as rooms
    from leaderboard import weeks

    config = load(config_file)
    database = open_database(config)
    with database.writing() as session:
        report = rooms.import_csv(session, file.read_bytes(), weeks.now(), dry_run, zone=config.week.timezone)
    for number, mistake in report.errors:
        click.echo(f"{file}, line {number}: {mistake}" if number else f"{file}: {mistake}", err=True)
    for title, lines in (
        ("new team", report.new_teams),
        ("added", report.added),
        ("changed", report.changed),
    ):
        for line in lines:
            click.echo(f"{title}: {line}")
    if report.errors:
        raise click.ClickException(f"{len(report.errors)} mistakes; nothing was changed")
    summary = f"{len(report.added)} added, {len(report.changed)} changed, {report.unchanged} as before"
    click.echo(f"{summary} (dry run: nothing was changed)" if dry_run else summary)


@people.command("link")
@with_config
@click.argument("person")
def people_link(config_file: Path | None, person: str) -> None:
    """Print a link with which PERSON sets a password: for the first admin, and where no mail is sent.

    PERSON is an e-mail address, handle or id. The link works once, for a day.
    """
    from leaderboard import people as rooms
    from leaderboard.app import create_app
    from leaderboard.web.sign_in import link_to_set_password

    config = load(config_file)
    if not config.sign_in.passwords:
        raise click.ClickException("[sign_in] passwords is off, so nobody sets one")
    database = open_database(config)
    with database.reading() as session:
        owner = rooms.find(session, person)
    if owner is None or not owner.active:
        raise click.ClickException(f"there is no active person {person!r}")
    with create_app(config, database).test_request_context():
        click.echo(link_to_set_password(owner))


@main.group()
def token() -> None:
    """API tokens."""


@token.command("create")
@with_config
@click.option("--person", required=True, help="E-mail, handle or id of the person it acts for.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="read, write or admin; may be repeated."
)
@click.option("--days", type=click.IntRange(1, 3650), help="How long it lasts; default: until it is revoked.")
@click.option("--name", default="made by command", show_default=True, help="What its owner sees in the list.")
def token_create(
    config_file: Path | None, person: str, scopes: tuple[str, ...], days: int | None, name: str
) -> None:
    """Make an API token; it is printed as the last word, once."""
    from leaderboard import people as rooms
    from leaderboard import weeks

    database = open_database(load(config_file))
    with database.writing() as session:
        owner = rooms.find(session, person)
        if owner is None:
            raise click.ClickException(f"there is no person {person!r}")
        text = rooms.token_create(session, owner, list(scopes), days, weeks.now(), name=name)
    click.echo(f"A token for {owner.name} ({', '.join(scopes)}): {text}")


@main.command(short_help="Send signed deliveries, as a helpdesk would.")
@with_config
@click.argument("source")
@click.option("--url", help="Where to send; default: the port of [server] on this machine.")
@click.option("--rate", default=2.0, show_default=True, help="Deliveries per second.")
@click.option("--count", default=20, show_default=True, help="How many deliveries.")
@click.option("--duplicates", default=0.1, show_default=True, help="Share that is sent twice.")
@click.option(
    "--reorder", default=0.1, show_default=True, help="Share that changes places with the next one."
)
@click.option("--late", default=0.1, show_default=True, help="Share that happened last week.")
@click.option(
    "--agent", "agents", multiple=True, help="Account ids or addresses; default: those already known."
)
@click.option("--seed", type=int, help="For the same deliveries again.")
def simulate(config_file: Path | None, source: str, **options: Any) -> None:
    """Post signed deliveries of SOURCE over HTTP, with duplicates, re-ordered and late ones: a helpdesk to watch."""
    from leaderboard import simulate as sender

    config = load(config_file)
    if source not in config.plugins:
        raise click.ClickException(f"there is no [plugins.{source}] in the config")
    agents = list(options.pop("agents")) or known_agents(config, source)
    sent = sender.run(config, source, agents=agents, **options)
    sys.exit(0 if set(sent.answers) <= {202} else 1)


def known_agents(config: Config, source: str, most: int = 50) -> list[str]:
    """Accounts of this source that are linked to people; else the addresses of people who may receive."""
    from sqlmodel import col, select

    from leaderboard.tables import Identity, Person

    linked = select(Identity.account).where(Identity.source == source, col(Identity.person_id).is_not(None))
    people = select(Person.email).where(col(Person.active), ~col(Person.bot)).order_by(col(Person.id))
    with open_database(config).reading() as session:
        return list(session.exec(linked.limit(most))) or list(session.exec(people.limit(most)))


main.add_command(new_plugin)
main.add_command(helpdesks)


@main.group()
def db() -> None:
    """The database."""


@db.command("upgrade")
@with_config
def db_upgrade(config_file: Path | None) -> None:
    """Bring the tables up to date, all or nothing. Take a backup first."""
    config = load(config_file)
    database = connect(config)
    prepare(database, config)
    click.echo(f"{database.version()}: up to date")


@db.command("check")
@with_config
def db_check(config_file: Path | None) -> None:
    """Say whether migrations and tables.py agree; exit status 1 if not."""
    differences = connect(load(config_file)).differs()
    for line in differences:
        click.echo(line)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main(prog_name="leaderboard")
