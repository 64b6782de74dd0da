"""A web process loads what it needs, and nothing else; the rest of serving is tried in test_logs, test_reliability and web/."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard.database import Database
from leaderboard.optional import without

ELSEWHERE = ("alembic", "apprise", "apscheduler", "authlib", "httpx", "requests", "rich", "granian")
"""For the clock, for single sign-on, for commands: each takes long to load."""
STARTED = f"""
import gc, json, sys
from leaderboard.serve import wsgi
app = wsgi()
answer = app.test_client().get("/sign-in").status_code
print(json.dumps([[name for name in {ELSEWHERE} if name in sys.modules], gc.isenabled(), gc.get_freeze_count(), answer]))
"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # what is loaded is the same on either
def test_a_web_process_loads_nothing_that_it_does_not_use_and_collects_garbage_afterwards(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "leaderboard.toml"
    file.write_text(f'[server]\nsecret_key = "{"k" * 40}"\n[database]\nurl = "{database_url}"\n')
    file.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-c", STARTED],
        env=os.environ | {"LEADERBOARD_CONFIG": str(file)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, collecting, frozen, answer = json.loads(done.stdout)
    assert (loaded, collecting, answer) == ([], True, 200)
    assert frozen > 100_000


def test_a_library_finds_an_optional_one_missing_only_inside_and_where_it_was_not_loaded() -> None:
    sys.modules.pop("this", None)
    with without("this"), pytest.raises(ModuleNotFoundError):
        importlib.import_module("this")
    assert "this" not in sys.modules
    with without("json"):
        assert importlib.import_module("json") is json
