"""How soon a page is there, and how still it stands, on a throttled phone: what somebody on a tram meets.

The phone is Chromium's own emulation: 390 px wide, a processor four times slower than this one, 1.6 Mbit/s with 150 ms to the
server. Times are this machine's and of today; shifts and weights hold everywhere.
"""

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, StorageState, ViewportSize, sync_playwright

from leaderboard.demo.opening import PASSWORD

PHONE = ViewportSize(width=390, height=844)
SLOWER = 4
"""Times that the phone's processor is slower than this machine's."""
NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}
"""Milliseconds to the server, bytes a second."""
ROUNDS = 3
MOST_SHIFT = 0.02
MOST_WEIGHT = 150_000
"""Bytes of compressed script and style."""

WATCH = """
window.seen = {shift: 0, largest: 0, slowest: 0};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.seen.shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.seen.largest = entry.startTime;
}).observe({type: "largest-contentful-paint", buffered: true});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.seen.slowest = Math.max(window.seen.slowest, entry.duration);
}).observe({type: "event", durationThreshold: 16, buffered: true});
"""
"""Keeps in window.seen how much has jumped since the page opened, when its largest part was painted, and the slowest answer to
a touch or a key, in milliseconds."""
TOLD = """() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const files = performance.getEntriesByType("resource").filter((file) => /\\.(css|js)(\\?|$)/.test(file.name));
  const weight = files.reduce((sum, file) => sum + file.encodedBodySize, 0);
  return {...window.seen, first: paint ? paint.startTime : 0, weight};
}"""
WORDS = (
    "She stayed until nine, called three branches and found the shirt that the son was to wear. "
    "The family wept and thanked her."
)


@dataclass(frozen=True)
class Seen:
    """A page as the phone met it. Milliseconds, the unit of the layout-shift score, bytes."""

    page: str
    first: float
    again: float
    largest: float
    shift: float
    slowest: float
    weight: float

    def line(self) -> str:
        """On one line of a terminal."""
        good = "✓" if self.shift <= MOST_SHIFT and self.weight <= MOST_WEIGHT else "·"
        slowest = f"{self.slowest:4.0f} ms" if self.slowest else "      -"
        return (
            f"{good} {self.page:<44} {self.first / 1000:5.2f} s {self.again / 1000:5.2f} s {self.largest / 1000:5.2f} s "
            f"{slowest}  {self.shift:6.3f}  {self.weight / 1000:4.0f} KB"
        )


HEAD = f"  {'page':<44} {'first':>7} {'again':>7} {'largest':>7} {'touch':>7}  {'shift':>6}  {'files':>7}"


def face(folder: Path) -> Iterator[str]:
    """The lines of the report: the demo's pages on the phone, then what telling a story asks of a person."""
    yield f"  Medians of {ROUNDS}. First visit, second, largest part, answer to a touch; shift ≤ {MOST_SHIFT}, files ≤ 150 KB"
    yield HEAD
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"]
        )
        try:
            for who, paths in (
                (None, ("/sign-in",)),
                ("ana", ("/", "/stories", "/nominate", "/people", "/people/ana-kovac", "/people/ana-kovac/points", "/weeks")),
                ("lea", ("/lead",)),
                ("ada", ("/admin", "/admin/sources")),
            ):  # fmt: skip
                yield from (seen.line() for seen in walk(browser, address, who, paths))
            yield from telling(browser, address)
        finally:
            browser.close()


def walk(browser: Browser, address: str, who: str | None, paths: Iterable[str]) -> Iterator[Seen]:
    """Each page as it is met the first time and again; the medians of some visits."""
    signed_in = sign_in(browser, address, who)
    for path in paths:
        met: list[dict[str, float]] = []
        again = []
        for _round in range(ROUNDS):
            with phone(browser, address, signed_in) as page:
                page.goto(address + path, wait_until="networkidle")
                page.locator("summary").first.tap()
                page.wait_for_timeout(200)
                met.append(page.evaluate(TOLD))
                page.goto(address + path, wait_until="networkidle")
                again.append(page.evaluate(TOLD)["first"])
        middle = {name: statistics.median(one[name] for one in met) for name in met[0]}
        middle["shift"] = max(one["shift"] for one in met)
        yield Seen(path, again=statistics.median(again), **middle)


