"""Serve: the web by granian, the clock beside it in the same process group, structured log lines.

The web, the clock and what starts them are processes of their own; each loads only its own parts, where it uses them.
"""

import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboard import weeks
from leaderboard.config import Config, ConfigError, load
from leaderboard.optional import without

if TYPE_CHECKING:
    from leaderboard.database import Database

log = logging.getLogger("leaderboard")


def wsgi() -> Any:
    """The app of one web process; granian calls it, with $LEADERBOARD_CONFIG naming the config."""
    # Of what a start makes hardly anything is garbage: looking for it took a fifth of the start, and would take as long
    # each time that all is looked through while serving.
    gc.disable()
    from leaderboard import deliveries
    from leaderboard.app import create_app

    config = load()
    log_to_stderr(config)
    deliveries.watch()
    app = create_app(config)
    gc.freeze()
    gc.enable()
    return app


def serve(config: Config, file: Path | None, *, jobs: bool) -> None:
    """Serve until SIGINT or SIGTERM. Raises ConfigError where the config is not fit for serving."""
    from granian.constants import HTTPModes, Interfaces
    from granian.server import Server

    from leaderboard.check import unfit
    from leaderboard.web.access import check_shared

    if fault := unfit(config):
        raise ConfigError(fault)
    check_shared(config)
    check_address(config)
    log_to_stderr(config)
    if file is not None:
        os.environ["LEADERBOARD_CONFIG"] = str(file)
    clock = None
    if jobs:
        command = [sys.executable, "-m", "leaderboard", "scheduler"]
        clock = subprocess.Popen([*command, "--config", str(file)] if file else command)
    try:
        Server(
            "leaderboard.serve:wsgi",
            address=config.server.host,
            port=config.server.port,
            interface=Interfaces.WSGI,
            websockets=False,
            http=HTTPModes.http1,  # proxies speak it; the other one takes headers of 16 MB
            workers=config.server.processes,
            blocking_threads=config.server.threads,
            factory=True,
            respawn_failed_workers=True,
            log_level=config.server.log_level,  # type: ignore[arg-type]
            log_access=False,
            # its lines go the way of all others, in the same form
            log_dictconfig={"loggers": {"_granian": {"handlers": [], "propagate": True}}},
            workers_kill_timeout=10,
        ).serve()
    finally:
        if clock is not None:
            clock.terminate()
            try:
                clock.wait(15)
            except subprocess.TimeoutExpired:
                clock.kill()


def check_address(config: Config) -> None:
    """Refuse an address that cannot be listened on, in words instead of the server's own backtrace."""
    host, port = config.server.host, config.server.port
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0].lower()
        raise ConfigError(
            f"[server] {host}, port {port}, cannot be listened on ({reason}): is another program using it? "
            "End that one, or choose another port"
        ) from None


def keep_time(config: Config, database: "Database") -> None:
    """Run the clock in this process until SIGINT or SIGTERM, or until whoever started it is gone."""
    from leaderboard import jobs

    log_to_stderr(config)
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    parent = os.getppid()
    timers = jobs.start(database, config, weeks.now)
    try:
        while not stop.wait(1):
            if os.getppid() != parent:
                break
            jobs.set_right(timers, weeks.now())
    finally:
        timers.shutdown(wait=True)
        database.dispose()


def log_to_stderr(config: Config) -> None:
    """One JSON object per line; what a log call carries as `extra` becomes its fields."""
    with without("rich"):  # it paints tracebacks for terminals and takes longer to load than structlog itself
        import structlog

    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),  # in ASCII: no sign of a text ends a line or turns a terminal
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.server.log_level.upper())
    for noisy in ("apscheduler", "authlib", "httpx", "httpcore"):  # authlib tells its secrets at level debug
        logging.getLogger(noisy).setLevel(logging.WARNING)
