"""``python -m cli.env_example > .env.example``: every setting, its default and what it does, from core.config."""

import json
import sys
import textwrap
from pathlib import Path

from pydantic.fields import FieldInfo

from core.config import Settings

_HEAD = """\
# Settings of Parascribe. Copy this file to .env and uncomment what you want to change; a variable of the environment
# wins over .env. Made by `make env-example` from core/config.py.
"""


def render() -> str:
    """The whole file."""
    entries = (_entry(name, field) for name, field in Settings.model_fields.items())
    return "\n".join((_HEAD, *entries))


def _entry(name: str, field: FieldInfo) -> str:
    about = textwrap.wrap(field.description or "", width=118, initial_indent="# ", subsequent_indent="# ")
    return "\n".join((*about, f"# {name.upper()}={_text(field.default)}", ""))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str | Path):
        return str(value)
    return json.dumps(value)


if __name__ == "__main__":
    sys.stdout.write(render())
