"""The `dev` script: what it says when something is missing."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from gettext import GNUTranslations
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


@pytest.fixture
def dev() -> ModuleType:
    """The script as a module."""
    loader = SourceFileLoader("dev", str(ROOT / "dev"))
    module = module_from_spec(spec_from_loader("dev", loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    return module


def browser(folder: Path, name: str, *, starts: bool) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\nexit {0 if starts else 127}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def test_it_can_be_started_and_teaches_its_commands() -> None:
    shown = subprocess.run([ROOT / "dev"], capture_output=True, text=True, check=True).stdout
    for command in ("setup", "demo", "test", "check", "soak", "bench"):
        assert f"./dev {command}" in shown


@pytest.mark.parametrize("words", [["tset"], ["setup", "now"], ["check", "--fast"]])
def test_what_it_does_not_know_ends_with_status_2_and_the_commands(words: list[str]) -> None:
    done = subprocess.run([sys.executable, ROOT / "dev", *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"knows no `{' '.join(words)}`" in done.stderr
    assert "./dev setup" in done.stderr


def test_it_needs_only_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "dev", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_browser_that_chromium_names_comes_first(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = browser(tmp_path, "my-chrome", starts=True)
    monkeypatch.setenv("CHROMIUM", str(mine))
    assert dev.find_browser() == str(mine)


def test_a_named_browser_that_does_not_start_is_said_and_no_other_is_taken(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROMIUM", str(browser(tmp_path, "broken", starts=False)))
    with pytest.raises(dev.Failed, match=r"broken, which does not start"):
        dev.find_browser()


def test_a_browser_on_the_path_is_found_by_its_usual_names(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chrome = browser(tmp_path, "google-chrome", starts=True)
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert dev.find_browser() == str(chrome)


def test_a_failing_step_shows_its_hint_and_its_status(dev: ModuleType) -> None:
    with pytest.raises(dev.Failed, match=r"Is the index reachable\?(?s:.*)status 3"):
        dev.run(sys.executable, "-c", "raise SystemExit(3)", hint="Is the index reachable?")


def test_setup_is_wanted_again_when_the_lock_changes(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    lock = tmp_path / "requirements.lock"
    lock.write_text("flask==3.1.3\n")
    before = dev._fingerprint("requirements.lock")
    assert dev._fingerprint("requirements.lock") == before
    lock.write_text("flask==3.1.4\n")
    assert dev._fingerprint("requirements.lock") != before


def test_what_stands_apart_is_installed_again_only_when_its_lock_changes(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "real.lock"
    lock.write_text("# nothing\n")
    said: list[str] = []
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "PYTHON", sys.executable)
    monkeypatch.setattr(dev, "say", said.append)
    monkeypatch.setattr(dev, "run", lambda *words, hint: (tmp_path / ".venv/real").mkdir(parents=True))
    for text in ("# nothing\n", "# nothing\n", "# something\n"):
        lock.write_text(text)
        dev._install_apart("real", "real.lock", "a real thing")
    assert said == ["Installing a real thing into .venv/real (a few seconds)"] * 2


def test_the_lock_holds_every_dependency_in_a_version_that_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = [*project["project"]["dependencies"], *groups["test"]]
    asked += [line for line in groups["dev"] if isinstance(line, str)]
    asked += project["build-system"]["requires"]
    pins = re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    locked = dict(pins)
    for requirement in map(Requirement, asked):
        assert canonicalize_name(requirement.name) in locked, f"{requirement.name}: lock it again"
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


def test_ci_runs_check_and_test_and_nothing_else() -> None:
    script = (ROOT / ".ci/run").read_text().splitlines()
    assert [line for line in script if line.startswith("./")] == ["./dev check", "./dev test"]
    assert os.access(ROOT / ".ci/run", os.X_OK)


# --- translations -------------------------------------------------------------------------------------------


def test_every_text_can_be_taken_out_for_translators(dev: ModuleType, tmp_path: Path) -> None:
    pot = tmp_path / "messages.pot"
    command = [sys.executable, "-m", "babel.messages.frontend", *dev.EXTRACT, "-o", str(pot), "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    texts = pot.read_text("utf-8")
    assert 'msgid "Who went the extra mile?"' in texts  # from a template
    assert 'msgid "There is nothing here"' in texts  # from Python
    assert 'msgid "Days until it ends"' in texts  # from a form
    assert 'msgid "Hello %(name)s,"' in texts  # from a letter
    assert 'msgid "This is the last admin. Make somebody else an admin first."' in texts  # from below the web
    assert 'msgid_plural "%(num)s points"' in texts


def test_translations_takes_new_texts_in_forgets_old_ones_and_says_what_is_missing(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("babel.cfg", "hatch_build.py"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "leaderboard").mkdir()
    (tmp_path / "leaderboard/page.py").write_text('_("Stories")\n_("Story")\nngettext("one", "many", n)\n')
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "setup", lambda: 0)
    assert dev.translations(["de"]) == 0
    po = tmp_path / "leaderboard/translations/de/LC_MESSAGES/messages.po"
    assert "3 of 3 texts" in capfd.readouterr().out
    po.write_text(
        po.read_text("utf-8").replace('"Stories"\nmsgstr ""', '"Stories"\nmsgstr "Geschichten"'), "utf-8"
    )
    (tmp_path / "leaderboard/page.py").write_text('_("Stories")\n_("A story")\nngettext("one", "many", n)\n')
    assert dev.translations([]) == 0
    said = capfd.readouterr().out
    assert "2 of 3 texts" in said
    assert "leaderboard/page.py: 'A story'" in said
    assert '"Story"' not in po.read_text("utf-8")
    with po.with_suffix(".mo").open("rb") as compiled:
        german = GNUTranslations(compiled)
    assert german.gettext("Stories") == "Geschichten"
    assert german.ngettext("one", "many", 2) == "many"
