"""The documentation says what the program is: nothing is missing, nothing is made up, and no link leads nowhere."""

import ast
import inspect
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask
from pydantic import BaseModel

from leaderboard import __version__, config, health, jobs
from leaderboard.__main__ import main
from leaderboard.app import create_app
from leaderboard.config import Config
from leaderboard.database import Database
from leaderboard.plugin import KINDS
from leaderboard.points import WHY, FairPlay, Points
from leaderboard.web import operations
from tests.test_commands import COMMANDS
from tests.test_tree import ROOT, tracked

DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text("utf-8")
OPERATING = (DOCS / "operating.md").read_text("utf-8")
FAIR_PLAY = (DOCS / "fair-play.md").read_text("utf-8")
PROMISES = (DOCS / "promises.md").read_text("utf-8")
API = (DOCS / "api.md").read_text("utf-8")
PAGES = tracked("*.md")
PLUGINS = sorted(path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file())
LARGEST_PICTURE = 400 * 1024

in_every_page = pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))


def prose(text: str) -> str:
    """A page without its code, where a bracket is no link."""
    text = re.sub(r"^(?: {4}|\t).*$|^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def code(text: str) -> Iterator[str]:
    """The lines of a page's code blocks, and what stands between backticks."""
    yield from (line.strip() for line in re.findall(r"^ {4}(.*)$", text, re.MULTILINE))
    yield from re.findall(r"`([^`\n]+)`", text)


def rows(text: str) -> list[list[str]]:
    """The cells of every table row."""
    found = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)] for row in found]


