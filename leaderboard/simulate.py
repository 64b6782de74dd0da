"""`leaderboard simulate SOURCE`: signed deliveries as a helpdesk would send them, over real HTTP, with its usual faults.

Facts arrive twice, out of order and late, as they do in life. The boards must come out the same, which is what to watch.
"""

import importlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from leaderboard.config import Config
from leaderboard.plugin import Delivery, Invalid, Plugin
from leaderboard.weeks import Clock, now

Example = Callable[[Random, str, int, datetime], tuple[bytes, dict[str, str]]]
"""A plugin's `simulate.example`: random, agent, number, moment -> body, and headers besides the signature."""

BAR_FROM = 50


@dataclass
class Sent:
    """What a simulation did: how many facts, how many deliveries, and how they were answered by status."""

    facts: int = 0
    deliveries: int = 0
    answers: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Step:
    """One delivery to send: the `fact`th fact, maybe for the second time, about something `age` older than its turn."""

    fact: int
    again: bool
    age: timedelta


def plan(dice: Random, count: int, duplicates: float, reorder: float, late: float) -> list[Step]:
    """The order in which `count` facts are sent, given the shares (0 to 1) that come twice, out of order and late."""
    steps: list[tuple[float, Step]] = []
    for fact in range(count):
        turn = fact + (dice.randint(2, 6) if dice.random() < reorder else 0)
        age = timedelta(minutes=dice.randint(60, 9 * 24 * 60)) if dice.random() < late else timedelta()
        steps.append((turn, Step(fact, False, age)))
        if dice.random() < duplicates:
            steps.append((turn + dice.randint(1, 4), Step(fact, True, age)))
    return [step for _, step in sorted(steps, key=lambda found: found[0])]


def example_of(plugin: Plugin) -> Example:
    """The plugin's own maker of bodies; Invalid where it has none."""
    module = f"{type(plugin).__module__}.simulate"
    try:
        found: Example = importlib.import_module(module).example
    except (ModuleNotFoundError, AttributeError):
        raise Invalid(f"this plugin cannot be simulated: it has no {module}.example") from None
    return found


def run(
    config: Config,
    source: str,
    *,
    agents: Sequence[str],
    url: str | None = None,
    rate: float = 2.0,
    count: int = 20,
    duplicates: float = 0.1,
    reorder: float = 0.1,
    late: float = 0.1,
    seed: int | None = None,
    clock: Clock = now,
    console: Console | None = None,
) -> Sent:
    """Send `count` facts about these agents to the source's hook at `rate` deliveries a second, a line for each.

    `url` is the server's address (by default the config's port on this machine). Raises Invalid, saying what to mend, when
    the source, an agent or the server is missing. The same `seed` makes the same choices.
    """
    plugin = config.plugins.get(source)
    if plugin is None:
        known = ", ".join(sorted(config.plugins)) or "none"
        raise Invalid(f"there is no section [plugins.{source}] in the config; there is: {known}")
    if not agents:
        raise Invalid("say who the facts are about: --agent ana@example.com, or an account id of the tool")
    if not (math.isfinite(rate) and rate > 0) or count < 1:
        raise Invalid("the rate is more than 0 deliveries a second, and at least one fact is sent")
    example, out = example_of(plugin), console or Console()
    address = f"{(url or f'http://127.0.0.1:{config.server.port}').rstrip('/')}/hooks/{source}"
    dice, sent = Random(seed), Sent(facts=count)  # noqa: S311  (made-up facts, not secrets)
    steps = plan(dice, count, duplicates, reorder, late)
    made = dict(_facts(example, dice, agents, steps, rate, clock()))
    with (
        httpx.Client(timeout=15, trust_env=False, follow_redirects=False) as http,
        Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=out,
            transient=True,
            disable=len(steps) < BAR_FROM or not out.is_terminal,
        ) as progress,
    ):
        bar, begun = progress.add_task("sending", total=len(steps)), time.monotonic()
        for position, step in enumerate(steps):
            time.sleep(max(0.0, begun + position / rate - time.monotonic()))
            body, headers = made[step.fact]
            moment = clock()
            signed = {**headers, **plugin.sign(body, moment)}
            status = _post(http, address, body, signed)
            sent.deliveries += 1
            sent.answers[status] += 1
            lowered = {name.lower(): value for name, value in signed.items()}
            facts = plugin.events(Delivery(body, lowered, moment))
            note = " (again)" if step.again else f" (of {step.age.days} d ago)" if step.age else ""
            shown = (
                ", ".join(f"{fact.kind} {' '.join(fact.agents)} {fact.key}" for fact in facts)
                or "nothing for us"
            )
            out.print(f"{status} {shown}{note}", markup=False, highlight=False, soft_wrap=True)
            progress.advance(bar)
    return sent


def _facts(
    example: Example, dice: Random, agents: Sequence[str], steps: Sequence[Step], rate: float, begun: datetime
) -> Iterator[tuple[int, tuple[bytes, dict[str, str]]]]:
    """Each fact's body and headers, made once: a repetition sends the very same bytes. Numbers differ from run to run."""
    first = int(begun.timestamp()) % 10**7 * 10_000
    for step in sorted({step.fact: step for step in steps}.values(), key=lambda step: step.fact):
        # A fact happens before its turn comes, so no sender's clock runs ahead of ours
        moment = begun + timedelta(seconds=step.fact / rate) - step.age - timedelta(seconds=1)
        yield step.fact, example(dice, dice.choice(agents), first + step.fact, moment)


def _post(http: httpx.Client, address: str, body: bytes, headers: dict[str, str]) -> int:
    """The answer's status. What is answered 429 or 503 is sent again after the time asked for, as good senders do."""
    for attempt in range(4):
        try:
            answer = http.post(address, content=body, headers={**headers, "Content-Type": "application/json"})
        except httpx.TransportError as error:
            raise Invalid(
                f"nothing answers at {address} ({type(error).__name__}); is the server running?"
            ) from None
        if answer.status_code not in (429, 503) or attempt == 3:
            break
        asked = answer.headers.get("retry-after", "1")
        time.sleep(min(int(asked) if asked.isascii() and asked.isdigit() else 1, 10))
    return answer.status_code
