"""`leaderboard check --plugin`: every rule with how it stands, and for what is broken which sample, which byte, what to do."""

from collections.abc import Iterator
from pathlib import Path

from flask_babel import gettext as _
from flask_babel import ngettext

from leaderboard.conformance import RULES, Kit, NotShown, read_kit
from leaderboard.conformance.road import it_earns_the_same_by_any_road
from leaderboard.conformance.rules import Fault

MOST_SHOWN = 5
"""Faults of one rule: the others are counted."""


def check_plugin(module: str, folder: Path | None, payloads: int, seed: int) -> Iterator[tuple[str, bool]]:
    """Lines for a terminal, each with whether it tells of something wrong. Raises Invalid where there is nothing to check."""
    kit = read_kit(module, folder, seed=seed, payloads=payloads, changes=payloads)
    yield _headline(kit), False
    kept = broken = unknown = 0
    for rule in (*RULES, it_earns_the_same_by_any_road):
        if not rule.applies(kit):
            continue
        faults = rule.faults(kit)
        wrong = [fault for fault in faults if not isinstance(fault, NotShown)]
        state = _("wrong") if wrong else _("warning") if faults else _("ok")
        yield f"{state:<8} {rule.title}", bool(wrong)
        for fault in faults[:MOST_SHOWN]:
            yield f"{'':<8}   {_told(fault)}", False
        if len(faults) > MOST_SHOWN:
            more = len(faults) - MOST_SHOWN
            yield f"{'':<8}   {ngettext('and %(num)s more', 'and %(num)s more', more)}", False
        kept, broken, unknown = (
            kept + (not faults),
            broken + bool(wrong),
            unknown + (bool(faults) and not wrong),
        )
    yield (
        _(
            "%(kept)s rules kept, %(unknown)s not shown, %(broken)s broken",
            kept=kept,
            unknown=unknown,
            broken=broken,
        ),
        False,
    )


def _headline(kit: Kit) -> str:
    samples = ngettext("%(num)s sample", "%(num)s samples", len(kit.samples))
    pulls = ngettext("%(num)s recorded pull", "%(num)s recorded pulls", len(kit.pulls))
    payloads = _("%(number)s payloads made up with seed %(seed)s", number=f"{kit.payloads:,}", seed=kit.seed)
    return f"{kit.title} ({kit.module}): {samples}, {pulls}, {payloads}"


def _told(fault: Fault) -> str:
    return f"{fault.case}: {fault.words}" if fault.case else str(fault.words)
