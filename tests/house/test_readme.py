"""What the README tells a reader to type exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from watchdog.wiring import settings_shape

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"^\$ corrigibility-watchdog ([a-z-]+(?: [a-z]+)?)", README, re.MULTILINE)))
TARGETS = sorted(set(re.findall(r"`?make ([a-z]+)", README)))


def test_the_readme_names_commands_and_targets() -> None:
    assert COMMANDS
    assert {"demo", "test"} <= set(TARGETS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_the_readme_exists(command: str) -> None:
    arguments = [*command.split(), "--help"]
    code = f"from watchdog.cli import main; import sys; sys.argv[1:] = {arguments!r}; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert command.rsplit(maxsplit=1)[-1] in done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_in_the_readme_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_configuration_in_the_readme_is_valid_and_short() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    settings_shape().model_validate(yaml.safe_load(block))
    assert len(block.splitlines()) <= 20


def test_no_file_holds_a_path_of_a_developers_machine_or_a_registry() -> None:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    forbidden = re.compile(
        "|".join(("/" + "work/main", "/tmp/" + "scratch", "pypi" + r"\.org", "files\\." + "pythonhosted"))
    )
    found = [
        name
        for name in names
        if (ROOT / name).is_file() and forbidden.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
