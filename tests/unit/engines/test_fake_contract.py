"""The fake engine keeps the contract of engines."""

import numpy as np
import pytest

from core.engines.fake import FakeEngine
from core.models import SAMPLE_RATE, Pcm
from core.ports import Engine
from tests.contracts.engine_contract import EngineContract


class TestFakeEngine(EngineContract):
    @pytest.fixture
    def engine(self) -> Engine:
        return FakeEngine()

    @pytest.fixture
    def pcm(self) -> Pcm:
        return np.random.default_rng(1).integers(-9000, 9000, 8 * SAMPLE_RATE).astype(np.int16)
