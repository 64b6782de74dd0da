"""Open the demo: config and database in a folder, history where there is none yet, then serve."""

import base64
import os
import secrets
import tempfile
from datetime import timedelta
from pathlib import Path

import click
from rich.console import Console

from leaderboard import weeks
from leaderboard.config import Config, load
from leaderboard.database import Database
from leaderboard.demo import company
from leaderboard.demo.history import WEEKS, Story, email_of, hire

PASSWORD = "one-mile-more-every-day"  # noqa: S105 (the demo's, printed for everyone to see)
CONFIG = """\
# Written by `leaderboard demo`; delete the folder to start anew.
demo = true
pull_hosts = ["127.0.0.1"]

[server]
port = {port}
company = "Northgate Outfitters"
secret_key = "{secret_key}"

[database]
url = "sqlite:///{database}"

[sign_in]
session_hours = 2160

[week]
timezone = "Europe/Berlin"

[plugins.demo]
secret = "{demo}"

[plugins.standard]
secret = "whsec_{standard}"

[plugins.zendesk]
subdomain = "extramile-demo"
signing_secret = "{zendesk}"

[plugins.help_scout]
secret = "{help_scout}"
"""


def run(port: int, folder: Path | None, *, history: bool) -> None:
    """Serve the demo at 127.0.0.1:`port`; `folder` keeps it for the next time."""
    from leaderboard.serve import check_address, serve

    folder = folder or Path(tempfile.mkdtemp(prefix="extra-mile-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "leaderboard.toml"
    if not file.exists():
        write_config(file, port)
    os.environ["LEADERBOARD_SERVER__PORT"] = str(port)  # the folder may have been made for another one
    config = load(file)
    check_address(config)  # before ten weeks are lived through in vain
    fill(config, history)
    roles = (
        ("member", company.TEAMS["Care"][1][1]),
        ("lead", company.TEAMS["Care"][1][0]),
        ("admin", company.ADMIN[0]),
    )
    for role, name in roles:
        click.echo(f"{role} {email_of(name)} {PASSWORD}")
    say = Console(stderr=True, highlight=False).print
    say(f"\nExtra Mile is open at {config.public_url} (Ctrl-C ends it; its data stay in {folder}).")
    say("Send it live thanks from another terminal and watch the board move:")
    say(f"  leaderboard simulate zendesk --config {file}")
    serve(config, file, jobs=True)


def write_config(file: Path, port: int) -> None:
    """A config with fresh secrets for this demo, readable by its owner only."""
    database = (file.parent / "leaderboard.db").resolve()
    words = {name: secrets.token_urlsafe(36) for name in ("secret_key", "demo", "zendesk", "help_scout")}
    file.touch(mode=0o600)
    text = CONFIG.format(
        port=port, database=database, standard=base64.b64encode(secrets.token_bytes(32)).decode(), **words
    )
    file.write_text(text, encoding="utf-8")


def fill(config: Config, history: bool) -> None:
    """Hire the company and let it live through ten weeks, where the database is new."""
    database = Database(config.database.url)
    new = database.pending()
    database.upgrade()
    if new:
        said = (
            "Hiring 41 people and living through ten weeks with them …" if history else "Hiring 41 people …"
        )
        Console(stderr=True, highlight=False).print(said)
        moment = weeks.now()
        hire(database, config, PASSWORD, moment - timedelta(weeks=WEEKS + 1 if history else 0))
        if history:
            Story(database, config, PASSWORD, moment).live()
    database.dispose()
