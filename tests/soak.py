"""The long form of the promises: `./dev soak` runs their tests with more trials and fresh dice until the minutes are over."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import SystemRandom
from xml.etree import ElementTree

import click
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
MARK = re.compile(r"@pytest\.mark\.promise\(number=(\d+)\)")
NOTHING_TO_RUN = 5  # pytest's exit status


@click.command()
@click.option(
    "--minutes", type=click.FloatRange(min=0), help="Stop after so long; without it, after one round."
)
@click.option("--seed", type=int, help="The seed of the first round, to repeat what a soak printed.")
@click.option("--times", default=5, show_default=True, help="How many times the quick form's trials.")
@click.option(
    "--promise", "only", type=int, multiple=True, help="Only this promise, by number; may be repeated."
)
def main(minutes: float | None, seed: int | None, times: int, only: tuple[int, ...]) -> None:
    """Try the promises of docs/promises.md hard: real servers, real kills, fresh dice, on SQLite and PostgreSQL.

    Stops at the first failure, keeps its folder and says how to repeat it.
    """
    places = promises()
    unknown = set(only) - set(places)
    if unknown:
        known = ", ".join(map(str, places))
        raise click.BadParameter(f"no test is marked with promise {min(unknown)}; these are: {known}")
    chosen = [number for number in places if number in only or not only]
    first = SystemRandom().randrange(2**31) if seed is None else seed
    until = None if minutes is None else time.monotonic() + minutes * 60
    tried: dict[int, Counter[str]] = defaultdict(Counter)
    sound = True
    for number, dice in steps(chosen, first, endless=minutes is not None):
        if until is not None and time.monotonic() >= until:
            break
        sound = one(number, places[number], dice, times, tried[number])
        if not sound:
            break
    show(tried)
    sys.exit(0 if sound else 1)


def promises() -> dict[int, list[Path]]:
    """The files that hold the tests of each promise."""
    found: dict[int, list[Path]] = defaultdict(list)
    for file in sorted(TESTS.rglob("test_*.py")):
        for number in sorted({int(one) for one in MARK.findall(file.read_text("utf-8"))}):
            found[number].append(file)
    return dict(sorted(found.items()))


def steps(chosen: list[int], first: int, *, endless: bool) -> Iterator[tuple[int, int]]:
    """(promise, seed) after each other; every round has its own seed."""
    for seed in count(first):
        yield from ((number, seed) for number in chosen)
        if not endless:
            return


def one(number: int, files: list[Path], seed: int, times: int, tried: Counter[str]) -> bool:
    """Run one promise's tests once; whether they hold. What was tried is added up."""
    folder = Path(tempfile.mkdtemp(prefix=f"extra-mile-soak-P{number}-"))
    report, log = folder / "report.xml", folder / "output.txt"
    command = [sys.executable, "-m", "pytest", "-q", "-m", f"promise(number={number})", *map(str, files)]
    command += [f"--basetemp={folder / 'tests'}", f"--hypothesis-seed={seed}"]
    command += [f"--junitxml={report}", "-o", "junit_family=xunit1"]  # the newer form takes no counts
    environment = {"EXTRA_MILE_SEED": str(seed), "EXTRA_MILE_TIMES": str(times)}
    started = time.monotonic()
    click.echo(f"P{number:<3} seed {seed} … ", nl=False)
    with log.open("wb") as output:
        status = subprocess.run(
            command, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=subprocess.STDOUT
        ).returncode
    took = time.monotonic() - started
    if status != 0:
        click.echo("FAILED")
        click.echo("".join(log.read_text("utf-8", "replace").splitlines(keepends=True)[-80:]))
        click.echo(f"Seed {seed}. Everything is kept in {folder}")
        click.echo(f"Again: ./dev soak --promise {number} --seed {seed} --times {times}")
        return False
    for case in ElementTree.parse(report).iter("testcase"):
        tried["tests"] += 1
        for what in case.iter("property"):
            tried[what.get("name", "")] += int(what.get("value", "0"))
    tried["seconds"] += round(took)
    click.echo(f"{took:.0f} s")
    shutil.rmtree(folder, ignore_errors=True)
    return True


def show(tried: dict[int, Counter[str]]) -> None:
    """What was tried, promise by promise."""
    table = Table(title="What was tried")
    for column in ("promise", "tests", "seconds", "trials"):
        table.add_column(column, justify="left" if column == "trials" else "right")
    for number, counts in sorted(tried.items()):
        rest = ", ".join(
            f"{value:,} {name}" for name, value in counts.items() if name not in ("tests", "seconds")
        )
        table.add_row(f"P{number}", f"{counts['tests']:,}", f"{counts['seconds']:,}", rest)
    Console().print(table)


if __name__ == "__main__":
    main()
