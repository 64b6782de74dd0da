"""/api/v1: JSON for programs, with tokens. The description at /api/v1/openapi.json is made from the routes themselves."""

from leaderboard.web.api import boards, operating, promises, stories
from leaderboard.web.api.blueprint import api
from leaderboard.web.api.describing import install

__all__ = ["api", "boards", "install", "operating", "promises", "stories"]
