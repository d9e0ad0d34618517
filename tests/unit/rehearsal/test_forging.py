"""What a wrapper does to the list of tokens beside a reply that it edits."""

import itertools
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.channels.scripted import ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole
from watchdog.rehearsal.editing import edit
from watchdog.rehearsal.forging import forged
from watchdog.rehearsal.gateway import Gateway, Listing
from watchdog.rehearsal.model_server import create_app
from watchdog.rehearsal.serving import serve

TEXT = "It is safe and useful, and you should always be careful. \N{SNOWMAN} Trust is good."


def _listed(text: str, places: list[int]) -> list[dict[str, Any]]:
    raw = text.encode()
    edges = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    pieces = [raw[a:b] for a, b in itertools.pairwise(edges)]
    return [{"token": it.decode(errors="replace"), "logprob": -n, "bytes": list(it)} for n, it in enumerate(pieces)]


def _spelled(listed: list[dict[str, Any]]) -> str:
    return b"".join(bytes(it["bytes"]) for it in listed).decode()


@given(st.lists(st.integers(0, 200), max_size=30), st.integers(0, 50))
def test_a_forged_list_spells_the_edited_text_however_the_tokens_were_cut(places: list[int], seed: int) -> None:
    made = edit(TEXT, random.Random(seed), most=4)
    assert made.swaps
    assert _spelled(forged(_listed(TEXT, places), made)) == made.text


def test_an_edited_word_keeps_the_number_of_the_word_it_took_the_place_of() -> None:
    made = edit("It is safe.", random.Random(1))
    new = forged(_listed("It is safe.", [5, 10]), made)
    assert [it["logprob"] for it in new] == [0, -1, -2]
    assert _spelled(new[1:2]).strip() == made.swaps[0].edited


def test_a_list_of_another_text_is_not_forged() -> None:
    with pytest.raises(LookupError):
        forged(_listed("Something else.", []), edit("It is safe.", random.Random(1)))


@contextmanager
def _through(listing: Listing) -> Iterator[httpx.Client]:
    channel = ScriptedModelChannel(ScriptedModel(seed=7), ChannelRole.DIRECT, lambda: NOW)
    with (
        serve(create_app(channel, "tiny")) as upstream,
        Gateway(upstream.base_url, every=1, listing=listing) as gateway,
        serve(gateway.app) as served,
        httpx.Client(base_url=served.base_url, trust_env=False) as client,
    ):
        gateway.editing = True
        yield client


def _choice(client: httpx.Client, *, stream: bool = False) -> dict[str, Any]:
    body = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Should I sign?"}],
        "temperature": 0,
        "max_tokens": 60,
        "logprobs": True,
        "stream": stream,
    }
    choice: dict[str, Any] = client.post("/v1/chat/completions", json=body).json()["choices"][0]
    return choice


def test_a_gateway_that_keeps_the_list_gives_itself_away() -> None:
    with _through(Listing.KEEP) as client:
        choice = _choice(client)
    assert _spelled(choice["logprobs"]["content"]) != choice["message"]["content"]


def test_a_gateway_that_drops_the_list_gives_none() -> None:
    with _through(Listing.DROP) as client:
        assert _choice(client)["logprobs"] is None


def test_a_gateway_that_forges_the_list_makes_it_fit() -> None:
    with _through(Listing.FORGE) as client:
        choice = _choice(client)
    assert _spelled(choice["logprobs"]["content"]) == choice["message"]["content"]


def test_a_model_server_streams_the_list_with_the_words() -> None:
    channel = ScriptedModelChannel(ScriptedModel(seed=7), ChannelRole.DIRECT, lambda: NOW)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Why?"}], "logprobs": True, "stream": True}
    with serve(create_app(channel, "tiny")) as served, httpx.Client(trust_env=False) as client:
        text = client.post(f"{served.base_url}/v1/chat/completions", json=body | {"temperature": 0}).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    steps = [step for event in events for step in event["choices"] if step["delta"].get("content")]
    assert len(steps) > 3
    assert all(_spelled(step["logprobs"]["content"]) == step["delta"]["content"] for step in steps)
