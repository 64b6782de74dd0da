"""The log of a real server: one JSON object per line, a line per delivery and job, and every error page's number in it."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from leaderboard import config as settings
from leaderboard import deliveries
from leaderboard.database import Database
from leaderboard.plugin import Delivery
from tests.make import NOON, Company
from tests.served import Sender, Served, fact


def lines(served: Served) -> list[dict[str, Any]]:
    """The log so far; every line of it has to be an object with its time, level and logger."""
    found = [json.loads(line) for line in (served.folder / "server.log").read_text("utf-8").splitlines()]
    assert all({"event", "level", "logger", "timestamp"} <= set(line) for line in found)
    return found


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # the log is the same on either
def test_the_log_has_a_line_per_delivery_and_job_and_the_number_of_every_error_page(
    db: Database, database_url: str, company: Company, tmp_path: Path
) -> None:
    served = Served(
        tmp_path, database_url, environment={"LEADERBOARD_SERVER__LOG_LEVEL": "debug"}, options=()
    )
    with served, Sender(served.port) as sender, httpx.Client(base_url=served.url) as browser:
        assert [sender.deliver(fact(number)) for number in (1, 1, 2)] == [202, 202, 202]
        patience = time.monotonic() + 30
        while not any(line["event"] == "job" for line in lines(served)) and time.monotonic() < patience:
            time.sleep(0.1)
        (token,) = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', browser.get("/sign-in").text)[:1]
        form = {"csrf_token": token, "email": "ana@example.com", "password": "a canary in the form"}
        with db.engine.begin() as connection:
            connection.execute(text("ALTER TABLE person RENAME TO elsewhere"))
        page = browser.post("/sign-in", data=form)
    assert page.status_code == 500
    (shown,) = re.findall(r"<code>([0-9a-f]{8})</code>", page.text)
    found = lines(served)
    (line,) = [line for line in found if line.get("reference") == shown]
    assert (line["level"], line["status"]) == ("error", 500)
    assert line["event"].startswith("POST /sign-in failed")
    assert "UndefinedTable" in line["exception"]
    arrived = [line for line in found if line["event"] == "delivery"]
    assert [(line["source"], line["state"], line["events"]) for line in arrived] == [
        ("demo", "done", 1),
        ("demo", "done", 0),
        ("demo", "done", 1),
    ]
    assert {"job", "done", "seconds"} <= next(line for line in found if line["event"] == "job").keys()
    assert "canary" not in str(found)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_delivery_that_is_tried_again_has_a_line_per_try(
    db: Database, company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    config = settings.read('[plugins.demo]\nsecret = "shared"\n')
    caplog.set_level("INFO")
    kept = deliveries.receive(db, config, "demo", Delivery(b"{}", {}, NOON))
    deliveries.replay(db, config, kept.id, NOON)
    told = [(line.__dict__["delivery"], line.__dict__["state"]) for line in caplog.records]
    assert told == [(kept.id, "failed"), (kept.id, "failed")]
