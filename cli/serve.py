"""The command ``serve``: settings, lock, port, then the supervisor."""

import asyncio
import contextlib
import sys

from cli.data_lock import locked
from cli.database import Database
from cli.errors import CommandError, ConfigurationError
from cli.ports import free_port, is_free
from cli.processes import Program
from cli.settings import load_settings
from cli.supervisor import Pace, Supervisor
from core.config import Settings
from core.logs import configure

# ONNX Runtime and the hub's client report to their makers unless told not to; the former reads this as it is imported.
SILENCE = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
AFTER_GRACE_SECONDS = 3.5  # of the app: to give back and to say good-bye; of the database: to close
EMBEDDED = (sys.executable, "-P", "-m", "cli.embedded")


def main() -> None:
    """Serve with the settings of the environment and ``.env``; the exit code says how it ended."""
    try:
        code = serve(load_settings())
    except CommandError as error:
        sys.stderr.write(f"{error.message}\n")
        code = error.exit_code
    sys.exit(code)


def serve(settings: Settings, *, app_command: tuple[str, ...] = EMBEDDED) -> int:
    """Run until stopped; returns the exit code. Raises ``ConfigurationError`` where it cannot start."""
    configure(settings)
    port = _listening_port(settings)
    with contextlib.ExitStack() as held:
        database = None
        if settings.mongo_url is None:
            held.enter_context(locked(settings.data_dir))
            database = Database(directory=settings.data_dir.absolute() / "db", port=free_port())
        app = Program(name="app", command=app_command, environment=_environment(settings, database, port))
        return asyncio.run(Supervisor(app=app, database=database, pace=_pace(settings)).run())


def _pace(settings: Settings) -> Pace:
    """The app has its grace, and a moment more to give back what did not fit, before it is killed."""
    return Pace(stop=settings.shutdown_grace_seconds + AFTER_GRACE_SECONDS)


def _environment(settings: Settings, database: Database | None, port: int) -> dict[str, str]:
    """What the app must see whatever the environment and ``.env`` say: where we have put things."""
    return {
        "API_HOST": settings.api_host,
        "API_PORT": str(port),
        "DATA_DIR": str(settings.data_dir.absolute()),
        "MONGO_URL": database.url if database else settings.mongo_url or "",
        **SILENCE,
    }


def _listening_port(settings: Settings) -> int:
    """The port for the API: chosen once, so that it is the same after a restart of the app."""
    host, port = settings.api_host, settings.api_port
    try:
        if port == 0:
            return free_port(host)
        if is_free(host, port):
            return port
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Give an address of this machine with API_HOST "
            "or --host, and a port from 1024 up with API_PORT or --port."
        ) from error
    raise ConfigurationError(
        f"Port {port} on {host} is taken by another program. Choose another, for example: "
        f"API_PORT={port + 1} make serve, or: parascribe serve --port {port + 1}."
    )
