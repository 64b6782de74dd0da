"""leaderboard.toml -> Config and plugin objects. Refuses unknown keys and names key, line and remedy.

A secret may be written as { env = "NAME" } or { file = "path" }. An environment variable LEADERBOARD_SERVER__PORT overrides
`[server] port`.
"""

import importlib
import inspect
import os
import re
import sys
import tomllib
from datetime import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_validator
from pydantic import Field as Limit
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from leaderboard.plugin import Plugin
from leaderboard.points import FairPlay, Points
from leaderboard.weeks import is_zone

TRANSLATIONS = Path(__file__).parent / "translations"
SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
POSTGRESQL_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?]*)(:[0-9]+)?/[^/?]+(\?.*)?")
"""host:port/name and what may follow; the host may be left out where a socket is meant."""
OWN_SOURCE = "extra-mile"
"""The source of our own events (stories, promises): no section can have this name, it has a hyphen."""


class ConfigError(Exception):
    """The configuration cannot be used; the message names file, key, line and remedy. It stops the start."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Server(Section):
    host: str = "127.0.0.1"
    port: int = Limit(8000, ge=1, le=65535)
    public_url: str = ""
    """The address people and helpdesks use; empty takes http://host:port."""
    company: str = Limit("", max_length=80)
    """What stands on the door, above signing in; empty: nothing."""
    secret_key: SecretStr = SecretStr("")
    """At least 32 characters; keeps sessions and links. Needed outside the demo."""
    processes: int = Limit(1, ge=1, le=64)
    threads: int = Limit(8, ge=1, le=256)
    """Of each process. While some wait for the disk, which is asked once for all of them, the others work."""
    trusted_proxies: int = Limit(0, ge=0, le=8)
    """How many reverse proxies stand before us and set X-Forwarded-*."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("public_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[^?#\s]*)?", value):
            raise ValueError("write it as https://extramile.example.com")
        return value.rstrip("/")


class DatabaseSection(Section):
    url: str = "sqlite:///leaderboard.db"

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        place = value.removeprefix("postgresql://").rpartition("@")[2]
        if not value.startswith("sqlite:///") and not (
            value.startswith("postgresql://") and POSTGRESQL_PLACE.fullmatch(place)
        ):
            raise ValueError("write it as sqlite:///leaderboard.db or postgresql://user:password@host/name")
        return value


class Redis(Section):
    url: str = ""
    """redis://host:6379/0; needed when more than one process serves (shared limits)."""


class Mail(Section):
    server: str = ""
    """The SMTP server; empty sends no mail."""
    port: int = Limit(587, ge=1, le=65535)
    username: str = ""
    password: SecretStr = SecretStr("")
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = "extra-mile@localhost"
    timeout: int = Limit(20, ge=1, le=120)
    """Seconds."""


class OIDC(Section):
    name: str = "Single sign-on"
    issuer: str
    client_id: str
    client_secret: SecretStr
    create_people: bool = False
    """Create a person on first sign-in; otherwise only people who are known sign in."""
    hosts: tuple[str, ...] = ()
    """Hosts inside your own network, besides the issuer's, that the provider sends us to for keys and tokens."""


class SignIn(Section):
    passwords: bool = True
    passkeys: bool = True
    second_factor: bool = True
    oidc: OIDC | None = None
    session_hours: int = Limit(24 * 14, ge=1, le=24 * 90)


class WeekSection(Section):
    timezone: str = "UTC"
    closes_at: str = "09:00"
    """The hour on Monday at which an ended week closes, by the team's clocks."""
    autopilot_at: str = "09:00"
    """The hour on Tuesday at which the clock announces for teams on autopilot."""

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if not is_zone(value):
            raise ValueError("write an IANA zone name, as Europe/Berlin")
        return value

    @field_validator("closes_at", "autopilot_at")
    @classmethod
    def _clock(cls, value: str) -> str:
        parse_clock(value)
        return value


