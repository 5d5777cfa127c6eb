"""The seed of a storm: a new one each time, or the one that PROTOCOL_SEED names."""

import os
import random

import pytest


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("PROTOCOL_SEED") or random.SystemRandom().getrandbits(32))
    print(f"\nPROTOCOL_SEED={seed}")
    return seed
