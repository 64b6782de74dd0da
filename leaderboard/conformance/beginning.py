"""`leaderboard new-plugin`: the example plugin under another name, as a beginning that passes the kit at once."""

import importlib.util
import keyword
import re
import shutil
from pathlib import Path

from flask_babel import gettext as _

from leaderboard import config
from leaderboard.plugin import Invalid

EXAMPLE = "demo"
GUIDE = "docs/adding-a-helpdesk.md"


def begin(name: str, folder: Path) -> Path:
    """Copy the example into `folder/name`, under this name. Raises Invalid for a bad name and where something is there."""
    if not config.SOURCE_NAME.fullmatch(name) or keyword.iskeyword(name):
        raise Invalid(
            _(
                "Write the name as acme_helpdesk: lower case letters, digits and _, at most 40, a letter first."
            )
        )
    target = folder / name
    if target.exists():
        raise Invalid(_("%(folder)s is there already; choose another name or folder.", folder=target))
    if _is_taken(name, folder):
        raise Invalid(_("Python knows something called %(name)s already; choose another name.", name=name))
    try:
        shutil.copytree(
            config.folder("plugins") / EXAMPLE, target, ignore=shutil.ignore_patterns("__pycache__")
        )
        for file in target.rglob("*"):
            if file.suffix in (".py", ".md", ".toml"):
                file.write_text(renamed(file.read_text("utf-8"), name), encoding="utf-8")
    except OSError as error:
        raise Invalid(
            _("%(folder)s cannot be written: %(reason)s", folder=target, reason=error.strerror)
        ) from None
    return target


def _is_taken(name: str, folder: Path) -> bool:
    """Whether importing this name would bring something else; a folder of ours is asked for its own."""
    ours = config.folder("plugins")
    return (ours / name).exists() or (
        folder.resolve() != ours.resolve() and importlib.util.find_spec(name) is not None
    )


def renamed(text: str, name: str) -> str:
    """The example's text for a tool of this name, without what is said about the example itself."""
    title = name.replace("_", " ").title()
    said = {
        "Demo Desk, a helpdesk that does not exist: the example to copy when you add one that does.": (
            f"{title}: begun as a copy of the example, which speaks of a helpdesk that does not exist."
        ),
        "It shows every verb a plugin has.": "It has every verb of a plugin.",
        f"docs/{Path(GUIDE).name} says what to do next": f"{GUIDE} says what to do next",
        "DemoDesk": title.replace(" ", ""),
        "Demo Desk": title,
        "DEMO_DESK": name.upper(),
        "X-Demo": "X-" + title.replace(" ", "-"),
        f"[plugins.{EXAMPLE}]": f"[plugins.{name}]",
        f"/hooks/{EXAMPLE}": f"/hooks/{name}",
        f"simulate {EXAMPLE}": f"simulate {name}",
        "demo-secret-of-32-characters-or-so": "the-secret-of-the-samples-32-characters",
        "demo-token": "the-token-of-the-samples",
        "demo.example.com": f"{name.replace('_', '-')}.example.com",
    }
    text = re.sub(
        r"\A# Demo Desk\n.*?(?=\n## )",
        f"# {title}\n\nWhere a support lead clicks, what they paste, what it earns; and what is not confirmed yet.\n",
        text,
        flags=re.DOTALL,
    )
    for old, new in said.items():
        text = text.replace(old, new)
    return text
