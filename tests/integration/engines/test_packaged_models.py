"""Models from installed packages: the two that can be had without a hub."""

import json
from pathlib import Path

import pytest

from core.engines.catalogue import CHECKSUMS
from core.engines.models import Availability, ModelStore
from core.errors import ModelCorruptError


@pytest.mark.parametrize(("name", "multilingual"), [("base", True), ("tiny.en", False)])
def test_installed_packages_give_the_published_weights(models_dir: Path, name: str, multilingual: bool) -> None:
    """Joined where they come in parts, checked against their SHA-256, and remembered as checked."""
    store = ModelStore(models_dir, download=False)
    assert store.availability(name) is Availability.LOCAL
    files = store.find(name)
    assert files.complete
    assert files.vocabulary_size() == (51_865 if multilingual else 51_864)
    assert store.facts(name).multilingual is multilingual
    marker = json.loads((models_dir / ".verified" / f"{name}.json").read_text())
    assert (marker["path"], marker["sha256"]) == (str(files.weights), CHECKSUMS[name])


def test_a_joined_model_whose_weights_were_changed_is_refused(tmp_path: Path) -> None:
    """Also after it was once found right."""
    store = ModelStore(tmp_path, download=False)
    weights = store.find("base").weights
    with weights.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x00\x01\x02")
    with pytest.raises(ModelCorruptError, match="Delete the folder"):
        store.find("base")
