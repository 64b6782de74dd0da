"""The files of deploy/ name commands, settings, paths and versions that exist: they are read as their programs read them."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from leaderboard import config
from leaderboard.check import unfit
from tests.test_commands import COMMANDS
from tests.test_docs import OPERATING
from tests.test_tree import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted(path for path in DEPLOY.iterdir() if path.suffix in (".service", ".timer"))
PROGRAM = "/opt/extra-mile/bin/leaderboard"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
RECIPE = (DEPLOY / "Containerfile").read_text("utf-8")


def assert_a_command(words: list[str]) -> None:
    """The program's words, as `db upgrade` or `run --no-jobs`, are a command of ours with options that it has."""
    name = next(one for one in (" ".join(words[:2]), words[0]) if one in COMMANDS)
    options = {option for one in COMMANDS[name].params for option in one.opts}
    assert [word for word in words if word.startswith("--") and word not in options] == []


def test_every_file_of_deploy_is_explained() -> None:
    files = [path.name for path in DEPLOY.iterdir() if path.is_file()]
    assert [name for name in files if f"deploy/{name}`" not in OPERATING] == []


# ---------------------------------------------------------------- systemd


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_exists(unit: Path) -> None:
    for line in re.findall(r"^ExecStart=(.*)$", unit.read_text("utf-8"), re.MULTILINE):
        assert PROGRAM in line
        words = shlex.split(line.partition(PROGRAM)[2].split("'")[0].split("$(")[0])
        assert_a_command(words)


def test_the_units_are_what_systemd_understands(tmp_path: Path) -> None:
    """systemd's own verifier where it is installed; else its grammar: sections, and settings of its own among them."""
    program = Path(sys.executable).with_name("leaderboard")
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text("utf-8").replace(PROGRAM, str(program)))
    if verifier := shutil.which("systemd-analyze"):
        command = [verifier, "verify", "--man=no", *map(str, tmp_path.iterdir())]
        done = subprocess.run(command, capture_output=True, text=True)
        said = [line for line in done.stderr.splitlines() if "extra-mile" in line]
        assert (done.returncode, said) == (0, []), done.stderr
    for unit in UNITS:
        lines = [line for line in unit.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        assert [line for line in lines if not re.fullmatch(r"\[[A-Z][a-z]+\]|[A-Z][A-Za-z]+=.*", line)] == []


def test_the_units_are_locked_down_alike_and_keep_their_files_to_themselves() -> None:
    services = [unit.read_text("utf-8") for unit in UNITS if unit.suffix == ".service"]
    assert len(services) == 3
    for name in ("NoNewPrivileges=true", "ProtectSystem=strict", "UMask=0077", "User=extra-mile"):
        assert all(f"\n{name}\n" in text for text in services), name
    assert len({text[text.index("NoNewPrivileges") :].split("\n\n")[0].strip() for text in services}) == 1


# ---------------------------------------------------------------- containers


def steps() -> list[tuple[str, str]]:
    """(instruction, rest) of the Containerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", RECIPE, flags=re.MULTILINE))
    found = [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]
    return [(name, rest) for name, rest in found]


def test_the_containerfile_copies_what_is_there_and_runs_a_command_that_exists() -> None:
    known = {"FROM", "WORKDIR", "RUN", "COPY", "USER", "ENV", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in steps()} <= known
    entry = {name: json.loads(rest) for name, rest in steps() if name in ("ENTRYPOINT", "CMD")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert entry["ENTRYPOINT"] == list(project["scripts"])
    assert_a_command(entry["CMD"])
    (python,) = {re.sub(" AS .*", "", rest) for name, rest in steps() if name == "FROM"}
    assert re.fullmatch(r"python:3\.(1[1-9])-slim", python)
    for _, rest in (step for step in steps() if step[0] == "COPY" and "--from" not in step[1]):
        assert (ROOT / rest.split()[0]).exists()
    assert [rest for name, rest in steps() if name == "USER"] == ["extra-mile"], "not root"


def test_the_build_gets_all_that_the_wheel_is_made_of() -> None:
    """What the build reads is let in by the ignore file, and nothing else stands there by mistake."""
    let_in = re.findall(r"^!(\S+)$", (DEPLOY / "Containerfile.dockerignore").read_text("utf-8"), re.MULTILINE)
    assert [name for name in let_in if not (ROOT / name).exists()] == []
    needed = set(
        re.findall(r'"([\w.-]+\.(?:json|cfg|lock|txt))"', (ROOT / "hatch_build.py").read_text("utf-8"))
    )
    top = {path.name for path in ROOT.iterdir()}
    assert needed & top <= set(let_in)
    assert {
        "leaderboard",
        "plugins",
        "templates",
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "LICENSE",
    } <= set(let_in)


def environment() -> dict[str, str]:
    (line,) = [rest for name, rest in steps() if name == "ENV"]
    return dict(word.split("=", 1) for word in shlex.split(line))


def services() -> dict[str, Any]:
    return {name: one for name, one in COMPOSE["services"].items() if one["image"] == "extra-mile"}


def test_the_compose_file_runs_commands_that_exist_from_files_that_exist() -> None:
    assert set(COMPOSE["services"]) == {"upgrade", "web", "scheduler", "database", "valkey"}
    for one in services().values():
        assert_a_command(one["command"])
        (mounted,) = one["volumes"]
        source, target, mode = mounted.split(":")
        assert (DEPLOY / source).is_file()
        assert (target, mode) == (environment()["LEADERBOARD_CONFIG"], "ro")
        assert set(one["secrets"]) <= set(COMPOSE["secrets"])
    build = COMPOSE["services"]["upgrade"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    port = environment()["LEADERBOARD_SERVER__PORT"]
    assert COMPOSE["services"]["web"]["ports"] == [f"127.0.0.1:{port}:{port}"], (
        "a proxy with TLS stands before it"
    )
    for one in COMPOSE["services"].values():
        for other, condition in one.get("depends_on", {}).items():
            healthy = condition["condition"] == "service_healthy"
            assert ("healthcheck" in COMPOSE["services"][other]) is healthy


def test_its_secrets_are_kept_out_of_git_and_made_by_the_steps_in_the_file() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    for secret in COMPOSE["secrets"].values():
        assert f"deploy/{secret['file'].removeprefix('./')}\n" in text
    ignored = subprocess.run(["git", "check-ignore", "-q", "deploy/secrets/secret_key"], cwd=ROOT)
    assert ignored.returncode == 0


def test_its_config_is_fit_to_serve_with_the_services_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "secret_key").write_text("x" * 31 + "yz\n")
    (tmp_path / "database_url").write_text("postgresql://extra_mile:word@database/extra_mile")
    text = (DEPLOY / "leaderboard.toml").read_text("utf-8")
    assert set(re.findall(r'"/run/secrets/(\w+)"', text)) == {"secret_key", "database_url"}
    found = config.read(text.replace("/run/secrets", str(tmp_path)))
    assert unfit(found) is None
    assert found.redis.url.partition("//")[2].partition(":")[0] in COMPOSE["services"]
    assert found.database.url.rpartition("@")[2].partition("/")[0] in COMPOSE["services"]
    assert found.server.host == "0.0.0.0"
    database = COMPOSE["services"]["database"]
    assert database["environment"]["POSTGRES_DB"] == found.database.url.rpartition("/")[2]
    assert found.server.trusted_proxies == 1
