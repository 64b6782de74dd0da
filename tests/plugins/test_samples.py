"""What every plugin must do, shown on its samples. A new folder in plugins/ is found and tested without a change here."""

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from leaderboard.plugin import Delivery, Plugin, Refused, key_pair
from tests.plugins import FOLDER, OF_TOOL, SAMPLES, TOOLS, Sample, translated
from tests.plugins.pulls import MAKERS
from tests.trials import dice as dice_of
from tests.trials import trials

OLD = "the-secret-before-its-rotation"

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.tool}-{sample.case}")
each_tool = pytest.mark.parametrize("tool", TOOLS)


def changed(content: bytes, position: int, by: int = 1) -> bytes:
    return content[:position] + bytes([content[position] ^ by]) + content[position + 1 :]


def secrets_of(plugin: Plugin) -> list[str]:
    """The settings that may be rotated: those with a `previous_` beside them."""
    fields = type(plugin).model_fields
    return [name for name in fields if f"previous_{name}" in fields]


def another(plugin: Plugin, settings: dict[str, Any], name: str) -> dict[str, Any]:
    """These settings with another secret of the same form in this place, or with another pair of keys."""
    pair = type(plugin).key_pairs.get(name)
    if pair:
        return {**settings, **dict(zip((name, pair), key_pair(), strict=True))}
    old = settings.get(name, OLD)
    return {**settings, name: old[:10] + ("A" if old[10] != "A" else "B") + old[11:]}


@each_tool
def test_a_plugin_comes_with_samples_and_a_guide(tool: str) -> None:
    assert OF_TOOL[tool], f"plugins/{tool}/samples has no .body"
    assert (FOLDER / tool / "README.md").is_file()


@each_tool
def test_the_guide_names_every_setting_and_the_address_to_paste(tool: str) -> None:
    guide = (FOLDER / tool / "README.md").read_text("utf-8")
    fields = type(OF_TOOL[tool][0].plugin).model_fields
    assert [name for name in fields if not re.search(rf"`{name}`|^[ #]*{name} =", guide, re.MULTILINE)] == []
    assert "/hooks/" in guide


@each_tool
def test_the_samples_show_every_kind_that_the_plugin_says_it_brings(tool: str, http: httpx.Client) -> None:
    """What only a pull brings is shown by the tool that answers pulls."""
    shown = {event.kind for sample in OF_TOOL[tool] for event in sample.events}
    if tool in MAKERS:
        kind, maker = MAKERS[tool]
        with kind().running() as answering:
            pulled = maker(answering)
            if pulled.show:
                pulled.show()
                shown |= {event.kind for event in pulled.events(http)[0]}
    assert shown == set(OF_TOOL[tool][0].plugin.earns)


@each_tool
def test_a_sample_shows_what_is_not_for_us(tool: str) -> None:
    assert any(not sample.events for sample in OF_TOOL[tool])


@each_sample
def test_the_signature_holds_and_the_events_are_as_written(sample: Sample) -> None:
    delivery = sample.delivery()
    sample.plugin.verify(delivery)
    assert tuple(sample.plugin.events(delivery)) == sample.events


@each_sample
def test_the_same_body_later_brings_the_same_keys(sample: Sample) -> None:
    later = replace(sample, received_at=sample.received_at + timedelta(days=3))
    again = [event.key for event in sample.plugin.events(later.delivery())]
    assert again == [event.key for event in sample.events]


@pytest.mark.parametrize(
    "sample",
    [sample for sample in SAMPLES if sample.plugin.proof == "body"],
    ids=lambda sample: f"{sample.tool}-{sample.case}",
)
def test_one_changed_byte_of_the_body_is_refused(sample: Sample) -> None:
    delivery, dice = sample.delivery(), random.Random(sample.case)
    for position in dice.sample(range(len(sample.body)), min(10, len(sample.body))):
        with pytest.raises(Refused):
            sample.plugin.verify(replace(delivery, body=changed(sample.body, position)))
    with pytest.raises(Refused):
        sample.plugin.verify(replace(delivery, body=sample.body + b" "))


