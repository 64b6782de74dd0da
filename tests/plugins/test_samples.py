"""What every plugin must do, by the conformance kit. A new folder in plugins/ is found and tested without a change here."""

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from leaderboard.conformance import RULES, Rule
from leaderboard.conformance.made_up import made_up_payloads_end_cleanly
from leaderboard.conformance.proof import a_changed_byte_is_refused
from leaderboard.conformance.pulls import a_pull_brings_what_is_written
from leaderboard.conformance.rules import shows_what_it_earns
from tests.plugins import KITS, SENDING, TOOLS
from tests.plugins.pulls import MAKERS
from tests.plugins.pulls_h import SHOWN
from tests.trials import SEED, TIMES, trials

WITH_NUMBERS = (a_changed_byte_is_refused, made_up_payloads_end_cleanly)
"""Rules that throw dice; the long form throws them more often."""


@pytest.mark.parametrize("rule", [one for one in RULES if one not in WITH_NUMBERS], ids=lambda one: one.name)
@pytest.mark.parametrize("tool", TOOLS)
def test_a_plugin_keeps_each_rule_of_the_kit(tool: str, rule: Rule, http: httpx.Client) -> None:
    kit = KITS[tool]
    if rule is shows_what_it_earns:
        kit = replace(kit, shown_elsewhere=pulled_kinds(tool, http))
    found = rule.faults(kit)
    if rule is a_pull_brings_what_is_written and tool in {*MAKERS, *SHOWN} and not kit.pulls:
        found = []  # shown over a real socket, by test_pulls.py or by tests of its own
    assert found == []


def pulled_kinds(tool: str, http: httpx.Client) -> frozenset[str]:
    """What only a pull brings is shown by the tool that answers pulls, or by tests of its own."""
    if tool not in MAKERS:
        return SHOWN.get(tool, frozenset())
    kind, maker = MAKERS[tool]
    with kind().running() as answering:
        pulled = maker(answering)
        if not pulled.show:
            return frozenset()
        pulled.show()
        return frozenset(event.kind for event in pulled.events(http)[0])


@pytest.mark.parametrize("tool", SENDING)
@pytest.mark.promise(number=7)
def test_ten_thousand_mutations_are_all_refused(
    tool: str, record_property: Callable[[str, object], None]
) -> None:
    """P7, on what is proven: any single bit of any byte of a body; of the proof itself where a tool does not sign bodies."""
    kit = replace(KITS[tool], seed=SEED, changes=trials(10_000))
    assert a_changed_byte_is_refused.faults(kit) == []
    record_property("changed bits", kit.changes)


@pytest.mark.parametrize("tool", SENDING)
@pytest.mark.promise(number=28)
def test_payloads_that_are_made_up_end_in_events_in_nothing_or_cleanly(
    tool: str, record_property: Callable[[str, object], None]
) -> None:
    kit = replace(KITS[tool], seed=SEED, payloads=500 if TIMES == 1 else max(10_000, trials(500)))
    assert made_up_payloads_end_cleanly.faults(kit) == []
    record_property("payloads", kit.payloads)
