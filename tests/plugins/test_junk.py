"""Whatever is sent, signed correctly: a plugin answers with events, with nothing, or cleanly that it is not right."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard.conformance.rules import unsound
from leaderboard.plugin import Event, Invalid, parse_time, plain_text
from tests import corpus
from tests.plugins import OF_TOOL, SENDING, Sample, leaves, replaced, translated

IN_HTML = {"freescout", "glpi"}
"""Tools that bring the customer's words as HTML only."""
BEFORE = {"crisp": "#thanks "}
"""What stands before the customer's words in the same text."""

each_tool = pytest.mark.parametrize("tool", SENDING)
patient = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def one_per_road(tool: str) -> list[Sample]:
    """One sample for each set of extra headers: they choose the way through the plugin."""
    return list({json.dumps(sample.extra_headers): sample for sample in OF_TOOL[tool]}.values())


def assert_sound(events: list[Event] | None) -> None:
    """What comes out can be stored; an Event itself refuses all else."""
    assert unsound(events) is None


@each_tool
def test_every_body_of_the_corpus_ends_cleanly(tool: str) -> None:
    for sample in one_per_road(tool):
        for body in corpus.bodies():
            events = translated(sample.plugin, sample.delivery(body.content))
            assert_sound(events)
            if not body.accepted:
                assert not events, body.name


@each_tool
def test_every_text_of_the_corpus_in_every_place_ends_cleanly(tool: str) -> None:
    texts, dice = corpus.texts(), random.Random(tool)
    short = [name for name, text in texts.items() if len(text) <= 3_000]
    for sample in OF_TOOL[tool]:
        value, plugin = sample.json(), sample.plugin
        for path, held in leaves(value):
            if isinstance(held, str):
                for name in dice.sample(short, 5):
                    assert_sound(translated(plugin, sample.delivery(replaced(value, path, texts[name]))))


@each_tool
def test_every_text_of_the_corpus_as_the_customers_words_is_kept_or_refused(tool: str) -> None:
    thanked = (s for s in OF_TOOL[tool] if s.events and s.events[0].kind == "thanks.received")
    sample = next(s for s in thanked if s.events[0].text)
    value, plugin, before = sample.json(), sample.plugin, BEFORE.get(tool, "")
    path = next(
        path
        for path, held in leaves(value)
        if held == before + (sample.events[0].text or "")
        or (tool in IN_HTML and isinstance(held, str) and plain_text(held) == sample.events[0].text)
    )
    for name, written in corpus.texts().items():
        events = translated(plugin, sample.delivery(replaced(value, path, before + written)))
        assert_sound(events)
        text = plain_text(written) if tool in IN_HTML and events is not None else written
        if events is None:
            assert "\0" in text or not text.isprintable(), name  # NUL and lone surrogates cannot be kept
        elif text.strip():
            assert (events[0].text or "").strip() == text.strip()[:2_000].strip(), name
        else:
            assert not events or events[0].text is None, name  # no words, or no thanks without them


@each_tool
def test_every_time_of_the_corpus_is_read_or_refused(tool: str) -> None:
    for sample in OF_TOOL[tool]:
        value, plugin = sample.json(), sample.plugin
        for path, held in leaves(value):
            if isinstance(held, str) and held.startswith("2026-"):
                for time in corpus.times():
                    assert_sound(translated(plugin, sample.delivery(replaced(value, path, time.value))))


@pytest.mark.parametrize("time", corpus.times(), ids=lambda time: time.name)
def test_a_time_that_does_not_exist_is_never_guessed(time: corpus.Time) -> None:
    """For a tool that writes zones: the standard one."""
    sample = next(s for s in OF_TOOL["standard"] if s.case == "thanks")
    body = {**sample.json(), "timestamp": time.value}
    events = translated(sample.plugin, sample.delivery(json.dumps(body).encode()))
    if time.utc is None or not isinstance(time.value, str):
        assert events is None
    else:
        assert events is not None
        assert events[0].occurred_at == parse_time(f"{time.utc}Z")


@each_tool
@patient
@given(value=st.text(max_size=80), data=st.data())
def test_any_header_is_refused_and_never_an_error(tool: str, value: str, data: st.DataObject) -> None:
    sample = OF_TOOL[tool][0]
    delivery = sample.delivery()
    name = data.draw(st.sampled_from(sorted(sample.plugin.sign(sample.body, sample.received_at))))
    headers = {**delivery.headers, name.lower(): value}
    if headers != delivery.headers:
        forged = type(delivery)(delivery.body, headers, delivery.received_at)
        assert translated(sample.plugin, forged) is None


def test_a_problem_says_where_it_is() -> None:
    sample = next(s for s in OF_TOOL["standard"] if s.case == "promise_made")
    body = sample.json()
    del body["data"]["due_at"]
    with pytest.raises(Invalid, match=r"promise\.made needs data\.due_at"):
        list(sample.plugin.events(sample.delivery(json.dumps(body).encode())))
