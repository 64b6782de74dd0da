"""The commands for authors of helpdesk plugins: begin one, try one, and say what each brings.

They read no config. Modules are imported where they are used, as in all commands.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click


@contextmanager
def speaking_as_the_shell() -> Iterator[None]:
    """For authors of plugins: texts in the language of the shell (LC_ALL, LC_MESSAGES, LANG), and modules of this folder."""
    from leaderboard.languages import speaking

    sys.path.append(str(Path.cwd()))
    said = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    with speaking(next((value[:2] for value in said if value), None)):
        yield


def tried(module: str, samples: Path | None, payloads: int, seed: int) -> int:
    """How many rules of the conformance kit a plugin breaks; each is told."""
    from leaderboard.conformance.report import check_plugin

    wrong = 0
    with speaking_as_the_shell():
        for line, is_wrong in check_plugin(module, samples, payloads, seed):
            wrong += is_wrong
            click.echo(line)
    return wrong


@click.command("new-plugin", short_help="Begin a helpdesk plugin of your own.")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=".",
    help="Where its folder goes; default: here.",
)
def new_plugin(name: str, folder: Path) -> None:
    """Begin a helpdesk plugin: a folder NAME that works and passes `leaderboard check --plugin NAME`.

    It is the example plugin under another name. docs/adding-a-helpdesk.md leads on from there.
    """
    from leaderboard.conformance.beginning import begin

    with speaking_as_the_shell():
        click.echo(begin(name, folder))


@click.command(short_help="What each helpdesk plugin brings, as a table.")
@click.option(
    "--write",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Put the table between the two marks of this page (docs/helpdesks.md) instead.",
)
def helpdesks(write: Path | None) -> None:
    """Say what each helpdesk plugin of this program brings and how, as a table in Markdown, made from the plugins."""
    from leaderboard.conformance import capabilities

    if write is not None:
        capabilities.write(write)
    else:
        click.echo(capabilities.table(), nl=False)
