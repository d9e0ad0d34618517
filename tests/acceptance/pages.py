"""Pages of the docs as scripts: the commands that a reader is told to type, run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PLACE = "/var/lib/corrigibility-watchdog"
CONFIG = """\
ledger: {folder}/ledger.sqlite
targets:
  - name: assistant
    delivered: {{kind: openai, base-url: "http://127.0.0.1:9/v1", model: assistant-1}}
"""
_BARE = """
import sys
# Neither the watchdog, nor what it stands on, nor a way to the network.
gone = ["watchdog", "probes", "detectors", "storage", "alerts", "sqlalchemy", "pydantic", "socket", "ssl", "_socket"]
sys.modules.update(dict.fromkeys(gone))
sys.path.insert(0, ".")
import verify_ledger
sys.exit(verify_ledger.main())
"""


def commands(page: str, heading: str | None = None) -> list[str]:
    """Return the commands of a page, or of one of its sections with all that is in it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    if heading is not None:
        (text,) = [it for it in re.split(r"^## ", text, flags=re.MULTILINE) if it.startswith(heading + "\n")]
    return re.findall(r"^ *\$ (.*)$", text, re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """The machine that a page is about: the watchdog's folder, the one for backups, and where its reader stands."""

    root: Path

    @classmethod
    def make(cls, root: Path, ledger: Path) -> "Place":
        """Move a ledger and what lies beside it in."""
        place = cls(root)
        shutil.copytree(ledger.parent, place.home)
        (place.home / "config.yaml").write_text(CONFIG.format(folder=place.home), encoding="utf-8")
        for folder in (place.here, root / "srv/backup", root / "srv/keys"):
            folder.mkdir(parents=True)
        return place

    @property
    def home(self) -> Path:
        return self.root / "watchdog"

    @property
    def here(self) -> Path:
        return self.root / "here"

    @property
    def ledger(self) -> Path:
        return self.home / "ledger.sqlite"

    def run(self, *script: str) -> subprocess.CompletedProcess[str]:
        """Run commands in one shell that stops at the first that fails."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        text = "\n".join(script).replace(PLACE, str(self.home)).replace("/srv/", f"{self.root}/srv/")
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.here,
            env=os.environ | {"PATH": path, "WATCHDOG_CONFIG": str(self.home / "config.yaml")},
            capture_output=True,
            text=True,
            check=False,
        )

    def follow(self, page: str, heading: str | None = None) -> str:
        """Run what a page says, hold it to success, and return what it printed."""
        done = self.run(*commands(page, heading))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def verify_bare(self, ledger: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the verifier that stands in the reader's folder, in a process that has nothing else."""
        return subprocess.run(
            [sys.executable, "-c", _BARE, str(ledger), *arguments],
            cwd=self.here,
            env={},
            capture_output=True,
            text=True,
            check=False,
        )
