"""Runs in a process of its own: the package `leaderboard` (PyPI), asked for a place and its neighbours on Valkey."""

import json
import sys
import time

from leaderboard.competition_ranking_leaderboard import CompetitionRankingLeaderboard
from redis import Redis

asked = json.loads(sys.stdin.readline())
connection = Redis(port=asked["port"])
board = CompetitionRankingLeaderboard("board", page_size=5, redis_connection=connection)
pipe = connection.pipeline()
for member, points in asked["scores"].items():
    pipe.zadd("board", {member: points})
pipe.execute()
found = board.around_me(str(asked["who"]))
assert len(found) == 5, found
print("ready", flush=True)
for _ in sys.stdin:
    begun = time.perf_counter()
    for _ in range(100):
        board.around_me(str(asked["who"]))
    print((time.perf_counter() - begun) / 100, flush=True)
