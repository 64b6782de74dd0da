"""What hatch_build.py brings: the files that pages name are there, and so is every icon."""

import os
import re
import shutil
from gettext import GNUTranslations
from pathlib import Path
from xml.etree import ElementTree

import pytest

import hatch_build
from leaderboard.guidelines import GUIDELINES

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "leaderboard/web/static"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def in_templates(pattern: str) -> set[str]:
    return {found for file in TEMPLATES for found in re.findall(pattern, file.read_text("utf-8"))}


def symbols() -> set[str]:
    sprite = ElementTree.parse(STATIC / "vendor/icons.svg").getroot()
    assert all(len(symbol) for symbol in sprite), "a symbol without a drawing"
    return {symbol.attrib["id"] for symbol in sprite}


def test_every_icon_that_a_page_shows_is_in_the_sprite() -> None:
    named = in_templates(r"""\bicon\(["']([a-z0-9-]+)["']""") | {guideline.icon for guideline in GUIDELINES}
    assert named - symbols() == set(), "add them to leaderboard/web/static/icons.txt and start ./dev setup"


def test_every_static_file_that_a_page_names_is_there() -> None:
    named = in_templates(r"""\basset\(["']([^"']+)["']\)""")
    assert named
    assert [name for name in sorted(named) if not (STATIC / name).is_file()] == []


def test_every_file_that_a_style_sheet_names_is_there() -> None:
    for sheet in [*STATIC.glob("*.css"), *STATIC.glob("vendor/*.css")]:
        named = re.findall(r"""url\(["']?(?!data:|#)([^"')]+)["']?\)""", sheet.read_text("utf-8"))
        assert [name for name in named if not (sheet.parent / name).is_file()] == [], sheet.name


def test_no_browser_file_asks_another_host_for_anything() -> None:
    for file in [*STATIC.glob("*.css"), *STATIC.glob("vendor/*.css"), *STATIC.glob("*.js")]:
        asked = re.findall(
            r"(?:url\(|@import|fetch\(|import\s)[\"' (]*(?:https?:)?//[^\s\"')]+", file.read_text("utf-8")
        )
        assert asked == [], file.name


def test_a_second_build_is_quick_and_a_changed_icon_list_is_noticed(tmp_path: Path) -> None:
    for name in ("package-lock.json", "hatch_build.py", hatch_build.ICONS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    sprite = tmp_path / hatch_build.VENDOR / "icons.svg"
    hatch_build.front_end(tmp_path)
    built = sprite.stat().st_mtime_ns
    hatch_build.front_end(tmp_path)
    assert sprite.stat().st_mtime_ns == built
    (tmp_path / hatch_build.ICONS).write_text("award\n")
    hatch_build.front_end(tmp_path)
    assert sprite.read_text().count("<symbol") == 1


def test_an_icon_that_tabler_does_not_have_stops_the_build_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "@tabler/icons/icons/outline").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="no icon 'strawbery'"):
        hatch_build._icon_sprite(tmp_path, "strawbery\n")


def test_translations_are_compiled_and_compiled_again_when_they_change(tmp_path: Path) -> None:
    po = tmp_path / hatch_build.TRANSLATIONS / "de/LC_MESSAGES/messages.po"
    po.parent.mkdir(parents=True)
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
    for second, word in enumerate(("Geschichten", "Erzählungen")):
        po.write_text(f'{header}msgid "Stories"\nmsgstr "{word}"\n', "utf-8")
        os.utime(po, (2_000_000_000 + second * 60,) * 2)
        hatch_build.compile_translations(tmp_path)
        with po.with_suffix(".mo").open("rb") as compiled:
            assert GNUTranslations(compiled).gettext("Stories") == word
        os.utime(po.with_suffix(".mo"), (2_000_000_000 + second * 60 + 30,) * 2)