@each_tool
def test_every_changed_missing_or_doubled_signature_header_is_refused(tool: str) -> None:
    sample = OF_TOOL[tool][0]
    delivery = sample.delivery()
    for name in sample.plugin.sign(sample.body, sample.received_at):
        value = delivery.header(name)
        wrong = [
            value[:i] + other + value[i + 1 :]
            for i in range(len(value))
            for other in "0Aé="
            if value[i] != other
        ]
        for other in ["", " ", value + value, f"{value},{value}", value[:8], value[:-1], *wrong]:
            with pytest.raises(Refused):
                sample.plugin.verify(replace(delivery, headers={**delivery.headers, name.lower(): other}))
        without = {key: held for key, held in delivery.headers.items() if key != name.lower()}
        with pytest.raises(Refused):
            sample.plugin.verify(replace(delivery, headers=without))


@each_tool
@pytest.mark.promise(number=7)
def test_ten_thousand_mutations_are_all_refused(
    tool: str, record_property: Callable[[str, object], None]
) -> None:
    """P7, on what is proven: any single bit of any byte of a body; of the proof itself where a tool does not sign bodies."""
    dice = dice_of(f"mutations {tool}")
    accepted = 0
    prepared = [(sample, sample.plugin, sample.delivery()) for sample in OF_TOOL[tool]]
    for _ in range(trials(10_000)):
        sample, plugin, delivery = dice.choice(prepared)
        bit, headers, body = 1 << dice.randrange(7), dict(delivery.headers), sample.body
        if plugin.proof == "body":
            body = changed(body, dice.randrange(len(body)), bit)
        else:
            name = dice.choice(sorted(plugin.sign(body, sample.received_at))).lower()
            value = headers[name].encode()
            headers[name] = changed(value, dice.randrange(len(value)), bit).decode()
        try:
            plugin.verify(Delivery(body, headers, delivery.received_at))
            accepted += 1
        except Refused:
            pass
    record_property("changed bits", trials(10_000))
    assert accepted == 0


@each_tool
def test_the_signature_of_another_secret_is_refused(tool: str) -> None:
    sample = OF_TOOL[tool][0]
    for name in secrets_of(sample.plugin):
        if name in sample.settings:
            other = type(sample.plugin)(**another(sample.plugin, sample.settings, name))
            with pytest.raises(Refused):
                sample.plugin.verify(sample.delivery(signed_by=other))


@each_tool
def test_while_a_secret_is_rotated_both_are_valid(tool: str) -> None:
    sample = OF_TOOL[tool][0]
    names = secrets_of(sample.plugin)
    assert names, "a plugin that verifies can rotate its secret"
    for name in names:
        old = sample.settings.get(name, OLD)
        cls, changed_settings = type(sample.plugin), another(sample.plugin, sample.settings, name)
        before = cls(**{**sample.settings, name: old})
        during = cls(**{**changed_settings, f"previous_{name}": old})
        during.verify(sample.delivery(signed_by=before))
        during.verify(sample.delivery(signed_by=during))
        if name in sample.settings:
            after = cls(**changed_settings)
            with pytest.raises(Refused):
                after.verify(sample.delivery(signed_by=before))


@each_tool
def test_an_old_or_early_delivery_is_refused_where_its_time_is_signed(tool: str) -> None:
    sample = OF_TOOL[tool][0]
    plugin, delivery = sample.plugin, sample.delivery()
    timed = plugin.sign(b"", sample.received_at) != plugin.sign(b"", sample.received_at + timedelta(hours=1))
    for seconds in (-299, 299):
        plugin.verify(replace(delivery, received_at=sample.received_at + timedelta(seconds=seconds)))
    for seconds in (-301, 301):
        late = replace(delivery, received_at=sample.received_at + timedelta(seconds=seconds))
        if timed:
            with pytest.raises(Refused, match="clock"):
                plugin.verify(late)
        else:
            plugin.verify(late)  # without a signed time, keys alone keep an old delivery from earning again


@each_tool
def test_the_signature_of_another_tool_is_refused(tool: str) -> None:
    sample = OF_TOOL[tool][0]
    for other in TOOLS:
        if other != tool:
            stranger = OF_TOOL[other][0].plugin
            assert translated(sample.plugin, sample.delivery(signed_by=stranger)) is None


@each_sample
def test_a_truncated_body_fails_cleanly(sample: Sample) -> None:
    """Signed as if the tool had cut it off itself."""
    for tenth in range(10):
        found = translated(sample.plugin, sample.delivery(sample.body[: len(sample.body) * tenth // 10]))
        assert not found
