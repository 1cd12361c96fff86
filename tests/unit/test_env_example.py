"""`.env.example` and the settings tell the same."""

import re
from pathlib import Path

from cli.env_example import render
from core.config import Settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_example_is_what_the_settings_say():
    """Every setting with its default and description, and no other: else run `make env-example`."""
    assert EXAMPLE.read_text() == render()


def test_every_setting_is_named_once():
    """In capitals, commented out."""
    names = re.findall(r"^# ([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(names) == sorted(name.upper() for name in Settings.model_fields)


def test_uncommented_example_gives_the_defaults(tmp_path, monkeypatch):
    """Each default is written so that it can be read back."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "env").write_text(re.sub(r"^# ([A-Z_]+=)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert Settings(_env_file=tmp_path / "env") == Settings(_env_file=None)