def anchors(text: str) -> set[str]:
    """What a link may name behind #: each heading in small letters, with - for spaces."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# ---------------------------------------------------------------- links and pictures


@in_every_page
def test_every_link_leads_somewhere(file: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(file.read_text("utf-8"))):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        aim = (file.parent / name).resolve() if name else file
        if not aim.exists() or (anchor and anchor not in anchors(aim.read_text("utf-8"))):
            broken.append(target)
    assert broken == []


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(([^)#\s]+)", README))
    pages = {str(page.relative_to(ROOT)) for page in PAGES if page.parent in (ROOT, DOCS)} - {"README.md"}
    assert pages - linked == set()


def test_the_readme_fits_two_screens_and_its_pictures_are_light() -> None:
    assert len(README.splitlines()) <= 110
    pictures = re.findall(r"!\[[^\]]{20,}\]\(([^)]+)\)", README)
    assert len(pictures) == 2
    assert all((ROOT / picture).stat().st_size < LARGEST_PICTURE for picture in pictures)


# ---------------------------------------------------------------- commands


def options_of(command: click.Command) -> set[str]:
    found = {name for one in command.params if isinstance(one, click.Option) for name in one.opts}
    return found | {"--help", "-h"}


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_is_documented_with_every_option(words: str) -> None:
    assert f"`leaderboard {words}`" in README
    found = [cells for cells in rows(OPERATING) if re.match(rf"`leaderboard {words}[` ]", cells[0])]
    assert len(found) == 1, f"docs/operating.md has no row for it, or several: {found}"
    options = options_of(COMMANDS[words]) - {"--config", "--help", "-h"}
    assert [option for option in options if f"{option}" not in found[0][0]] == []


@in_every_page
def test_every_command_a_page_names_exists_with_its_options(file: Path) -> None:
    said = [
        words
        for line in code(file.read_text("utf-8"))
        for words in re.findall(r"(?:^|[ /])leaderboard ([a-z-]+(?: [^`·#|]*)?)", line)
    ]
    assert [words for words in said if not _exists(words)] == []


def _exists(said: str) -> bool:
    words = shlex.split(re.sub(r"[<\[({…})\]>]", " ", said), comments=True)
    command: click.Command = main
    while words and isinstance(command, click.Group):
        if words[0].startswith("-"):
            break
        if words[0] not in command.commands:
            return False
        command = command.commands[words.pop(0)]
    return all(word in options_of(command) for word in words if word.startswith("--"))


@in_every_page
def test_every_command_of_dev_that_a_page_names_exists(file: Path) -> None:
    taught = subprocess.run([ROOT / "dev", "--help"], capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"\./dev ([a-z]+)", file.read_text("utf-8")))
    assert [name for name in named if f"./dev {name}" not in taught] == []


# ---------------------------------------------------------------- settings


def settings(model: type[BaseModel], section: str = "") -> Iterator[tuple[str, str]]:
    """(section, name) of every setting."""
    for name, field in model.model_fields.items():
        kinds: list[Any] = [field.annotation, *getattr(field.annotation, "__args__", ())]
        inner = next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)
        if inner is None:
            yield section, name
        elif name != "plugins":
            yield from settings(inner, f"{section}.{name}".lstrip("."))


@pytest.mark.parametrize(("section", "name"), list(settings(Config)))
def test_a_setting_is_documented(section: str, name: str) -> None:
    if section in ("points", "fair_play"):
        assert f"`{name}`" in FAIR_PLAY
        return
    title = f"`[{section}]`" if section else "top of the file"
    (row,) = [cells for cells in rows(OPERATING) if cells[0] == title]
    assert f"`{name}`" in row[1]


@pytest.mark.parametrize("model", [Points, FairPlay])
def test_a_number_of_the_rules_is_the_one_documented(model: type[BaseModel]) -> None:
    said: dict[str, int] = {}
    for cells in rows(FAIR_PLAY):
        names = [re.findall(r"`(\w+)`", cell) for cell in cells]
        column, number = (2, 1) if model is Points else (0, 1)
        if (
            len(cells) > column
            and names[column]
            and all(name in model.model_fields for name in names[column])
        ):
            numbers = [int(one) for one in re.findall(r"\d+", cells[number])]
            said |= dict(zip(names[column], numbers, strict=True))
    assert said == model().model_dump()


# ---------------------------------------------------------------- plugins, facts, reasons


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_has_a_guide_with_its_section_that_is_linked(name: str) -> None:
    guide = (ROOT / "plugins" / name / "README.md").read_text("utf-8")
    assert f"[plugins.{name}]" in guide
    assert f"/hooks/{name}`" in guide
    assert f"](../plugins/{name}/README.md)" in OPERATING
    section = re.search(rf"^ +\[plugins\.{name}\]\n((?: +.*\n)+)", guide, re.MULTILINE)
    assert section is not None
    written = set(re.findall(r"^ +(?:# )?(\w+) = ", section[1], re.MULTILINE))
    assert written <= set(config.plugin_class(name).model_fields), "the guide's section would stop the start"


def test_every_kind_of_fact_is_documented() -> None:
    assert [kind for kind in KINDS if f"`{kind}`" not in FAIR_PLAY] == []


@pytest.mark.parametrize("reason", WHY)
def test_a_reason_is_documented_in_the_words_people_read(reason: str) -> None:
    (row,) = [cells for cells in rows(FAIR_PLAY) if cells[0] == f"`{reason}`"]
    assert row[1] == WHY[reason]


# ---------------------------------------------------------------- addresses, health, metrics


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The product with every group of pages, the demo's too; it needs no tables to say its addresses."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('docs') / 'empty.db'}")
    text = (
        'demo = true\n[server]\nsecret_key = "a secret that only the tests know, 32+"\n[sign_in.oidc]\n'
        'issuer = "https://id.example.com"\nclient_id = "x"\nclient_secret = "y"'
    )
    yield create_app(config.read(text), database)
    database.dispose()


def test_every_group_of_pages_is_documented(served: Flask) -> None:
    groups = {"/" + rule.rule.split("/")[1].split(".")[0] for rule in served.url_map.iter_rules()}
    documented = set(re.findall(r"`(/[a-z-]*)`", OPERATING[OPERATING.index("## Pages") :]))
    assert groups - documented == set()
    assert documented - groups == set()


def test_every_address_of_the_api_is_documented(served: Flask) -> None:
    real = set()
    for rule in served.url_map.iter_rules():
        if rule.rule.startswith("/api/v1"):
            path = re.sub(r"<(?!week)\w+>", "<id>", rule.rule.removeprefix("/api/v1"))
            real |= {f"{method} {path}" for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert set(re.findall(r"`((?:GET|POST) /[^` ]+)`", API)) == real


def test_every_red_light_is_explained_with_its_remedy() -> None:
    texts = [
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(health.check)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith((".", "?"))
    ]
    problems = [text for text in texts if text != health.check.__doc__]
    assert len(problems) >= 7
    explained = {cells[0]: cells[2] for cells in rows(OPERATING) if len(cells) == 3}
    assert [problem for problem in problems if not explained.get(problem)] == []


def test_every_job_and_every_metric_is_named() -> None:
    assert [job.name for job in jobs.JOBS if f"`{job.name}`" not in OPERATING] == []
    names = set(re.findall(r'"(extra_mile_\w+)"', inspect.getsource(operations)))
    assert names
    assert [name for name in names if f"`{name}`" not in OPERATING] == []


# ---------------------------------------------------------------- promises, changes


@in_every_page
def test_every_test_that_a_page_names_exists(file: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", file.read_text("utf-8"))
    missing = [
        f"{test}::{name}"
        for test, name in named
        if "acme" not in test  # what the reader of the guide will write
        and (
            not (ROOT / test).is_file() or (name and f"\ndef {name}(" not in (ROOT / test).read_text("utf-8"))
        )
    ]
    assert missing == []


def test_every_promise_has_its_row_and_none_is_left_out() -> None:
    listed = [cells for cells in rows(PROMISES) if re.match(r"P\d+ ", cells[0])]
    assert [cells[0].split()[0] for cells in listed] == [f"P{number}" for number in range(1, 38)]
    assert {cells[1] for cells in listed} <= {"kept", "built", "to come"}


def test_a_kept_promise_names_its_tests_and_what_was_taken_out() -> None:
    kept, built = PROMISES[PROMISES.index("## Kept") :].split("## Built")
    states = {cells[0].split()[0]: cells[1] for cells in rows(PROMISES) if re.match(r"P\d+ ", cells[0])}
    parts = dict(re.findall(r"^\*\*(P\d+)\. (.*?)(?=^\*\*P\d|\Z)", kept, re.MULTILINE | re.DOTALL))
    assert set(parts) == {name for name, state in states.items() if state == "kept"}
    for part in parts.values():
        assert "`tests/" in part
        assert "Taken out: " in part
    assert set(re.findall(r"^\*\*(P\d+)\.\*\*", built, re.MULTILINE)) == {
        name for name, state in states.items() if state == "built"
    }


def test_every_floor_that_the_linter_holds_is_explained_to_contributors() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    floors = project["tool"]["importlinter"]["contracts"][0]["layers"]
    rooms = [room for floor in floors for room in re.findall(r"\w+", floor)]
    said = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert [room for room in rooms if f"`{room}`" not in said] == []


def test_the_newest_change_is_that_of_this_version() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\S+) \(\d{4}-\d{2}-\d{2}\)$", changes, re.MULTILINE)
    assert newest is not None
    assert newest[1] == __version__
