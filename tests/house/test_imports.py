"""The house's promises about what an import loads, and about its names."""

import resource
import subprocess
import sys
from importlib.metadata import Distribution, packages_distributions
from pathlib import Path

import pytest

from watchdog import wiring
from watchdog.errors import InstallationError

HEAVY = ("torch", "transformers", "sqlalchemy", "httpx", "fastapi")


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module", ["watchdog.domain.incidents", "watchdog.ports", "probes.catalog", "watchdog.config.load"]
)
def test_a_cold_import_loads_nothing_heavy(module: str) -> None:
    assert not _loaded_by(f"import {module}") & set(HEAVY)


def test_the_watchdog_package_imports_nothing() -> None:
    loaded = _loaded_by("import watchdog")
    assert not {name for name in loaded if name.startswith("watchdog.")}


def test_wiring_needs_no_torch() -> None:
    assert not _loaded_by("import watchdog.wiring") & {"torch", "transformers"}


def test_the_commands_load_what_they_need_only_when_they_run() -> None:
    assert not _loaded_by("import watchdog.cli.app") & {*HEAVY, "pydantic", "numpy", "yaml", "watchdog.rounds"}


def test_help_answers_in_under_half_a_second_of_processor_time() -> None:
    # Processor time, the best of five: the promise is about the program, not about what else the machine does.
    code = "from watchdog.cli import main; import sys; sys.argv[1:] = ['--help']; main()"
    best = 9.0
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best < 0.5


def test_our_names_are_our_own_in_this_environment() -> None:
    wiring.require_own_names()
    owners = packages_distributions()
    # An editable installation brings no list of its packages, and then nobody owns them.
    strangers = [owner for name in ("watchdog", "probes", "storage") for owner in owners.get(name, [])]
    assert set(strangers) <= {wiring.DISTRIBUTION}


def test_a_stranger_with_one_of_our_names_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(tmp_path)
    stranger = tmp_path / "watchdog-9.9.dist-info"
    stranger.mkdir()
    (stranger / "METADATA").write_text("Metadata-Version: 2.1\nName: watchdog\nVersion: 9.9\n")
    (stranger / "top_level.txt").write_text("watchdog\n")
    monkeypatch.syspath_prepend(folder)
    assert Distribution.from_name("watchdog").version == "9.9"

    with pytest.raises(InstallationError, match=r"watchdog \(brings `watchdog`\)") as caught:
        wiring.require_own_names()
    assert "environment of its own" in caught.value.hint
