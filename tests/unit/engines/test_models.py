"""Where models come from, and what is refused."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.engines import catalogue
from core.engines.checksums import verify
from core.engines.folders import make_folder
from core.engines.model_files import ModelFiles
from core.engines.models import Availability, ModelStore
from core.errors import InvalidRequestError, ModelCorruptError, ModelNotFoundError

NAMES = ("config.json", "tokenizer.json", "vocabulary.txt")


def fill(folder: Path, tokens: int = 51_865) -> None:
    """A folder that looks like a model."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        (folder / name).write_text("{}")
    (folder / "model.bin").write_bytes(b"weights")
    (folder / "vocabulary.txt").write_text("x\n" * tokens)


class Hub:
    """Fetches a made-up model and counts how often."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, repository: str, target: Path) -> None:
        self.asked.append(repository)
        fill(target)


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def store(tmp_path: Path, hub: Hub) -> ModelStore:
    return ModelStore(tmp_path / "models", download=True, fetch=hub, cache_dir=tmp_path / "cache")


@pytest.fixture
def offline(tmp_path: Path, hub: Hub) -> ModelStore:
    return ModelStore(tmp_path / "models", download=False, fetch=hub, cache_dir=tmp_path / "cache")


def test_a_folder_under_models_dir_is_used_as_it_is(store: ModelStore, tmp_path: Path, hub: Hub) -> None:
    """Before anything is fetched."""
    fill(tmp_path / "models" / "small")
    assert store.find("small").path == tmp_path / "models" / "small"
    assert hub.asked == []


def test_a_missing_model_is_fetched_once(store: ModelStore, hub: Hub) -> None:
    """And kept under its canonical name, so that an alias finds it too."""
    first = store.find("turbo")
    assert store.find("large-v3-turbo").path == first.path
    assert hub.asked == ["mobiuslabsgmbh/faster-whisper-large-v3-turbo"]


def test_a_directory_can_be_given(offline: ModelStore, tmp_path: Path) -> None:
    """By the operator, as a path."""
    fill(tmp_path / "mine")
    assert offline.find(str(tmp_path / "mine")).path == tmp_path / "mine"
    assert offline.availability(str(tmp_path / "mine")) is Availability.LOCAL
    with pytest.raises(ModelNotFoundError, match="no model folder"):
        offline.find(str(tmp_path / "absent"))


@pytest.mark.parametrize(("name", "hint"), [("small", "MODEL_DOWNLOAD"), ("my-own", "MODELS_DIR")])
def test_a_missing_model_says_how_to_get_it(offline: ModelStore, name: str, hint: str) -> None:
    """In one sentence, and without asking the hub when that is switched off."""
    with pytest.raises(ModelNotFoundError, match=hint) as caught:
        offline.find(name)
    assert caught.value.message.count(". ") == 0


def test_an_incomplete_folder_is_told(store: ModelStore, tmp_path: Path) -> None:
    """Which files are missing, and what to do."""
    fill(tmp_path / "models" / "small")
    (tmp_path / "models" / "small" / "tokenizer.json").unlink()
    with pytest.raises(ModelCorruptError, match=r"tokenizer\.json"):
        store.find("small")


def test_wrong_weights_under_a_published_name_are_refused(store: ModelStore, tmp_path: Path) -> None:
    """base and tiny.en have a published checksum."""
    fill(tmp_path / "models" / "base")
    with pytest.raises(ModelCorruptError, match="not the published ones"):
        store.find("base")


def test_weights_are_read_once_and_again_when_they_change(tmp_path: Path) -> None:
    """The marker spares the next start the hashing, and is worth nothing once the file is another."""
    weights, marker = tmp_path / "model.bin", tmp_path / ".verified" / "base.json"
    weights.write_bytes(b"right")
    right = hashlib.sha256(b"right").hexdigest()
    verify(weights, right, marker)
    assert marker.is_file()
    verify(weights, right, marker)
    weights.write_bytes(b"wrong")
    with pytest.raises(ModelCorruptError):
        verify(weights, right, marker)
    with pytest.raises(ModelCorruptError):
        verify(weights, "0" * 64, marker)


def test_a_marker_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """Then the weights are simply read each time."""
    (tmp_path / "file").write_text("in the way")
    weights = tmp_path / "model.bin"
    weights.write_bytes(b"right")
    verify(weights, hashlib.sha256(b"right").hexdigest(), tmp_path / "file" / "base.json")


def test_two_who_make_the_same_folder_both_get_it(tmp_path: Path) -> None:
    """Whole, and without scratch folders left behind."""
    target = tmp_path / "models" / "small"
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: make_folder(target, fill), range(8))) == {target}
    assert ModelFiles(name="small", path=target).complete
    assert [path.name for path in target.parent.iterdir()] == ["small"]


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    """Neither under its name nor as scratch."""

    def broken(folder: Path) -> None:
        (folder / "model.bin").write_bytes(b"half")
        raise ModelNotFoundError("the line went dead")

    with pytest.raises(ModelNotFoundError):
        make_folder(tmp_path / "models" / "small", broken)
    assert list((tmp_path / "models").iterdir()) == []


def test_models_go_to_the_cache_where_models_dir_cannot_be_written(tmp_path: Path, hub: Hub) -> None:
    """And where neither can, it says so."""
    (tmp_path / "file").write_text("in the way")
    store = ModelStore(tmp_path / "file" / "models", download=True, fetch=hub, cache_dir=tmp_path / "cache")
    assert store.find("small").path == tmp_path / "cache" / "small"
    nowhere = ModelStore(tmp_path / "file" / "a", download=True, fetch=hub, cache_dir=tmp_path / "file" / "b")
    with pytest.raises(ModelNotFoundError, match="writable"):
        nowhere.find("small")


@pytest.mark.parametrize(
    "name", ["../secrets", "/etc", "a/b", "~root", "..", ".", "", "a\\b", ".hidden", "x" * 200, "base\n", "a..b", "é"]
)
def test_a_client_may_not_name_a_path(store: ModelStore, name: str) -> None:
    """Only a known size or a folder directly under MODELS_DIR."""
    with pytest.raises(InvalidRequestError) as caught:
        store.check_name(name)
    assert caught.value.code == "invalid_model"


def test_a_client_may_name_what_can_be_had(store: ModelStore, offline: ModelStore, tmp_path: Path) -> None:
    """A known size if it may be fetched, or a folder of the operator's."""
    fill(tmp_path / "models" / "my-model")
    assert store.check_name("turbo") == "large-v3-turbo"
    assert offline.check_name("my-model") == "my-model"
    for unknown in ("turbo", "my-other-model"):
        with pytest.raises(InvalidRequestError):
            offline.check_name(unknown)


