"""Every text that people read goes through gettext: what `Invalid` says, flashes, labels of forms, what templates hold.

Machines are spoken to in English: docs/decisions.md says which texts that are.
"""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.test_tree import ROOT

PACKAGE = ROOT / "leaderboard"
TEMPLATES = ROOT / "templates"
MARKS = {"_", "_l", "N_", "ngettext"}
TO_MACHINES = (
    "plugin",  # why a body cannot be read: kept with the delivery, beside the body
    "deliveries/pulling.py",  # why a pull failed: kept with the source and logged
    "backup.py",  # on the command line
    "jobs.py",  # on the command line
    "simulate.py",  # on the command line
    "web/api",  # beside texts of people's own mistakes, which are translated: the shape of a request
)
TRANSLATION_FAILED = "more than {MOST_EVENTS:,} events in one delivery"
"""The one reason in deliveries/receiving.py that is kept with a delivery."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        name = str(file.relative_to(PACKAGE))
        if not name.startswith("migrations/"):
            yield name, ast.parse(file.read_text("utf-8"))


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node) in names:
            yield node


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def is_marked(text: ast.expr, tree: ast.Module, asked: frozenset[str] = frozenset()) -> bool:
    """Whether a text comes from gettext: marked where it stands, or in every place that the name or function gets it from."""
    if isinstance(text, ast.Constant):
        return text.value is None
    if isinstance(text, ast.IfExp):
        return is_marked(text.body, tree, asked) and is_marked(text.orelse, tree, asked)
    if isinstance(
        text, ast.Attribute
    ):  # `error.message`: the text of an Invalid, looked at where it was raised
        return text.attr == "message"
    if isinstance(text, ast.Call):
        if name_of(text) in MARKS:
            return True
        if name_of(text) == "str":
            return is_marked(text.args[0], tree, asked)
        function = next(
            (
                node
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef) and node.name == name_of(text)
            ),
            None,
        )
        answers = [
            node.value for node in ast.walk(function or ast.Module([], [])) if isinstance(node, ast.Return)
        ]
        return bool(answers) and all(answer is None or is_marked(answer, tree, asked) for answer in answers)
    if isinstance(text, ast.Name):
        if text.id in asked:  # handed on under the same name
            return True
        given = [
            node.value
            for node in ast.walk(tree)
            if (isinstance(node, ast.Assign) and any(_is(target, text.id) for target in node.targets))
            or (isinstance(node, ast.NamedExpr) and _is(node.target, text.id))
        ]
        handed = list(_handed_in(tree, text.id))
        return bool(given or handed) and all(
            is_marked(value, tree, asked | {text.id}) for value in [*given, *handed]
        )
    return False


def _is(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _handed_in(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    """What the functions of this module that take `name` are called with."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            names = [argument.arg for argument in function.args.args]
            if name in names:
                place = names.index(name)
                for call in calls(tree, function.name):
                    yield from call.args[place : place + 1]
                    yield from (word.value for word in call.keywords if word.arg == name)


def unmarked(*names: str, place: int = 0, but: tuple[str, ...] = ()) -> list[str]:
    """Calls with a text that no translator would get: file, line and text."""
    return [
        f"{name}:{call.lineno}: {ast.unparse(call.args[place])}"
        for name, tree in modules()
        if not name.startswith(but)
        for call in calls(tree, *names)
        if len(call.args) > place and not is_marked(call.args[place], tree)
    ]


def test_whatever_is_refused_is_said_in_the_language_of_who_asked() -> None:
    said = unmarked("Invalid", but=TO_MACHINES)
    assert [line for line in said if TRANSLATION_FAILED not in line] == []


def test_whatever_is_flashed_is_said_in_the_language_of_who_sees_it() -> None:
    assert unmarked("flash") == []


def test_labels_and_help_of_forms_are_translated_when_they_are_shown() -> None:
    fields = {
        name_of(call)
        for _, tree in modules()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and re.fullmatch(r"\w+Field", name_of(call))
    }
    assert "StringField" in fields
    assert unmarked(*fields) == []
    for name, tree in modules():
        for call in calls(tree, *fields):
            for word in call.keywords:
                if word.arg in ("label", "description") and not _is_empty(word.value):
                    assert is_marked(word.value, tree), f"{name}:{call.lineno}"


