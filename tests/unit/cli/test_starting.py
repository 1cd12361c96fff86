"""What `serve` checks before it starts anything: settings, directory, port."""

import os
import socket
import subprocess
import sys

import pytest

from cli.data_lock import locked
from cli.errors import ConfigurationError
from cli.ports import free_port, is_free
from cli.serve import serve
from cli.settings import load_settings
from core.config import Settings

HOLD = """
import sys
from pathlib import Path
from cli.data_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


def settings(tmp_path, **changes) -> Settings:
    """Settings of their own, whatever the environment says."""
    return Settings(_env_file=None, data_dir=tmp_path / "data", mongo_url=None, **changes)


def test_a_directory_in_use_is_refused_and_free_again_after_a_crash(tmp_path):
    """Two databases on one directory would corrupt it; a killed holder must not lock its owner out."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigurationError, match=f"process {holder.pid}.*--data-dir"), locked(tmp_path):
            pass
        holder.kill()
    with locked(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    """A file in its place: one sentence."""
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot be written.*DATA_DIR"), locked(tmp_path / "data"):
        pass


def test_a_taken_port_says_what_to_do_and_starts_nothing(tmp_path):
    """The sentence names another port; no database directory appears."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"API_PORT={port + 1} make serve"):
            serve(settings(tmp_path, api_port=port), app_command=("/bin/false",))
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_told(tmp_path):
    """One sentence that names the setting."""
    with pytest.raises(ConfigurationError, match="API_HOST"):
        serve(settings(tmp_path, api_host="192.0.2.1"), app_command=("/bin/false",))


def test_free_ports_are_below_those_of_outgoing_connections():
    """Else a client could be given the database's port while that is starting again."""
    port = free_port()
    assert is_free("127.0.0.1", port)
    assert 20_000 <= port < 32_000


def test_wrong_settings_are_one_line_each(monkeypatch):
    """The name as users write it, what is wrong, and the value."""
    monkeypatch.setenv("API_PORT", "99999")
    monkeypatch.setenv("BEAM_SIZE", "many")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    lines = caught.value.message.splitlines()
    assert len(lines) == 3
    assert any(line.startswith("API_PORT: ") and "'99999'" in line for line in lines)
    assert any(line.startswith("BEAM_SIZE: ") for line in lines)


def test_an_option_wins_over_the_environment_and_no_option_does_not(monkeypatch):
    """`serve --port` above API_PORT; without --port, API_PORT."""
    monkeypatch.setenv("API_PORT", "8001")
    assert load_settings(api_port=8002).api_port == 8002
    assert load_settings(api_port=None).api_port == 8001
