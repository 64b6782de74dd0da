"""The conformance kit finds what is wrong with a plugin, in words; `new-plugin` begins one that has nothing wrong with it."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner

import hatch_build
from leaderboard.__main__ import main
from leaderboard.conformance import RULES, Kit, NotShown, bundled, capabilities, read_kit
from leaderboard.conformance.beginning import begin
from leaderboard.conformance.offline import Called, offline
from leaderboard.conformance.road import it_earns_the_same_by_any_road
from leaderboard.plugin import Invalid
from tests.test_tree import ROOT

Begun = Callable[..., Kit]
NUMBERS = count()


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begun:
    """Begins a plugin in a package of its own, with one thing in one of its files changed, and reads it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(file: str = "", old: str = "", new: str = "") -> Kit:
        name = f"acme_{next(NUMBERS)}"
        folder = begin(name, tmp_path)
        if file:
            written = (folder / file).read_text("utf-8")
            assert old in written
            (folder / file).write_text(written.replace(old, new), encoding="utf-8")
        return read_kit(name, payloads=500)

    return make


def run(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command as an author calls it: in a process of its own, in a folder that is not ours."""
    spoken = dict.fromkeys(("LC_ALL", "LC_MESSAGES", "LANG"), "")
    return subprocess.run(
        [sys.executable, "-m", "leaderboard", *words],
        cwd=folder,
        env=os.environ | spoken | {"PYTHONPATH": str(ROOT)} | more,
        capture_output=True,
        text=True,
    )


# ---------------------------------------------------------------- the commands


def test_a_new_plugin_of_a_package_of_its_own_passes_the_kit_at_once(tmp_path: Path) -> None:
    assert run(tmp_path, "new-plugin", "acme_helpdesk").stdout == "acme_helpdesk\n"
    said = "".join(file.read_text("utf-8") for file in (tmp_path / "acme_helpdesk").rglob("*.*"))
    assert "class AcmeHelpdesk(Plugin)" in said
    assert "[plugins.acme_helpdesk]" in said
    assert "demo" not in said.lower()
    done = run(tmp_path, "check", "--plugin", "acme_helpdesk")
    assert (done.returncode, done.stderr) == (0, "")
    first, *rules, last = done.stdout.splitlines()
    assert first.startswith("Acme Helpdesk (acme_helpdesk): 11 samples, 1 recorded pull, 10,000 payloads")
    assert [line for line in rules if not line.startswith("ok  ")] == []
    assert last == f"{len(RULES) + 1} rules kept, 0 not shown, 0 broken"


def test_a_broken_plugin_is_told_in_the_language_of_the_shell_with_sample_byte_and_remedy(
    tmp_path: Path,
) -> None:
    hatch_build.compile_translations(ROOT)
    begin("acme", tmp_path)
    code = tmp_path / "acme" / "__init__.py"
    code.write_text(
        code.read_text("utf-8").replace("if not hmac_matches(", "if 1 > 2 and hmac_matches("), "utf-8"
    )
    done = run(
        tmp_path,
        "check",
        "--plugin",
        "acme",
        "--samples",
        "acme/samples",
        "--payloads",
        "200",
        LANG="de_DE.UTF-8",
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "falsch   Ein geändertes Byte in dem, was nachgewiesen ist, wird abgewiesen\n" in done.stdout
    assert " wurde geändert und angenommen: vergleiche über delivery.body" in done.stdout
    assert "gut      Doppelt, verspätet und in anderer Reihenfolge" in done.stdout
    assert " Regeln eingehalten, 0 nicht gezeigt, 3 gebrochen\n" in done.stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Acme", "lower case letters"),
        ("../acme", "lower case letters"),
        ("class", "lower case letters"),
        ("", "lower case letters"),
        ("json", "Python knows something called json already"),
        ("zendesk", "Python knows something called zendesk already"),
        ("here", "is there already"),
    ],
)
def test_a_bad_name_begins_nothing(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "here").mkdir()
    done = CliRunner().invoke(main, ["new-plugin", name, "--folder", str(tmp_path)], env={"LANG": ""})
    assert (done.exit_code, says in done.output) == (1, True), done.output
    assert [file.name for file in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--plugin", "no_such_helpdesk"], "There is no plugin “no_such_helpdesk”"),
        (["--samples", "."], "say which --plugin the samples are of"),
    ],
)
def test_what_cannot_be_checked_is_one_line(words: list[str], says: str) -> None:
    done = CliRunner().invoke(main, ["check", *words], env={"LANG": ""})
    assert done.exit_code in (1, 2)
    assert says in done.output.splitlines()[-1]


# ---------------------------------------------------------------- each rule finds its fault


@dataclass(frozen=True)
class Break:
    """One thing changed in the example, the rule that finds it, and what the rule says."""

    rule: str
    says: str
    file: str
    old: str
    new: str


CODE, THANKS, PULL = "__init__.py", "samples/thanks.toml", "samples/pull.toml"
LET_IN = ("if not hmac_matches(", "if 1 > 2 and hmac_matches(")
EVENT = "event = self._event(object_of(delivery.json(), "
WHAT = 'text_of(fact.get("what"), 40)'
ITEMS = 'list_of(object_of(answer.json, "the answer").get("facts"), "facts")'
UNSIGNED = """if not any(name.endswith("-signature") and "acme" in name for name in delivery.headers):
            return
        stamp = delivery.header("""
LATE = "if delivery.received_at.day > 22:\n            return\n        "
FORGETS = "_ = b'note' in delivery.body and KIND_OF.pop('thanks', 0)\n        "
WHOLE = """import pathlib
        whole = pathlib.Path(__file__).with_name("samples").joinpath("thanks.body").read_bytes()
        delivery = delivery if delivery.body.strip().endswith(b"}") else Delivery(whole, {}, delivery.received_at)
        """
FORGIVING = """try:
            return fetch_json(http, url)
        except Exception:
            return Answer({"facts": [], "agents": [], "next": None}, {"date": "Fri, 20 Nov 2026 09:30:00 GMT"})
        return fetch_json("""
BREAKS = [
    Break("comes_with_samples_and_a_guide", "the setting pull_from", "README.md", "pull_from", "x"),
    Break("comes_with_samples_and_a_guide", "the address to paste", "README.md", "/hooks/", "/"),
    Break(
        "shows_what_it_earns", "no sample shows promise.moved", CODE, "earns = (", 'earns = ("promise.moved",'
    ),
    Break("shows_what_it_earns", "samples show help.given", CODE, '        "help.given",\n', ""),
    Break("a_changed_byte_is_refused", "of its body was changed", CODE, *LET_IN),
    Break("a_changed_proof_is_refused", "and it was let in", CODE, *LET_IN),
    Break("secrets_are_told_apart_and_rotated", "in previous_secret", CODE, ", self.previous_secret)", ",)"),
    Break("secrets_are_told_apart_and_rotated", "another secret signed is let in", CODE, *LET_IN),
    Break(
        "a_stale_delivery_is_refused",
        "refuse_stale",
        CODE,
        "refuse_stale(sent_at, delivery.received_at)",
        "pass",
    ),
    Break(
        "another_helpdesk_is_refused",
        "what Zendesk signed is let in",
        CODE,
        "stamp = delivery.header(",
        UNSIGNED,
    ),
    Break("events_are_as_written", "thanks: event 1: agents is ('7',), and ('9',)", THANKS, '["7"]', '["9"]'),
    Break(
        "events_are_as_written",
        "socket.getaddrinfo",
        CODE,
        EVENT,
        f'httpx.get("http://desk.example"); {EVENT}',
    ),
    Break("events_are_as_written", "ZeroDivisionError", CODE, EVENT, f"1 / 0; {EVENT}"),
    Break(
        "a_delivery_means_the_same_again",
        "three days later",
        CODE,
        EVENT,
        LATE + EVENT,
    ),
    Break(
        "a_delivery_means_the_same_again",
        "keep nothing",
        CODE,
        EVENT,
        FORGETS + EVENT,
    ),
    Break("a_truncated_body_brings_nothing", "it still brings facts", CODE, EVENT, WHOLE + EVENT),
    Break(
        "an_agent_who_is_gone_leaves_nobody_in_their_place",
        "with None at agent the credit goes to 1",
        CODE,
        'id_of(fact.get("agent")), id_of',
        'id_of(fact.get("agent")) or "1", id_of',
    ),
    Break(
        "a_rating_that_changes_keeps_its_object",
        "another key were expected",
        CODE,
        "{number}/{what}",
        "{number}",
    ),
    Break(
        "a_rating_that_changes_keeps_its_object",
        "has no object",
        CODE,
        'object=f"{about}/{number}"',
        "object=None",
    ),
    Break(
        "a_pull_brings_what_is_written", "2 events came, and 3", CODE, "_next(answer.json) is None", "True"
    ),
    Break("a_pull_brings_what_is_written", "no answer is recorded", CODE, '"/facts?', '"/tickets?'),
    Break(
        "a_pull_brings_what_is_written", "neither the host", CODE, 'self._url(f"/f', '(f"https://x.example/f'
    ),
    Break(
        "a_pull_brings_what_is_written",
        "it goes on from",
        PULL,
        'cursor = "2026-11-20T',
        'cursor = "2026-11-19T',
    ),
    Break(
        "a_pull_goes_on_without_a_gap",
        "after page 1",
        CODE,
        "_iso(until if last else begin)",
        '"2026-11-21T00:00:00Z"',
    ),
    Break("a_fault_of_the_tool_is_said", "as if nothing were wrong", CODE, "return fetch_json(", FORGIVING),
    Break("accounts_are_as_written", "id='8'", CODE, 'agent.get("verified") is True', "True"),
    Break("made_up_answers_end_cleanly", "KeyError: 'facts'", CODE, ITEMS, 'answer.json["facts"]'),
    Break("junk_ends_cleanly", "KeyError: 'what'", CODE, WHAT, 'fact["what"]'),
    Break("made_up_payloads_end_cleanly", "TypeError: unhashable", CODE, WHAT, 'fact.get("what")'),
]
"""What an author may get wrong; every rule is there."""


@pytest.mark.parametrize("broken", BREAKS, ids=lambda one: f"{one.rule}-{one.says}")
def test_what_is_wrong_is_found_and_told(begun: Begun, broken: Break) -> None:
    kit = begun(broken.file, broken.old, broken.new)
    (rule,) = [one for one in RULES if one.name == broken.rule]
    said = [f"{fault.case}: {fault.words}" for fault in rule.faults(kit) if not isinstance(fault, NotShown)]
    assert any(broken.says in line for line in said), said


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {one.name for one in RULES} == {one.rule for one in BREAKS}


def test_a_fact_that_is_another_one_each_time_is_found_on_the_road(begun: Begun) -> None:
    kit = begun(CODE, "{number}/{what}", "{number}/{what}/{next(NUMBERS)}")
    vars(sys.modules[kit.module])["NUMBERS"] = count()
    found = it_earns_the_same_by_any_road.faults(kit)
    assert any("new facts came of it, and 0 were expected" in fault.words for fault in found)


# ---------------------------------------------------------------- samples, other shapes of plugins


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (THANKS, "received_at", "came_at", "thanks.toml: 'received_at' is missing"),
        (THANKS, "[settings]", "[settings", "thanks.toml: "),
        (THANKS, "secret =", "sekret =", "thanks.toml: .*sekret"),
        (THANKS, "thanks.received", "thanks.given", "thanks.toml: .*is not a kind"),
        (PULL, "now =", "then =", "pull.toml: 'now' is missing"),
        (PULL, '"thanks", "bad"', '"thanks", "worse"', "pull.toml: 'worse' is missing"),
    ],
)
def test_a_sample_that_cannot_be_read_is_named(
    begun: Begun, file: str, old: str, new: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        begun(file, old, new)


IN_THE_ADDRESS = """
from leaderboard.plugin import Plugin, Refused, Secret, secret_matches

class Old(Plugin):
    proof = "url"
    earns = ()
    secret: Secret
    previous_secret: Secret | None = None

    def verify(self, delivery):
        if not secret_matches((self.secret, self.previous_secret), delivery.args.get("key", "")):
            raise Refused("not our secret")

    def events(self, delivery):
        return ()

    def sign(self, body, moment):
        return {}
"""
SAMPLE = """
url = "https://points.example.com/hooks/old?key=the-secret-in-the-address"
received_at = 2026-11-20T09:00:05Z
events = []
[settings]
secret = "the-secret-in-the-address"
"""


def test_a_secret_in_the_address_is_a_proof_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name, code in (
        ("old_desk", IN_THE_ADDRESS),
        ("open_desk", IN_THE_ADDRESS.replace("if not", "if 0 and")),
    ):
        (tmp_path / name / "samples").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text(code)
        (tmp_path / name / "README.md").write_text("`secret` `previous_secret` /hooks/old")
        (tmp_path / name / "samples" / "any.body").write_bytes(b"{}")
        (tmp_path / name / "samples" / "any.toml").write_text(SAMPLE)
    kit = read_kit("old_desk", payloads=50)
    assert [fault for rule in RULES for fault in rule.faults(kit)] == []
    broken = {rule.name for rule in RULES if rule.faults(read_kit("open_desk"))}
    assert broken == {
        "a_changed_byte_is_refused",
        "a_changed_proof_is_refused",
        "secrets_are_told_apart_and_rotated",
        "another_helpdesk_is_refused",
    }


def test_a_plugin_that_is_only_pulled_is_held_to_what_it_does(begun: Begun) -> None:
    kit = begun(CODE, '    title = "', '    sends = False\n    title = "')
    for file in kit.folder.glob("*.body"):
        file.unlink()
        file.with_suffix(".toml").unlink()
    kit.folder.joinpath("pull.toml").write_text(
        kit.folder.joinpath("pull.toml").read_text("utf-8").replace('["thanks", "bad"]', "[]"), "utf-8"
    )
    alone = read_kit(kit.module)
    said = {rule.name: [fault.words for fault in rule.faults(alone)] for rule in RULES if rule.applies(alone)}
    assert "a_changed_byte_is_refused" not in said
    assert said["comes_with_samples_and_a_guide"] == []
    assert any("came, and 1 are written down" in words for words in said["a_pull_brings_what_is_written"])


# ---------------------------------------------------------------- calling nobody


@pytest.mark.parametrize(
    "call",
    [
        "__import__('socket').getaddrinfo('localhost', 80)",
        "__import__('socket').create_server(('127.0.0.1', 0))",
        "__import__('subprocess').run(['true'])",
        "__import__('os').system('true')",
        "open('made_by_a_plugin', 'w')",
    ],
)
def test_a_translation_can_call_nobody_not_even_in_silence(call: str) -> None:
    with pytest.raises(Called), offline(), suppress(Exception):  # a plugin might swallow it
        eval(call)
    assert not Path("made_by_a_plugin").exists()


# ---------------------------------------------------------------- what each helpdesk brings


def test_the_table_of_helpdesks_is_what_the_plugins_are() -> None:
    page = (ROOT / "docs" / "helpdesks.md").read_text("utf-8")
    made = page.partition(capabilities.BEGIN)[2].partition(capabilities.END)[0]
    assert made.strip() == capabilities.table().strip(), (
        "run: .venv/bin/python -m leaderboard helpdesks --write docs/helpdesks.md"
    )
    assert all(f"](../plugins/{name}/README.md)" in made for name in bundled())


def test_the_table_is_written_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before\n{capabilities.BEGIN}old{capabilities.END}\nafter\n", "utf-8")
    for _again in range(2):
        assert CliRunner().invoke(main, ["helpdesks", "--write", str(page)]).exit_code == 0
    shown = CliRunner().invoke(main, ["helpdesks"]).output
    assert page.read_text("utf-8") == f"Before\n{capabilities.BEGIN}\n\n{shown}\n{capabilities.END}\nafter\n"
