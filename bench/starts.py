"""Cold starts: a command and a web process, each against an empty Flask app."""

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.ingest import CONFIG, SECRET
from bench.measuring import Figure, company, in_folder, in_turns

EMPTY = "from flask import Flask; app = Flask('empty'); app.add_url_rule('/', view_func=lambda: '')"
WEB = "from leaderboard.serve import wsgi; wsgi()"


def starts(folder: Path) -> list[Figure]:
    """Seconds of a whole process, from nothing to its end."""
    url = in_folder(folder / "own")
    db, _ = company(url)
    db.dispose()
    file = folder / "leaderboard.toml"
    file.write_text(CONFIG.format(port=8123, processes=1, threads=4, url=url, secret=SECRET))
    file.chmod(0o600)

    def run(*command: str) -> float:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, *command],
            env=os.environ | {"LEADERBOARD_CONFIG": str(file)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - begun

    flask, check, web = in_turns(
        lambda: run("-c", EMPTY),
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
    ]