def test_a_path_that_exists_is_refused_to_a_client_all_the_same(store: ModelStore, tmp_path: Path) -> None:
    """Being there does not make it theirs."""
    fill(tmp_path / "mine")
    fill(tmp_path / "models" / "small")
    for name in (str(tmp_path / "mine"), "../mine", "./small"):
        with pytest.raises(InvalidRequestError):
            store.check_name(name)


def test_english_only_models_refuse_more_than_english(store: ModelStore, tmp_path: Path) -> None:
    """By name where that tells, else by the vocabulary of the folder."""
    fill(tmp_path / "models" / "mine-en", tokens=51_864)
    fill(tmp_path / "models" / "mine", tokens=51_866)
    for name in ("small.en", "mine-en"):
        assert store.check_name(name, "transcribe", "en")
        assert store.check_name(name)
        with pytest.raises(InvalidRequestError, match="translate"):
            store.check_name(name, "translate", "en")
        with pytest.raises(InvalidRequestError, match="'de'"):
            store.check_name(name, "transcribe", "de")
    for name in ("small", "mine"):
        assert store.check_name(name, "translate", "de")


def test_availability_neither_fetches_nor_reads(
    store: ModelStore, offline: ModelStore, tmp_path: Path, hub: Hub
) -> None:
    """It answers at upload, so it must be cheap; wrong weights are found later."""
    fill(tmp_path / "models" / "base")
    assert store.availability("base") is Availability.LOCAL
    assert store.availability("medium") is Availability.DOWNLOADABLE
    assert offline.availability("medium") is Availability.MISSING
    assert hub.asked == []


def test_the_catalogue_is_consistent() -> None:
    """Every alias and checksum belongs to a model with a repository, and every name has the shape of a name."""
    assert {*catalogue.ALIASES.values(), *catalogue.CHECKSUMS} <= set(catalogue.HUB_REPOSITORIES)
    assert all(catalogue.check_shape(name) == name for name in (*catalogue.HUB_REPOSITORIES, *catalogue.ALIASES))
