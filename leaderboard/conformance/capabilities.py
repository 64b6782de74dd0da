"""`leaderboard helpdesks`: what each plugin brings and how, as a table made from the plugins themselves."""

import re
from pathlib import Path
from typing import get_args

from leaderboard.conformance.kit import Kit, bundled, read_kit
from leaderboard.plugin import Plugin

PROOFS = {"body": "signed body", "token": "secret in a header, or token", "url": "secret in the address"}
AT_ONCE, BY_PULL, NOT = "●", "○", "–"
GROUPS: dict[str, tuple[str, ...]] = {
    "thanks": ("thanks.received",),
    "ratings": ("rating.good", "rating.bad"),
    "promises": ("promise.made", "promise.kept"),
    "help": ("help.given",),
    "articles": ("knowledge.shared",),
    "answers": ("ticket.replied",),
    "solved": ("ticket.solved",),
    "reopened": ("ticket.reopened",),
}
"""The columns about facts, and the kinds of which each tells."""
HEAD = ("helpdesk", "webhooks prove themselves by", "pull", "agents", "handshake", *GROUPS)
BEGIN = "<!-- made by: leaderboard helpdesks --write docs/helpdesks.md -->"
END = "<!-- end of what is made -->"


def table() -> str:
    """A Markdown table with a row for each plugin that comes with the program."""
    kits = sorted((read_kit(module) for module in bundled()), key=lambda kit: kit.title.casefold())
    rows = [HEAD, ("---",) * len(HEAD), *map(_row, kits)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(kit: Kit) -> tuple[str, ...]:
    """A plugin's row; what its samples do not show comes by pull only."""
    cls = kit.cls
    at_once = {event.kind for sample in kit.samples for event in sample.events}
    facts = [
        AT_ONCE if at_once & set(kinds) else BY_PULL if set(cls.earns) & set(kinds) else NOT
        for kinds in GROUPS.values()
    ]
    does = [
        "yes" if getattr(cls, verb) is not getattr(Plugin, verb) else NOT
        for verb in ("pull", "accounts", "greet")
    ]
    return (f"[{kit.title}](../plugins/{kit.module}/README.md)", _proof(cls), *does, *facts)


def _proof(cls: type[Plugin]) -> str:
    """What its webhooks prove; several where it depends on the settings."""
    if not cls.sends:
        return "takes none"
    held = vars(cls).get("proof", Plugin.proof)
    named = get_args(held.fget.__annotations__["return"]) if isinstance(held, property) else (held,)
    return " or ".join(PROOFS[one] for one in named)


def write(file: Path) -> None:
    """Put the table between the two marks of a page."""
    text = file.read_text("utf-8")
    made = f"{BEGIN}\n\n{table()}\n{END}"
    file.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _match: made, text, flags=re.DOTALL), encoding="utf-8")