def _is_empty(text: ast.expr) -> bool:
    if isinstance(text, ast.IfExp):
        return _is_empty(text.orelse)
    return isinstance(text, ast.Constant) and text.value == ""


@pytest.mark.parametrize(
    ("code", "marked"),
    [
        ('Invalid(_("No."))', True),
        ('Invalid("No.")', False),
        ('Invalid(f"No {name}.")', False),
        ('def why():\n    return "No."\nInvalid(why())', False),
        ('def why():\n    return _("No.")\nInvalid(why())', True),
        ('text = "No."\nInvalid(text)', False),
        ('if text := why():\n    Invalid(text)\ndef why():\n    return str(_("No."))', True),
        ('def say(text):\n    raise Invalid(text)\nsay("No.")', False),
        ('def say(text):\n    raise Invalid(text)\nsay(_("No."))', True),
    ],
)
def test_the_inspector_tells_a_marked_text_from_another(code: str, marked: bool) -> None:
    tree = ast.parse(code)
    (call,) = calls(tree, "Invalid")
    assert is_marked(call.args[0], tree) is marked


# --- templates ----------------------------------------------------------------------------------------------

SPOKEN = {"alt", "aria-label", "placeholder", "title", "label", "data-label"}
"""Attributes that people read or hear."""
DATA = {"styleguide.html": {"Mr Ito"}}
"""What stands for data in an example."""


class Texts(HTMLParser):
    """Collects what stands in a page for people, with a mark in place of each expression of Jinja."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.code += tag == "code"
        self.found += [value or "" for name, value in attrs if name in SPOKEN]

    def handle_endtag(self, tag: str) -> None:
        self.code -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self.code:  # an address or a command is the same in every language
            self.found.append(data)


def words_of(template: str) -> list[str]:
    """The texts of a template that stand outside every expression and {% trans %}."""
    text = re.sub(r"\{#.*?#\}", "", template, flags=re.DOTALL)
    text = re.sub(r"\{%-?\s*trans\b.*?endtrans\s*-?%\}", "", text, flags=re.DOTALL)
    text = re.sub(r"(</?)\{\{.*?\}\}", r"\1b", text)  # a heading whose level is handed in
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text, flags=re.DOTALL)
    parser = Texts()
    parser.feed(text)
    found = (" ".join(each.split()) for each in parser.found)
    return [each for each in found if re.search(r"[^\W\d_]{2}", each)]


def expressions_of(template: str) -> list[str]:
    """Texts inside expressions that are printed as they are: {{ "No" }}, {{ x or "none" }}, {{ c.empty("icon", "No") }}."""
    found = []
    for inside in re.findall(r"\{\{(.*?)\}\}|\{%-?\s*call\b(.*?)%\}", template, flags=re.DOTALL):
        bare = re.sub(r"\b(?:_|ngettext)\((?:[^()]|\([^()]*\))*\)", "", "".join(inside))
        found += [
            text for text in re.findall(r"\"([^\"]*)\"", bare) if re.search(r"[A-Za-z]{2}.* .*[a-z]{2}", text)
        ]
    return found


@pytest.mark.parametrize(
    "file", sorted(TEMPLATES.rglob("*.*")), ids=lambda file: str(file.relative_to(TEMPLATES))
)
def test_a_template_says_nothing_that_translators_do_not_get(file: Path) -> None:
    text = file.read_text("utf-8")
    assert words_of(text) == []
    assert set(expressions_of(text)) == DATA.get(file.name, set())


def test_the_inspector_finds_a_bare_word_wherever_it_stands() -> None:
    assert words_of('<p>{{ _("Good") }} day</p>') == ["day"]
    assert words_of('<img alt="A picture">{% if x %}<b>Now</b>{% endif %}') == ["A picture", "Now"]
    assert words_of('<p class="soft">{# why #}{{ _("Good") }} · 12</p>') == []
    assert expressions_of('{{ c.empty("users", "Nobody is here", _("Come in")) }}') == ["Nobody is here"]