class Announce(Section):
    schemas: tuple[str, ...] = (
        "slack",
        "msteams",
        "workflows",
        "discord",
        "mmost",
        "mmosts",
        "rocket",
        "rockets",
        "zulip",
        "gchat",
        "matrix",
        "matrixs",
        "tgram",
        "ntfy",
        "ntfys",
        "webex",
        "wxteams",
    )
    """The Apprise services that a team may announce to."""
    hosts: tuple[str, ...] = ()
    """Hosts inside your own network that announcements may go to (others must be public)."""
    timeout: int = Limit(15, ge=1, le=120)
    """Seconds."""
    language: str = "en"
    """In which drafts and announcements are written: everybody reads the same text."""

    @field_validator("language")
    @classmethod
    def _spoken(cls, value: str) -> str:
        ours = ["en", *sorted(folder.name for folder in TRANSLATIONS.iterdir() if folder.is_dir())]
        if value not in ours:
            raise ValueError(f"there are texts in {', '.join(ours)}")
        return value


class Retention(Section):
    payload_days: int = Limit(30, ge=1, le=3650)
    text_months: int = Limit(13, ge=1, le=120)
    notice_days: int = Limit(90, ge=1, le=3650)


class Config(BaseSettings):
    """All settings; every key has a default except `secret_key` in production and what a plugin needs."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix="LEADERBOARD_",
        env_nested_delimiter="__",
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
    )

    server: Server = Server()
    database: DatabaseSection = DatabaseSection()
    redis: Redis = Redis()
    mail: Mail = Mail()
    sign_in: SignIn = SignIn()
    points: Points = Points()
    fair_play: FairPlay = FairPlay()
    week: WeekSection = WeekSection()
    announce: Announce = Announce()
    retention: Retention = Retention()
    plugins: dict[str, Plugin] = Limit(default_factory=dict)
    demo: bool = False
    """Whether this is the demo: a made-up company, /styleguide, no production warnings."""
    pull_hosts: tuple[str, ...] = ()
    """Hosts inside your own network that pulls may call (others must be public)."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @property
    def public_url(self) -> str:
        """The address of the product without a slash at its end."""
        return self.server.public_url or f"http://{self.server.host}:{self.server.port}"


def parse_clock(text: str) -> time:
    """Read "09:00"; ValueError with the remedy for anything else."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("write the hour as 09:00")
    return time.fromisoformat(text)


def place(path: Path | str | None = None) -> Path:
    """The config file that is meant: the one given, else $LEADERBOARD_CONFIG, else leaderboard.toml in this folder."""
    return Path(path or os.environ.get("LEADERBOARD_CONFIG") or "leaderboard.toml")


def load(path: Path | str | None = None, **overrides: Any) -> Config:
    """Read the config file ($LEADERBOARD_CONFIG or leaderboard.toml by default); ConfigError says what to mend, and where.

    `overrides` are whole sections by name that win over the file, for the demo and tests.
    """
    given = path or os.environ.get("LEADERBOARD_CONFIG")
    file = place(path)
    text = ""
    if file.exists():
        try:
            text = file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    elif given:
        raise ConfigError(f"{file}: there is no such file; copy config.example.toml and edit it")
    return read(text, file, overrides)


def read(text: str, file: Path = Path("leaderboard.toml"), overrides: dict[str, Any] | None = None) -> Config:
    """The config that this TOML says, with plugins made; relative files are beside `file`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None
    raw = {**raw, **(overrides or {})}
    sections = raw.pop("plugins", {})
    raw = _secrets(raw, file, text, ())
    if not isinstance(sections, dict):
        raise ConfigError(f"{file}: [plugins] holds one section per source, as [plugins.zendesk]")
    plugins = {name: make_plugin(name, section, file, text) for name, section in sections.items()}
    try:
        return Config(**raw, plugins=plugins)
    except ValidationError as error:
        raise ConfigError(_explain(error, file, text, ())) from None


