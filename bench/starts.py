"""Cold starts: a command and a web process, each against an empty Flask app."""

import compileall
import os
import subprocess
import sys
import time
from pathlib import Path

from bench.ingest import CONFIG, SECRET
from bench.measuring import Figure, company, in_folder, in_turns

ROOT = Path(__file__).parent.parent
EMPTY = "from flask import Flask; app = Flask('empty'); app.add_url_rule('/', view_func=lambda: '')"
ASKED_FOR = f"import flask_security, sqlmodel, apiflask; {EMPTY}"
"""The empty app with the libraries that the product is asked to stand on; Flask-Security brings Flask-Login."""
WEB = "from leaderboard.serve import wsgi; wsgi()"


def starts(folder: Path) -> list[Figure]:
    """Seconds of a whole process, from nothing to its end."""
    url = in_folder(folder / "own")
    db, _ = company(url)
    db.dispose()
    file = folder / "leaderboard.toml"
    file.write_text(CONFIG.format(port=8123, processes=1, url=url, secret=SECRET))
    file.chmod(0o600)
    for package in ("leaderboard", "plugins"):  # as an installation does, and as its libraries are
        compileall.compile_dir(ROOT / package, quiet=1)

    def run(*command: str) -> float:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, *command],
            env=os.environ | {"LEADERBOARD_CONFIG": str(file)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - begun

    flask, asked_for, check, web = in_turns(
        lambda: run("-c", EMPTY),
        lambda: run("-c", ASKED_FOR),
        lambda: run("-m", "leaderboard", "check"),
        lambda: run("-c", WEB),
    )
    return [
        Figure(
            "start of `leaderboard check` to an empty Flask app",
            check / flask,
            3,
            False,
            f"{check:.2f} s; Flask {flask:.2f} s",
        ),
        Figure("start of a web process to an empty Flask app", web / flask, 3, False, f"{web:.2f} s"),
        Figure(
            "the same to an empty app with the libraries asked for",
            web / asked_for,
            None,
            False,
            f"these alone {asked_for / flask:.1f} times Flask, {asked_for:.2f} s",
        ),
    ]