def telling(browser: Browser, address: str) -> Iterator[str]:
    """A story told by thumb: each step with what the phone took to answer it."""
    with phone(browser, address, sign_in(browser, address, "ana")) as page:
        steps = list(tell(page, address))
    yield ""
    yield "  Telling a story by thumb: what one does, and what the phone takes to answer"
    for what, seconds in steps:
        yield f"  {what:<44} {seconds:5.2f} s"
    taps, typed = len(steps), len(WORDS) + len("ben")
    machine = sum(seconds for _what, seconds in steps)
    yield f"  {taps} steps, {machine:.1f} s of waiting; {person_takes(taps, typed):.0f} s of a person's own time"


def tell(page: Page, address: str) -> Iterator[tuple[str, float]]:
    """The steps from the home page to the story's own page, each with the seconds until the next one could begin."""
    page.goto(address + "/", wait_until="networkidle")

    def took(work: Any) -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    def opened() -> None:
        page.locator(".bottom-centre").tap()
        page.get_by_label("Find a colleague by name").wait_for()

    def found() -> None:
        page.get_by_label("Find a colleague by name").fill("ben")
        page.locator("#found label").first.wait_for()

    def chosen() -> None:
        page.locator("#found label").first.tap()
        page.locator("#chosen li").wait_for()

    def sent() -> None:
        page.get_by_role("button", name="Tell the story").tap()
        page.locator(".celebration").wait_for()

    yield "tap Nominate", took(opened)
    yield "type three letters of a name", took(found)
    yield "tap the name", took(chosen)
    yield "write two sentences", took(lambda: page.locator("#story").fill(WORDS))
    yield "tap a guideline", took(lambda: page.locator(".guideline-choice").nth(2).tap())
    yield "tap Tell the story", took(sent)


def person_takes(steps: int, typed: int) -> float:
    """Seconds of a person's own time by the keystroke-level model: to think of each step, to reach it, to type.

    1.35 s and 1.1 s are Card, Moran and Newell's (1980); 36 words a minute on a phone with both thumbs is the mean of 37,000
    people (Palin et al., 2019), three characters a second.
    """
    return steps * (1.35 + 1.1) + typed / 3


@contextmanager
def phone(browser: Browser, address: str, signed_in: StorageState | None) -> Iterator[Page]:
    """A slow page of a phone that keeps nothing from before but who is signed in."""
    context = browser.new_context(
        viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=3, storage_state=signed_in
    )
    try:
        page = context.new_page()
        page.add_init_script(WATCH)
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.clearBrowserCache")
        session.send("Network.emulateNetworkConditions", NETWORK)
        session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        yield page
    finally:
        context.close()


def sign_in(browser: Browser, address: str, who: str | None) -> StorageState | None:
    """What a browser keeps of somebody who signed in by the form, as everybody does; None for nobody."""
    if who is None:
        return None
    context = browser.new_context()
    page = context.new_page()
    page.goto(address + "/sign-in")
    page.fill("[name=email]", f"{who}@example.com")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    kept = context.storage_state()
    context.close()
    return kept


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The demo with its history, for as long as it is looked at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "leaderboard",
        "demo",
        "--port",
        str(port),
        "--folder",
        str(folder / "face"),
    ]
    address = f"http://127.0.0.1:{port}"
    demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while demo.poll() is None:
            try:
                urlopen(address + "/healthz").close()
                break
            except (URLError, ConnectionError):
                time.sleep(0.5)
        yield address
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(30)
        shutil.rmtree(folder / "face", ignore_errors=True)
