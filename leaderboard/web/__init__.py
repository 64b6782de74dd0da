"""The web: access, hooks, one module per group of pages, the API, static files. A route reads input, calls, renders."""

import re
from datetime import datetime
from typing import cast

from flask import Flask, current_app
from werkzeug.routing import IntegerConverter

from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.weeks import Clock


def db() -> Database:
    """The app's database: `with db().writing() as session:` is one unit of work."""
    return cast("Database", current_app.extensions["database"])


def config() -> Config:
    """The app's settings."""
    return cast("Config", current_app.extensions["config"])


def now() -> datetime:
    """The present moment by the clock handed to the app."""
    return cast("Clock", current_app.extensions["clock"])()


class RowNumber(IntegerConverter):
    """`<int:…>` in an address: plain digits, and no more than a row's number can have (PostgreSQL would raise)."""

    regex = "[0-9]{1,9}"


def install(app: Flask) -> None:
    """Read numbers in addresses by our own rule; before any route is made."""
    app.url_map.converters["int"] = RowNumber


def row_number(text: str) -> int | None:
    """A row's number in a query; None for anything that is none."""
    return int(text) if re.fullmatch(RowNumber.regex, text) else None
