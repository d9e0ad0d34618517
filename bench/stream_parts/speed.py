"""What a request costs: from a file to a decision, with many clients, and in memory."""

import json
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from detectors.logs.formats.litellm import LiteLLM
from detectors.logs.tail import Tail
from storage.signing import open_signed
from stream_parts import benign, ours
from stream_parts.baselines import NaivePipeline
from stream_parts.customers import START
from stream_parts.lines import line
from stream_parts.texts import Texts
from watchdog.desk import Desk
from watchdog.domain.queries import Query
from watchdog.query_logs.checks import LogChecks
from watchdog.query_logs.sifting import Sifting
from watchdog.query_logs.streaming import Streaming
from watchdog.wiring import now

_READ = 1 << 20


def write_lines(path: Path, texts: Texts, count: int) -> float:
    """Write so many lines of an afternoon at 1,000 requests a second, and return their mean length."""
    queries = benign.afternoon(texts, 1000, 7).queries(7, 1e9)
    size = 0
    with path.open("wb") as file:
        for query in islice(queries, count):
            size += file.write(line(query) + b"\n")
    return size / count


def file_to_decision(path: Path) -> int:
    """Read, parse and judge a whole file; returns how many requests it held."""
    sifting, seen = Sifting(log=ours.LOG, form=LiteLLM(), watch=ours.watch()), 0
    with closing(Tail([path])) as tail:
        while (chunk := tail.read(_READ)).lines:
            seen += sifting.take(chunk).queries
    return seen


def file_to_ledger(path: Path, folder: Path) -> int:
    """Do the same as the daemon does: with positions, state and alarms in the ledger."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as name,
        closing(open_signed(Path(name) / "ledger.sqlite", now=now)) as ledger,
    ):
        sifting = Sifting(log=ours.LOG, form=LiteLLM(), watch=ours.watch())
        desk, checks = Desk(ledger=ledger, notifiers=()), LogChecks(ours.LOG)
        stream = Streaming(log=Tail([path]), sifting=sifting, ledger=ledger, desk=desk, checks=checks)
        stream.resume(now())
        seen = 0
        while (stepped := stream.step(now())).sifted.lines:
            seen += stepped.sifted.queries
        stream.stop(now())
        return seen


def reading_only(path: Path) -> int:
    """Read and parse a whole file: the part of the cost that is no detector's."""
    form, seen = LiteLLM(), 0
    with closing(Tail([path])) as tail:
        while (chunk := tail.read(_READ)).lines:
            seen += sum(len(form.parse(line)) for line in chunk.lines)
    return seen


def naive_name() -> str:
    """Name the naive pipeline; MinHash comes from a package that only the bench uses, and may not be there."""
    return "naive river pipeline" if find_spec("rensa") else "naive river pipeline, MinHash left out (no rensa)"


def naively(path: Path) -> int:
    """Do the same with json, dicts, river and MinHash, one request after the other."""
    pipeline, seen = NaivePipeline(), 0
    with path.open("rb") as file:
        for raw in file:
            it = json.loads(raw)
            pipeline.take(_plain(it))
            seen += 1
    return seen


def rate(work: Callable[[], int], times: int) -> float:
    """Return requests per second of processor time; the median of several runs."""
    return median(_rate(work) for _ in range(times))


def _rate(work: Callable[[], int]) -> float:
    begun = time.process_time()
    seen = work()
    return seen / (time.process_time() - begun)


def cost_per_event(texts: Texts, clients: int, events: int, bound: int) -> float:
    """Return microseconds of processor time for a request, when every client is known already as far as it is kept."""
    watching = ours.watch(clients=bound)
    prompts = [f"{text[:250]} {n}" for n, text in enumerate(texts.ordinary)]
    # Each client comes once, the last ones least long ago: what memory holds is full when the clock starts.
    ours.play(watching, _requests(prompts, range(clients), 0))
    chance = random.Random(5)  # noqa: S311 - no secret
    timed = list(_requests(prompts, [chance.randrange(clients) for _ in range(events)], clients))
    begun = time.process_time()
    ours.play(watching, timed)
    return 1e6 * (time.process_time() - begun) / events


def _requests(prompts: Sequence[str], clients: Iterable[int], first: int) -> Iterator[Query]:
    for number, client in enumerate(clients, first):
        yield Query(
            at=START + number / 1000,
            id=str(number),
            client=f"client-{client}",
            address=f"10.{client % 200}.{client // 200 % 250}.9",
            agent="OpenAI/Python 1.99",
            endpoint="/v1/chat/completions",
            model="gpt-4o-mini",
            status=200,
            prompt=f"{prompts[number % len(prompts)]} {number}",
            turns=1,
            prefill=False,
            reply="Sure. It works in three steps.",
            tokens_in=60,
            tokens_out=12,
            max_tokens=512,
        )


def memory_mb(texts: Texts, clients: int, each: int) -> float:
    """Return by how many megabytes a process grows that watches so many clients with so many requests each."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_grow, args=(there, texts, clients, each))
    process.start()
    found = float(here.recv())
    process.join()
    return found


def _grow(answer: Connection, texts: Texts, clients: int, each: int) -> None:
    prompts = [text[:250] for text in texts.ordinary]
    watching = ours.watch(clients=clients)
    ours.play(watching, _requests(prompts, range(100), 0))
    before = _resident_mb()
    ours.play(watching, _requests(prompts, (client for _ in range(each) for client in range(clients)), 100))
    answer.send(_resident_mb() - before)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _plain(it: Mapping[str, Any]) -> Query:
    who, parameters = it["metadata"], it["model_parameters"]
    choices = it["response"].get("choices") or [{"message": {"content": ""}}]
    return Query(
        at=it["startTime"],
        id=it["id"],
        client=who["user_api_key_hash"],
        prompt=it["messages"][-1]["content"],
        turns=len(it["messages"]),
        reply=choices[0]["message"]["content"],
        tokens_in=it["prompt_tokens"],
        tokens_out=it["completion_tokens"],
        top_logprobs=parameters.get("top_logprobs"),
        logit_bias=len(parameters.get("logit_bias") or ()),
    )
