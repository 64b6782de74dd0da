"""Plugins: what reading a payload costs, and whether a long pull goes as fast as the ledger takes facts in, in flat memory."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import event, text

from bench.measuring import Figure, company, in_folder, in_turns, memory, timed
from bench.vendor import APART, FIRST, PAGE, fact
from leaderboard import deliveries
from leaderboard.config import Config
from leaderboard.conformance import Sample, bundled, read_kit
from leaderboard.database import Database
from leaderboard.deliveries.receiving import take_in
from plugins.demo import DemoDesk

RATINGS = 100_000
PARTS = 10
TIMES = 50


def translations() -> Iterator[Figure]:
    """For each plugin: proof and translation of a payload, to reading its JSON by Python alone; medians over all samples."""
    for name in bundled():
        samples = read_kit(name).samples
        if samples:
            found = [_translation(sample) for sample in samples]
            ours, json_alone = (statistics.median(column) for column in zip(*found, strict=True))
            note = f"{ours * 1e6:.0f} µs a payload, {max(found)[0] * 1e6:.0f} the slowest of {len(found)}"
            yield Figure(
                f"{name}: proof and translation to its JSON alone", ours / json_alone, None, False, note
            )


def _translation(sample: Sample) -> tuple[float, float]:
    """Seconds of reading a sample with its plugin, and of its JSON alone."""
    plugin, delivery = sample.plugin, sample.delivery()

    def read() -> None:
        plugin.verify(delivery)
        list(plugin.events(delivery))

    ours, alone = in_turns(
        lambda: timed(read, TIMES), lambda: timed(lambda: json.loads(sample.body), TIMES), rounds=3
    )
    return ours, alone


def pull(folder: Path, ratings: int = RATINGS) -> Iterator[Figure]:
    """A pull of so many ratings from a server of its own, part by part, to the same pages posted without asking anybody."""
    (ours, _), (alone, _) = (company(in_folder(folder / name)) for name in ("pulled", "posted"))
    for db in (ours, alone):
        event.listen(db.engine, "checkout", _with_a_small_cache)
    size = ratings // PARTS
    seconds: list[tuple[float, float]] = []
    held = []
    with vendor() as address:
        plugin = DemoDesk(secret="unused", api_token="unused", address=address, pull_from=FIRST.date())  # type: ignore[arg-type]
        config = Config(plugins={"bench": plugin}, pull_hosts=("127.0.0.1",))
        for part in range(PARTS):
            until = (part + 1) * size
            httpx.get(f"{address}/tell?until={until}", trust_env=False).raise_for_status()
            now = FIRST + APART * until
            pages = [
                [found for number in range(first, first + PAGE) if (found := plugin._event(fact(number)))]
                for first in range(until - size, until, PAGE)
            ]
            begun = time.perf_counter()
            new = deliveries.pull(ours, config, "bench", lambda now=now: now)  # type: ignore[misc]
            pulled = time.perf_counter() - begun
            assert new == size, f"{new} of {size} facts came"
            begun = time.perf_counter()
            for page in pages:
                alone.write(partial(take_in, source="bench", events=page, now=now))
            seconds.append((pulled, time.perf_counter() - begun))
            held.append(memory())
    _same(ours, alone)
    pulled, posted = (statistics.median(column) for column in zip(*seconds, strict=True))
    note = f"{size / pulled:,.0f} facts a second; the ledger alone {size / posted:,.0f}"
    yield Figure(f"pull of {ratings:,} ratings to posting the same pages", posted / pulled, 0.7, True, note)
    last = statistics.mean(one for one, _ in seconds[-2:]) / statistics.mean(one for one, _ in seconds[:2])
    yield Figure("the last fifth of that pull to its first", last, None, False, "seconds")
    note = f"{held[-1]:.0f} MiB at the end, {held[0]:.0f} after a tenth"
    yield Figure("memory of that pull: at the end to after a tenth", held[-1] / held[0], 1.1, False, note)


def _with_a_small_cache(connection: Any, *_: Any) -> None:
    """SQLite's own page cache, 64 MiB for each of the two, would fill up during the measuring and hide what else grows."""
    connection.execute("PRAGMA cache_size=-4096")


def _same(one: Database, other: Database) -> None:
    """Both ledgers hold the same, or the figures compare different things."""
    ask = text("SELECT count(*), sum(points) FROM points_entry")
    found = []
    for db in (one, other):
        with db.reading() as session:
            found.append(tuple(session.connection().execute(ask).one()))
        db.dispose()
    assert found[0] == found[1], found


@contextmanager
def vendor() -> Iterator[str]:
    """The address of `bench.vendor`, in a process of its own until the end of the block."""
    process = subprocess.Popen([sys.executable, "-m", "bench.vendor"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
