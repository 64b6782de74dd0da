"""The demo: a made-up company whose ten weeks of history came in through the real doors."""

from leaderboard.demo.opening import run

__all__ = ["run"]
