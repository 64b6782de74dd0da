"""`leaderboard simulate`: what it sends is what the tools send, with the faults it was asked for."""

import io
import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from rich.console import Console

from leaderboard import config, simulate
from leaderboard.plugin import Delivery, Invalid
from tests.plugins import OF_TOOL, SENDING
from tests.plugins.tools import Asked, Said, Tool

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
each_tool = pytest.mark.parametrize("tool", SENDING)


class Receiver(Tool):
    """A server that answers every delivery with 202, or as told."""

    def answer(self, asked: Asked) -> Said:
        return Said({"state": "done"}, status=202)


def configured(tool: str) -> config.Config:
    return config.Config(plugins={tool: OF_TOOL[tool][0].plugin})


def run(receiver: Tool, tool: str, **more: Any) -> tuple[simulate.Sent, str]:
    out = io.StringIO()
    options = {
        "agents": ["ana@example.com"],
        "url": receiver.address,
        "rate": 2_000,
        "seed": 7,
        "clock": lambda: NOW,
    }
    sent = simulate.run(configured(tool), tool, console=Console(file=out, width=200), **{**options, **more})
    return sent, out.getvalue()


@each_tool
def test_every_example_is_verified_and_means_something(tool: str) -> None:
    plugin = OF_TOOL[tool][0].plugin
    example, dice, kinds = simulate.example_of(plugin), Random(1), Counter[str]()
    keys: set[str] = set()
    for number in range(300):
        body, headers = example(dice, "77", number, NOW)
        signed = {name.lower(): value for name, value in {**headers, **plugin.sign(body, NOW)}.items()}
        delivery = Delivery(body, signed, NOW)
        plugin.verify(delivery)
        (event,) = plugin.events(delivery)
        assert event.agents == ("77",)
        assert event.occurred_at == NOW
        kinds[event.kind] += 1
        keys.add(event.key)
    assert len(keys) == 300
    assert kinds["thanks.received"] > 50
    sent = {event.kind for sample in OF_TOOL[tool] for event in sample.events if event.agents}
    assert len(kinds) >= min(
        4, len(sent)
    )  # some tools send one kind only, and the rest is pulled or about nobody


@each_tool
def test_what_is_sent_arrives_signed_at_the_sources_hook(tool: str) -> None:
    plugin = OF_TOOL[tool][0].plugin
    with Receiver().running() as receiver:
        sent, out = run(receiver, tool, count=12)
    assert {asked.path for asked in receiver.asked} == {f"/hooks/{tool}"}
    assert sent.deliveries == len(receiver.asked) == out.count("\n")
    assert sent.answers == {202: sent.deliveries}
    for asked in receiver.asked:
        plugin.verify(
            Delivery(asked.body, {name.lower(): value for name, value in asked.headers.items()}, NOW)
        )
    assert "202 " in out
    assert "ana@example.com" in out


def test_the_shares_asked_for_come_twice_out_of_order_and_late() -> None:
    dice = Random(5)
    steps = simulate.plan(dice, 1_000, 0.1, 0.2, 0.3)
    firsts = [step.fact for step in steps if not step.again]
    assert sorted(firsts) == list(range(1_000))
    assert 60 < sum(step.again for step in steps) < 150
    assert 220 < sum(bool(step.age) for step in steps if not step.again) < 380
    assert 80 < sum(later < earlier for earlier, later in itertools.pairwise(firsts)) < 400
    assert max(step.age for step in steps) < timedelta(days=10)


def test_without_faults_each_fact_comes_once_and_in_order() -> None:
    steps = simulate.plan(Random(5), 50, 0, 0, 0)
    assert [(step.fact, step.again, step.age) for step in steps] == [
        (n, False, timedelta()) for n in range(50)
    ]


def test_a_repetition_sends_the_same_bytes_and_a_late_fact_is_old() -> None:
    with Receiver().running() as receiver:
        _, out = run(receiver, "standard", count=30, duplicates=1.0, late=1.0)
    bodies = Counter(asked.body for asked in receiver.asked)
    assert set(bodies.values()) == {2}
    assert "(again)" in out
    assert "d ago)" in out
    plugin = OF_TOOL["standard"][0].plugin
    ages = [NOW - event.occurred_at for body in bodies for event in plugin.events(Delivery(body, {}, NOW))]
    assert min(ages) >= timedelta(minutes=59)


def test_the_same_seed_sends_the_same_facts() -> None:
    with Receiver().running() as first, Receiver().running() as second, Receiver().running() as third:
        for receiver, seed in ((first, 3), (second, 3), (third, 4)):
            run(receiver, "demo", seed=seed, count=10)
    bodies = [[asked.body for asked in receiver.asked] for receiver in (first, second, third)]
    assert bodies[0] == bodies[1] != bodies[2]


def test_a_server_that_asks_to_wait_gets_it_again() -> None:
    with Receiver().running() as receiver:
        busy = iter([True])
        receiver.misbehaves = lambda asked: (
            Said(status=503, headers={"Retry-After": "0"}) if next(busy, False) else None
        )
        sent, _ = run(receiver, "demo", count=1, duplicates=0)
    assert len(receiver.asked) == 2
    assert sent.answers == {202: 1}


def test_a_refusal_is_shown_and_ends_nothing() -> None:
    with Receiver().running() as receiver:
        receiver.misbehaves = lambda asked: Said(status=401)
        sent, out = run(receiver, "demo", count=3, duplicates=0)
    assert sent.answers == {401: 3}
    assert out.startswith("401 ")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"agents": []}, "--agent"),
        ({"rate": 0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"count": 0}, "at least one"),
        ({"url": "http://127.0.0.1:9"}, "is the server running"),
    ],
)
def test_what_is_missing_is_said(more: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        run(Receiver(), "demo", **more)


def test_an_unknown_source_is_named_with_those_there_are() -> None:
    with pytest.raises(Invalid, match=r"\[plugins\.zendesk\].*demo"):
        simulate.run(configured("demo"), "zendesk", agents=["a"])
