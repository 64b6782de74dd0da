"""The web: access, hooks, one module per group of pages, the API, static files. A route reads input, calls, renders."""

from datetime import datetime
from typing import cast

from flask import current_app

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
