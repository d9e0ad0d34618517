"""Whatever is done to the file, one checkpoint kept outside it tells; and nothing is told of a clean one."""

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from storage.audit import audit
from storage.note import VerifierKey
from storage.standalone import verify_ledger
from storage.trust import read_kept
from tests.tampering import KINDS, Cover, Scene, copy_of, scene, tamper
from watchdog.config.durations import parse_duration

WORDS = {"truncate": "TRUNCATED", "roll back": "TRUNCATED", "swap": "FORKED", "replace key": "FORKED"}


def _faults(scene: Scene, *, with_key: bool) -> tuple[str, ...]:
    keys = [VerifierKey.parse(scene.key)] if with_key else []
    return audit(scene.path, kept=read_kept([scene.kept]), keys=keys, max_gap=parse_duration("15m")).faults


def _standalone(scene: Scene) -> int:
    return verify_ledger.main([str(scene.path), "--key", scene.key, "--checkpoint", str(scene.kept)])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Scene]:
    """Ledgers with a history, each made once: what costs time is that every commit reaches the disk."""
    return cache(lambda seed: scene(tmp_path_factory.mktemp(f"scene{seed}"), seed))


def _undetected(made: Scene, kind: str, cover: Cover) -> list[str]:
    """Return what did not tell; empty when all that looks at the ledger found the harm and named it."""
    missed = [] if _standalone(made) == 1 else ["the standalone verifier"]
    for with_key in (True, False):
        faults = _faults(made, with_key=with_key)
        named = all(it.startswith(("TRUNCATED", "ALTERED", "FORKED", "BLIND WINDOW")) for it in faults)
        if not named or not any(it.startswith(WORDS.get(kind, "")) for it in faults):
            missed.append(f"audit, with key {with_key}: {kind}, {cover}, {faults}")
    return missed


def _harm(made: Scene, kind: str, seed: int) -> Cover:
    cover = list(Cover)[seed % 3]
    tamper(made, kind, cover, random.Random(seed))
    return cover


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_tampering_is_detected(tmp_path: Path, scenes: Callable[[int], Scene], kind: str, seed: int) -> None:
    made = copy_of(scenes(seed), tmp_path)
    assert _undetected(made, kind, _harm(made, kind, seed)) == []


def test_a_clean_ledger_is_not_accused(scenes: Callable[[int], Scene]) -> None:
    for seed in range(3):
        assert _accusations(scenes(seed)) == []


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_tampering_at_fifty_places_is_always_detected(
    tmp_path: Path, scenes: Callable[[int], Scene], kind: str
) -> None:
    for seed in range(50):
        made = copy_of(scenes(seed), tmp_path / str(seed))
        assert _undetected(made, kind, _harm(made, kind, seed)) == []


@pytest.mark.faults
def test_fifty_clean_ledgers_are_never_accused(scenes: Callable[[int], Scene]) -> None:
    for seed in range(50):
        assert _accusations(scenes(seed)) == []


def _accusations(made: Scene) -> list[str]:
    found = [*_faults(made, with_key=True), *_faults(made, with_key=False)]
    return found if _standalone(made) == 0 else [*found, "the standalone verifier"]
