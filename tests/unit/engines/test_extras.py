"""Engines and parts of them that need an extra say which."""

import importlib.util
from pathlib import Path

import pytest

from core.config import Settings
from core.engines import builders
from core.engines.model_files import ModelFiles
from core.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("settings", "module", "extra"),
    [({"engine": "openai-whisper"}, "whisper", "openai")],
)
def test_what_needs_an_extra_says_so(monkeypatch, settings, module, extra):
    """With the command that installs it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    files = ModelFiles(name="base", path=Path("nowhere"))
    with pytest.raises(InvalidRequestError, match=rf"pip install 'parascribe\[{extra}\]'") as caught:
        builders._backend(Settings(_env_file=None, device="cpu", **settings), files)
    assert caught.value.code == "invalid_settings"
