# ruff: noqa: INP001 - run by its path, part of no package
"""Make the passwords of the compose file once, so that none is written in it: ``python credentials.py APP SERVERS``.

APP gets the ``.env`` that the API and the workers read, SERVERS what database and broker need. What is there stays: a
later start, or an upgrade, changes nothing. Runs before everything else and without a network.
"""

import os
import secrets
import sys
from pathlib import Path

USER = "parascribe"


def password(folder: Path, name: str) -> str:
    """The one that is there, else a new one of 256 bits."""
    path = folder / name
    if not path.exists():
        write(path, secrets.token_hex(32))
    return path.read_text()


def write(path: Path, text: str) -> None:
    """Whole or not at all. Only the containers that mount the volume can read it, whatever their users."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(text)
    unfinished.chmod(0o444)
    os.replace(unfinished, path)  # noqa: PTH105 - the atomic one by name


def main(app: Path, servers: Path) -> None:
    """Passwords first, then the addresses that contain them."""
    password(servers, "mongo_root_password")
    mongo, rabbitmq = password(servers, "mongo_password"), password(servers, "rabbitmq_password")
    write(
        app / ".env",
        f"MONGO_URL=mongodb://{USER}:{mongo}@mongo:27017/?replicaSet=rs0&authSource=parascribe\n"
        f"RABBITMQ_URL=amqp://{USER}:{rabbitmq}@rabbitmq:5672/\n",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
