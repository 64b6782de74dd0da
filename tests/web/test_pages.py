"""What every page shares."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leaderboard.web import pages

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ana Lima", "AL"),
        ("Ana Maria da Lima", "AL"),
        ("Cher", "C"),
        ("  josé  ", "J"),
        ("李 小龙", "李小"),
        ("Ana (Front desk)", "AD"),
        ("--- !!!", "?"),
        ("", "?"),
    ],
)
def test_initials_are_one_or_two_letters_of_the_name(name: str, letters: str) -> None:
    assert pages.initials(name) == letters


def test_a_person_keeps_their_colour() -> None:
    assert pages.tint("ana") == pages.tint("ana")
    assert {pages.tint(f"person-{number}") for number in range(200)} == set(range(pages.TINTS))


def test_machines_read_utc_to_the_second() -> None:
    assert pages.iso(datetime(2026, 11, 20, 14, 5, 7, 999, tzinfo=UTC)) == "2026-11-20T14:05:07Z"


def test_every_avatar_colour_has_a_rule_in_the_style_sheet() -> None:
    css = (pages.STATIC / "app.css").read_text("utf-8")
    assert {int(number) for number in re.findall(r"^\.tint-(\d+) ", css, re.MULTILINE)} == set(
        range(pages.TINTS)
    )


def test_every_icon_a_template_names_is_in_the_sprite() -> None:
    sprite = (pages.STATIC / "vendor" / "icons.svg").read_text("utf-8")
    there = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named: set[str] = {guideline.icon for guideline in pages.BY_SLUG.values()}
    for template in (ROOT / "templates").rglob("*.html"):
        named |= set(re.findall(r"""icon\("([a-z0-9-]+)"\)""", template.read_text("utf-8")))
    assert named - there == set()


def test_no_template_holds_a_script_or_a_style_that_the_policy_would_refuse() -> None:
    for template in sorted((ROOT / "templates").rglob("*.html")):
        text = template.read_text("utf-8")
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"|<script(?![^>]*\ssrc=)", text), template.name


def test_every_text_can_be_taken_out_for_translators(tmp_path: Path) -> None:
    pot = tmp_path / "messages.pot"
    command = [
        sys.executable,
        "-m",
        "babel.messages.frontend",
        "extract",
        "-F",
        "babel.cfg",
        "-k",
        "N_",
        "-o",
        str(pot),
        ".",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    texts = pot.read_text("utf-8")
    assert 'msgid "Who went the extra mile?"' in texts  # from a template
    assert 'msgid "There is nothing here"' in texts  # from Python
    assert 'msgid_plural "%(num)s points"' in texts
