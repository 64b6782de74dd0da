"""The config file: every setting named, mistakes refused with line, key and remedy, secrets from elsewhere."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from leaderboard import config
from leaderboard.config import Config, ConfigError, load, read

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"


def test_the_example_loads_and_names_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRA_MILE_SECRET_KEY", "x" * 40)
    text = EXAMPLE.read_text(encoding="utf-8")
    loaded = read(text, EXAMPLE)
    written = tomllib.loads(text)
    missing = list(_missing(Config, written, text))
    assert missing == []
    defaults = Config()
    assert loaded.model_dump(exclude={"server"}) == defaults.model_dump(exclude={"server"})


def _missing(model: type[BaseModel], written: dict[str, Any], text: str, where: str = "") -> Any:
    for name, field in model.model_fields.items():
        if where == "" and name in ("plugins", "demo"):
            continue
        kind = field.annotation
        inner = next((part for part in getattr(kind, "__args__", ()) if isinstance(part, type)), kind)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            if f"{where}{name}]" not in text:
                yield f"[{where}{name}]"
            yield from _missing(inner, written.get(name, {}), text, f"{name}.")
        elif name not in written and f"# {name} =" not in text:
            yield f"{where}{name}"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[server]\nprot = 1", "line 2, [server] prot", "no such setting"),
        ("\n[server]\nport = 99999", "line 3, [server] port", "less than or equal to 65535"),
        ('[week]\ntimezone = "Mars/Phobos"', "line 2, [week] timezone", "IANA zone"),
        ('[week]\ntimezone = "UTC+2"', "line 2, [week] timezone", "IANA zone"),
        ('[week]\ntimezone = "posixrules"', "line 2, [week] timezone", "IANA zone"),
        ('[week]\ncloses_at = "24:00"', "line 2, [week] closes_at", "09:00"),
        ("[points]\nstory_accepted = -1", "line 2, [points] story_accepted", "greater than or equal to 0"),
        ("[points]\nstory_accepted = 0.5", "line 2, [points] story_accepted", "integer"),
        ("[points]\nstory_accepted = nan", "line 2, [points] story_accepted", "integer"),
        ('[database]\nurl = "mysql://x"', "line 2, [database] url", "postgresql://"),
        ('[database]\nurl = "postgresql://u:p@h:port/x"', "line 2, [database] url", "postgresql://"),
        ('[database]\nurl = "postgresql://u:p@h"', "line 2, [database] url", "postgresql://"),
        ('[server]\npublic_url = "ftp://x"', "line 2, [server] public_url", "https://"),
        ('[announce]\nlanguage = "fr"', "line 2, [announce] language", "there are texts in en, de"),
        ("[plugins.nosuch]\n", "line 1, [plugins] nosuch", "no plugin 'nosuch'"),
        ('[plugins.zendesk]\nsubdomain = "acme"', "signing_secret", "needed and not there"),
        ('[plugins.zendesk]\nsubdomain = "acme"\nsigning_secrt = "x"', "line 3", "no such setting"),
        ("[plugins.Zendesk]\n", "line 1", "lower case"),
        ('[server]\nsecret_key = { env = "NOT_SET_ANYWHERE" }', "line 2", "NOT_SET_ANYWHERE is not set"),
        ('[server]\nsecret_key = { file = "no-such-file" }', "line 2", "cannot read no-such-file"),
        ("[server\n", "", "not TOML"),
        ("plugins = 3", "", "one section per source"),
    ],
)
def test_a_mistake_is_refused_with_its_line_and_remedy(text: str, line: str, says: str) -> None:
    with pytest.raises(ConfigError) as found:
        read(text)
    assert line in str(found.value)
    assert says in str(found.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h/x",
        "postgresql://u:p/w:1@h:5432/x?sslmode=require",
        "postgresql://u@[::1]:5432/x",
        "postgresql:///x?host=/run/postgresql",
        "sqlite:////var/lib/extra-mile/leaderboard.db",
    ],
)
def test_an_address_of_a_database_is_taken_in_every_usual_form(url: str) -> None:
    assert read(f'[database]\nurl = "{url}"').database.url == url


def test_every_mistake_is_listed_at_once() -> None:
    with pytest.raises(ConfigError) as found:
        read('[server]\nport = 0\nprot = 1\n[week]\ntimezone = "X"')
    assert len(str(found.value).splitlines()) == 3


def test_no_secret_is_in_an_error_message() -> None:
    with pytest.raises(ConfigError) as found:
        read('[plugins.zendesk]\nsubdomain = "NOT OK"\nsigning_secret = "canary-7731"\nother = "canary-7731"')
    assert "canary" not in str(found.value)


def test_secrets_come_from_the_environment_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SECRET", "from the environment")
    (tmp_path / "key").write_text("from a file\n", encoding="utf-8")
    text = '[server]\nsecret_key = { env = "SOME_SECRET" }\n[mail]\npassword = { file = "key" }'
    loaded = read(text, tmp_path / "leaderboard.toml")
    assert loaded.server.secret_key == SecretStr("from the environment")
    assert loaded.mail.password == SecretStr("from a file")
    assert "from the environment" not in repr(loaded)
    assert "from a file" not in repr(loaded)


def test_the_environment_overrides_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADERBOARD_SERVER__PORT", "9001")
    assert read("[server]\nport = 9000\nthreads = 3").server.port == 9001
    assert read("[server]\nport = 9000\nthreads = 3").server.threads == 3


def test_two_accounts_of_one_tool_are_two_sections() -> None:
    text = (
        '[plugins.zendesk]\nsubdomain = "a"\nsigning_secret = "x"\n'
        '[plugins.zendesk_us]\nmodule = "zendesk"\nsubdomain = "b"\nsigning_secret = "y"'
    )
    loaded = read(text)
    assert type(loaded.plugins["zendesk"]) is type(loaded.plugins["zendesk_us"])


def test_a_plugin_may_come_from_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from leaderboard.plugin import Plugin\nclass Acme(Plugin):\n    colour: str\n"
    (tmp_path / "acme_helpdesk.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = read('[plugins.acme]\nmodule = "acme_helpdesk"\ncolour = "red"')
    assert loaded.plugins["acme"].model_dump() == {"colour": "red"}


@pytest.mark.parametrize("content", [b"\xff\xfe[\x00", b"[server]\nport = \xe9"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "x.toml")


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbf[server]\r\nport = 8123\r\n")
    assert load(tmp_path / "x.toml").server.port == 8123


def test_a_named_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.example\.toml"):
        config.load(tmp_path / "missing.toml")
