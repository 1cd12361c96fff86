"""Slots follow the machine: its cores, or its graphics cards."""

import sys

import pytest

from core.config import Settings, slots_of, usable_cores
from core.engines.builders import places_of
from core.graphics import graphics_cards


def settings(**changes: object) -> Settings:
    return Settings(_env_file=None, **changes)


def test_a_machine_without_cards_asks_no_library(tmp_path, monkeypatch):
    """It would have to be loaded, by every process that reads the settings."""
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    assert graphics_cards(tmp_path) == 0


@pytest.mark.parametrize("device", ["nvidia0", "dxg"])
def test_where_there_is_a_card_the_library_says_whether_it_can_use_it(tmp_path, monkeypatch, device):
    """A card without its driver is none; the second name is that of Windows' own Linux."""

    class Library:
        @staticmethod
        def get_cuda_device_count() -> int:
            return 2

    (tmp_path / device).touch()
    monkeypatch.setitem(sys.modules, "ctranslate2", Library)
    assert graphics_cards(tmp_path) == 2


@pytest.mark.parametrize(
    ("device", "cards", "slots"), [("cpu", 2, 16), ("auto", 0, 16), ("auto", 2, 2), ("cuda", 2, 2), ("cuda", 0, 1)]
)
def test_a_slot_for_each_card_that_is_used_or_for_each_core(device, cards, slots):
    """A card that was asked for and cannot be seen is told of when the model is loaded."""
    assert slots_of(device, cards, 16) == slots


def test_what_was_told_is_what_there_is():
    """A number, or one at a time."""
    assert settings(device="cpu").slots == usable_cores()
    assert settings(device="cuda", max_parallel_workers=3).slots == 3
    assert settings(device="cuda", use_parallel_transcription=False).slots == 1


@pytest.mark.parametrize(
    ("slots", "cards", "workers", "used"),
    [(2, 1, 3, (0,)), (1, 1, 2, (0,)), (4, 4, 2, (0, 1, 2, 3)), (1, 0, 2, (0,)), (1, 4, 2, (0,))],
)
def test_a_model_is_on_the_cards_of_its_slots_with_a_worker_to_spare(slots, cards, workers, used):
    """The language of a new task is found beside running batches."""
    places = places_of(slots, cards)
    assert (places.workers, places.cards) == (workers, used)