def make_plugin(name: str, section: Any, file: Path, text: str) -> Plugin:
    """`[plugins.zendesk]` is the constructor call of the plugin; `module` names another one than the section does."""
    if isinstance(section, Plugin):
        return section
    where = ("plugins", name)
    if not SOURCE_NAME.fullmatch(name):
        raise ConfigError(
            f"{_at(file, text, where)}: a source's name is lower case letters, digits and _, at most 40"
        )
    if not isinstance(section, dict):
        raise ConfigError(f"{_at(file, text, where)}: write the section as [plugins.{name}]")
    settings = dict(section)
    module = settings.pop("module", name)
    try:
        cls = plugin_class(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{_at(file, text, where)}: there is no plugin {module!r} ({error}); a folder in plugins/ or a package's module"
        ) from None
    try:
        return cls(**_secrets(settings, file, text, where))
    except ValidationError as error:
        raise ConfigError(_explain(error, file, text, where)) from None


def plugin_class(module: str) -> type[Plugin]:
    """The one Plugin class of `plugins.<module>` or of another package's module."""
    found = importlib.import_module(
        f"{plugins_package()}.{module}" if re.fullmatch(SOURCE_NAME, module) and _is_ours(module) else module
    )
    classes = [
        value
        for value in vars(found).values()
        if inspect.isclass(value) and issubclass(value, Plugin) and value.__module__ == found.__name__
    ]
    if len(classes) != 1:
        raise ConfigError(f"{module} has {len(classes)} Plugin classes; a plugin's module has exactly one")
    return classes[0]


def plugins_package() -> str:
    """Where our plugins are importable from: beside the package in a checkout, inside it in a wheel."""
    beside = Path(__file__).parent.parent
    if (beside / "plugins" / "demo" / "__init__.py").exists():
        if str(beside) not in sys.path:
            sys.path.append(str(beside))
        return "plugins"
    return "leaderboard.plugins"


def folder(name: str) -> Path:
    """`templates` or `plugins`: beside the package in a checkout, inside it in a wheel."""
    here = Path(__file__).parent
    return (
        here.parent / name
        if (here.parent / name).is_dir() and (here.parent / "pyproject.toml").exists()
        else here / name
    )


def _is_ours(module: str) -> bool:
    return (folder("plugins") / module / "__init__.py").exists()


def _secrets(value: Any, file: Path, text: str, where: tuple[str, ...]) -> Any:
    """Replace { env = "NAME" } and { file = "path" } by what they point to."""
    if isinstance(value, dict):
        if set(value) == {"env"} and isinstance(value["env"], str):
            if value["env"] not in os.environ:
                raise ConfigError(
                    f"{_at(file, text, where)}: the environment variable {value['env']} is not set"
                )
            return os.environ[value["env"]]
        if set(value) == {"file"} and isinstance(value["file"], str):
            try:
                return (file.parent / value["file"]).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{_at(file, text, where)}: cannot read {value['file']}: {error}") from None
        return {key: _secrets(item, file, text, (*where, key)) for key, item in value.items()}
    return value


def _explain(error: ValidationError, file: Path, text: str, where: tuple[str, ...]) -> str:
    """One line per mistake: file, line, key, what is wrong and what to write instead."""
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        key = (*where, *(str(part) for part in item["loc"]))
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "there is no such setting; check the spelling (config.example.toml names every one)"
        elif item["type"] == "missing":
            message = "this setting is needed and not there"
        lines.append(f"{_at(file, text, key)}: {message}")
    return "\n".join(lines)


def _at(file: Path, text: str, key: tuple[str, ...]) -> str:
    """`leaderboard.toml, line 7, [server] port`: the line of the key, else of its section, where either is written."""
    section, found, best = "", 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if match := re.fullmatch(r"\[\s*([^\[\]]+?)\s*\]\s*(#.*)?", stripped):
            section = match[1].replace('"', "").replace(" ", "")
            if section == ".".join(key[:-1]) or section == ".".join(key):
                best = best or number
        elif "=" in stripped and not stripped.startswith("#"):
            name = f"{section}.{stripped.split('=', 1)[0].strip()}".lstrip(".").replace('"', "")
            if name == ".".join(key):
                found = number
    shown = f"[{'.'.join(key[:-1])}] {key[-1]}" if len(key) > 1 else ".".join(key)
    return f"{file}, line {found or best}, {shown}" if found or best else f"{file}, {shown}"
