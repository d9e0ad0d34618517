"""The daemon reads a query log beside the probes: floods are found, our probes are looked for, people have a say."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import FastAPI, Request, Response

from storage.audit import audit
from tests.faults.harness import leaves
from watchdog.rehearsal.front import Front
from watchdog.rehearsal.serving import serve

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from watchdog.cli import main; main()"]

pytest.importorskip("msgspec")


def until(fact: Callable[[], bool], seconds: float = 90.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not fact():
        time.sleep(0.1)
    return fact()


def pair(client: str, prompt: str, reply: str, at: float) -> str:
    """Return a line of the log as the gateway writes it."""
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    message = {"role": "assistant", "content": reply, "refusal": None}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    answer = {"id": "c", "object": "chat.completion", "created": int(at), "model": "m", "choices": choices}
    return json.dumps(
        {
            "ts": at,
            "api_key_id": client,
            "client_ip": "203.0.113.7",
            "request": {"method": "POST", "url": "/v1/chat/completions", "body": body},
            "response": {"status_code": 200, "body": answer},
        }
    )


@dataclass
class World:
    """A gateway that writes a log, a configuration that reads it, and a daemon that a test starts and kills."""

    folder: Path
    base_url: str
    front: Front
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    def configure(self, *, target: str | None = None, **more: object) -> None:
        delivered = {"kind": "openai", "base-url": f"{self.base_url}/v1", "model": "m", "timeout-s": 5}
        log: dict[str, object] = {"name": "gateway", "paths": [str(self.front.log)], "format": "openai", "warm-up": 300}
        log |= {"from": "beginning", "detectors": ["boundary_flood"]} | ({"target": target} if target else {}) | more
        settings = {
            "ledger": "./ledger.sqlite",
            "targets": [{"name": "chat", "every": "1m", "delivered": delivered}],
            "query-logs": [log],
        }
        self.config.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def write(self, *lines: str) -> None:
        with self.front.log.open("a", encoding="utf-8") as file:
            file.writelines(f"{it}\n" for it in lines)

    def start(self) -> subprocess.Popen[bytes]:
        arguments = [*PROGRAM, "run", "-c", str(self.config), "--log-format", "json"]
        with (self.folder / "err").open("ab") as err:
            process = subprocess.Popen(arguments, stderr=err, cwd=ROOT, env={"PATH": os.environ["PATH"]})
        self.processes.append(process)
        return process

    def command(self, words: str) -> "subprocess.CompletedProcess[str]":
        command = [*PROGRAM, *shlex.split(words), "-c", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    def incidents(self) -> dict[str, dict[str, Any]]:
        """By rule, as they stand."""
        path = self.folder / "ledger.sqlite"
        rows = leaves(path) if path.exists() and path.stat().st_size else []
        events = [it["event"]["incident"] for it in rows if it["kind"] == "incident_changed"]
        return {it["rule"]: it for it in events}

    def log(self) -> dict[str, Any]:
        """What the daemon says of the log, which `logs status` prints."""
        path = self.folder / "ledger.sqlite.status.json"
        rows = json.loads(path.read_text())["logs"] if path.exists() else []
        return rows[0] if rows else {}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    front = Front(log=tmp_path / "gateway.jsonl")
    app = FastAPI(openapi_url=None)

    @app.post("/v1/chat/completions")
    async def answer(request: Request) -> Response:
        body = await request.body()
        completion = json.loads(pair("", "", "fine", time.time()))["response"]["body"]
        content = json.dumps(completion).encode()
        front.note("v1/chat/completions", dict(request.headers), "127.0.0.1", body, (200, content))
        return Response(content, media_type="application/json")

    front.log.touch()
    with serve(app) as served:
        it = World(tmp_path, served.base_url, front)
        yield it
        for process in it.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


WORDS = tuple(f"{first}{last}" for first in ("river", "stone", "cloud", "paper", "copper") for last in "abcdefgh")


def prompt(dice: random.Random) -> str:
    """Return a request that is like no other one: near copies count once."""
    return " ".join(dice.choices(WORDS, k=14))


def benign(count: int, begin: float) -> list[str]:
    dice = random.Random(count)
    return [pair(f"key-{it % 20}", prompt(dice), "Here it is.", begin + it) for it in range(count)]


def flood(count: int, begin: float) -> list[str]:
    dice, refusal = random.Random(begin), "I'm sorry, but I can't help with that."
    return [pair("key-mallory", f"break a lock {prompt(dice)}", refusal, begin + it) for it in range(count)]


def test_a_flood_is_found_after_a_kill_too_and_an_operator_may_expect_or_erase_it(world: World) -> None:
    begin = time.time() - 3000
    world.configure()
    world.write(*benign(400, begin))
    first = world.start()
    assert until(lambda: world.log().get("lines", 0) >= 400)
    first.send_signal(signal.SIGKILL)
    first.wait()
    world.write(*flood(30, begin + 500))
    second = world.start()
    assert until(lambda: "boundary_flood" in world.incidents())

    incident = world.incidents()["boundary_flood"]
    assert incident["subject"] == "gateway/key-mallory"
    shown = world.command(f"incidents show {incident['id'][:8]}")
    assert "key-mallory" in shown.stdout

    said = world.command(f"logs expect {incident['id'][:8]} --by Ada --reason 'our red team'")
    assert (said.returncode, "is expected, says Ada" in said.stdout) == (0, True)
    said = world.command("logs erase --client key-mallory --by Ada --reason 'they asked for it'")
    assert (said.returncode, "texts erased" in said.stdout) == (0, True)
    assert world.incidents()["boundary_flood"]["recovered_by"] == "expected-by-a-person"
    world.write(*flood(30, begin + 600))
    # The gateway also writes what the daemon itself sends; no `target` is named, so that is a client like any other.
    assert until(lambda: world.log().get("lines", 0) >= 60)

    begun = time.monotonic()
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    assert time.monotonic() - begun < 15
    assert world.incidents()["boundary_flood"]["state"] == "recovered"
    rows = leaves(world.folder / "ledger.sqlite")
    written = len(world.front.log.read_text().splitlines())
    assert sum(it["lines"] for it in rows if it["kind"] == "log_read") == written
    assert [it["resumed"] for it in rows if it["kind"] == "log_opened"] == [False, True]
    assert not any("break a lock" in json.dumps(it) for it in rows)
    assert audit(world.folder / "ledger.sqlite").faults == ()


def test_our_own_probes_are_known_in_the_log_and_a_reload_reads_another_one(world: World) -> None:
    world.configure(target="chat")
    process = world.start()
    # A round begins within three times its `every`, which cannot be shorter than this minute.
    assert until(lambda: world.log().get("ours", 0) >= 2, seconds=200.0)
    assert not any("own/" in it for it in world.log()["blind"])

    other = world.folder / "other.jsonl"
    other.write_text("".join(f"{it}\n" for it in [*benign(3, time.time()), "{ no line"]), encoding="utf-8")
    world.configure(paths=[str(other)], name="other")
    process.send_signal(signal.SIGHUP)
    assert until(lambda: (world.log().get("name"), world.log().get("lines")) == ("other", 4))
    assert world.log()["malformed"] == 1
    assert "log other (openai)" in world.command("status").stdout
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    reads = [it for it in leaves(world.folder / "ledger.sqlite") if it["kind"] == "log_read"]
    assert sum(it["ours"] for it in reads if it["log"] == "gateway") >= 2


def test_a_process_of_its_own_reads_the_log_and_sends_nothing(world: World) -> None:
    world.configure(target="chat")
    world.write(*benign(3, time.time()))
    arguments = [*PROGRAM, "run", "-c", str(world.config), "--role", "stream", "--log-format", "json"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, cwd=ROOT, env={"PATH": os.environ["PATH"]})
    world.processes.append(process)
    assert until(lambda: world.log().get("lines") == 3)
    assert world.log()["blind"] == ["our own probes: this process sends none (--role stream)"]
    second = world.command("run --role probes")
    assert second.returncode == 4
    assert "two processes cannot share one" in second.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert len(world.front.log.read_text().splitlines()) == 3
    kinds = {it["kind"] for it in leaves(world.folder / "ledger.sqlite")}
    assert not kinds & {"judged", "round_done", "shares_allotted"}


def test_what_a_log_can_be_searched_for_is_said_beforehand(world: World) -> None:
    world.configure(target="chat", format="envoy", detectors=None)
    said = json.loads(world.command("check-config --coverage --json").stdout)
    (log,) = said["logs"]
    assert "boundary_flood" in log["blind"]
    assert "cannot be looked for" in log["probes"]
    world.config.write_text(world.config.read_text().replace("query-logs", "x-query-logs"))
    assert world.command("run --role stream").returncode == 2
    assert world.command("logs status").returncode == 2
