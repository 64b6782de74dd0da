"""The product starts in an empty folder, from an editable install and from a built wheel."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, built with what the lock installed."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def wheels_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has the wheel and, borrowed from this environment, what it depends on."""
    folder = tmp_path_factory.mktemp("wheels") / "venv"
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # A path named in a .pth brings that folder's packages, but not its own .pth files: not the checkout.
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    return str(folder / "bin" / "python")


@pytest.fixture(params=["checkout", "wheel"])
def python(request: pytest.FixtureRequest) -> str:
    return sys.executable if request.param == "checkout" else str(request.getfixturevalue("wheels_python"))


def test_a_wheel_carries_what_a_checkout_has_beside_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(
        ["git", "ls-files", "leaderboard", "plugins", "templates"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    wanted = {name if name.startswith("leaderboard/") else f"leaderboard/{name}" for name in listed}
    assert {name for name in wanted - names if (ROOT / name.removeprefix("leaderboard/")).exists()} == set()
    assert "leaderboard/web/static/vendor/tabler.min.css" in names
    assert "leaderboard/translations/de/LC_MESSAGES/messages.mo" in names
    assert not [name for name in names if name.endswith((".stamp", ".pyc"))]


def test_the_demo_opens_in_an_empty_folder_and_lets_each_role_in(
    python: str, tmp_path: Path, free_port: int
) -> None:
    folder, said = tmp_path / "empty", tmp_path / "said.txt"
    folder.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEADERBOARD", "PYTHONPATH"))
    }
    with said.open("w") as output:
        command = [
            python,
            "-m",
            "leaderboard",
            "demo",
            "--port",
            str(free_port),
            "--folder",
            "company",
            "--no-history",
        ]
        demo = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        wait_until_healthy(f"http://127.0.0.1:{free_port}", demo, said)
        logins = re.findall(
            r"^\s*(member|lead|admin)\s+(\S+@\S+)\s+(.+?)\s*$", said.read_text(), re.MULTILINE
        )
        assert [role for role, *_ in logins] == ["member", "lead", "admin"], said.read_text()
        for _, email, password in logins:
            sign_in(f"http://127.0.0.1:{free_port}", email, password)
    finally:
        end(demo)
    assert (folder / "company").is_dir(), "the database stays where --folder said"


def end(demo: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to stop; the demo has a clock and a web process."""
    with suppress(ProcessLookupError):
        os.killpg(demo.pid, signal.SIGTERM)
    try:
        demo.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGKILL)
        raise


def wait_until_healthy(address: str, demo: subprocess.Popen[bytes], said: Path) -> None:
    for _ in range(600):
        assert demo.poll() is None, said.read_text()
        try:
            if httpx.get(f"{address}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.1)
    raise AssertionError(f"not healthy after a minute:\n{said.read_text()}")


def sign_in(address: str, email: str, password: str) -> None:
    with httpx.Client(base_url=address, follow_redirects=True) as browser:
        page = browser.get("/sign-in")
        for asset in re.findall(r'(?:href|src)="(/static/[^"#]+)', page.text):
            assert browser.get(asset).status_code == 200, asset
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        assert token, page.text
        home = browser.post("/sign-in", data={"email": email, "password": password, "csrf_token": token[1]})
        assert home.status_code == 200, home.text
        assert home.url.path == "/"
