"""Rules about the tree itself: what may stand in a file, who imports whom, how long a file may grow."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BINARY = {".png", ".ico", ".woff2", ".webp", ".jpg", ".mo", ".body"}
LONGEST = 450
LONGEST_OF_TESTS = 700  # a file of tests is read one test at a time

# Written so that no pattern finds itself in this file.
ADDRESSES = {
    "a package registry": re.compile(
        r"pypi[.]org|python[h]osted|registry[.]npm|yarn[p]kg|npmjs[.](?:com|org)"
    ),
    "a path of the machine it was written on": re.compile(
        r"/wor[k]/(?:main|shared)|/roo[t]/|/op[t]/(?:pypi|wheels)"
    ),
}
BANNED_IN_PYTHON = re.compile(r"\bMark[u]p\(|render_template_[s]tring|autoescape=[F]alse")
BANNED_IN_TEMPLATES = {
    "escaping switched off": re.compile(r"\|\s*safe\b|autoescape\s+false"),
    "an inline script": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "an inline style": re.compile(r"<style\b|\sstyle\s*=", re.IGNORECASE),
    "an inline event handler": re.compile(r"<[^>{]*\son[a-z]+\s*=", re.IGNORECASE),
    "a script in an address": re.compile(r"javascript:", re.IGNORECASE),
}
UNFINISHED = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")


def tracked(*patterns: str) -> list[Path]:
    """The files that git knows and that are still there, by these path patterns (all without any)."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert files, f"git knows no file like {patterns}"
    return [file for file in files if file.is_file()]


def lines_matching(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    """`file:line: text` of every line that the pattern finds."""
    return [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for file in files
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize("what", ADDRESSES)
def test_no_file_names(what: str) -> None:
    files = [file for file in tracked() if file.suffix not in BINARY]
    assert lines_matching(ADDRESSES[what], files) == []


def test_no_python_file_switches_escaping_off() -> None:
    assert lines_matching(BANNED_IN_PYTHON, tracked("*.py")) == []


@pytest.mark.parametrize("what", BANNED_IN_TEMPLATES)
def test_no_template_has(what: str) -> None:
    assert lines_matching(BANNED_IN_TEMPLATES[what], tracked("templates/*")) == []


def test_nothing_is_left_to_be_done_later() -> None:
    code = tracked("*.py", "*.html", "*.js", "*.css", "*.md", "dev", ".ci/run")
    assert lines_matching(UNFINISHED, code) == []


def test_imports_only_go_down() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_outgrows_its_reader() -> None:
    """A module of more than about 400 lines becomes a package of the same name; its importers do not change.

    Migrations are written by Alembic and read once.
    """
    code = tracked(
        "leaderboard/*.py", "plugins/*.py", "tests/*.py", "bench/*.py", "templates/*", "*.js", "dev"
    )
    too_long = {
        str(file.relative_to(ROOT)): lines
        for file in code
        if "versions" not in file.parts
        and (lines := len(file.read_text("utf-8").splitlines()))
        > (LONGEST_OF_TESTS if "tests" in file.parts else LONGEST)
    }
    assert too_long == {}


def test_every_folder_of_modules_is_a_package() -> None:
    """A folder without __init__.py works from a checkout by luck and hides from the linters."""
    folders = {file.parent for file in tracked("leaderboard/*.py", "plugins/*/*.py")}
    assert [
        str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").is_file()
    ] == []
