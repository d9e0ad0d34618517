"""Serving an application for as long as a block runs."""

import asyncio
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from watchdog.rehearsal.serving import serve


def greeter(text: str = "hello") -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def greet() -> str:
        return text

    @app.get("/slow")
    async def wait_for_ever() -> None:
        await asyncio.sleep(60)

    return app


def get(url: str) -> object:
    answer: object = httpx.get(url, trust_env=False).json()
    return answer


def test_an_application_answers_on_loopback_while_the_block_runs() -> None:
    with serve(greeter()) as served:
        assert urlsplit(served.base_url).hostname == "127.0.0.1"
        assert get(f"{served.base_url}/") == "hello"
    with pytest.raises(httpx.ConnectError):
        get(f"{served.base_url}/")


def test_a_wanted_port_is_taken_if_it_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        wanted = probe.getsockname()[1]
    with serve(greeter(), port=wanted) as served:
        assert served.port == wanted
    with serve(greeter("again"), port=wanted) as served:
        assert served.port == wanted
        assert get(f"{served.base_url}/") == "again"


def test_a_taken_port_is_left_to_its_owner() -> None:
    with serve(greeter("first")) as first, serve(greeter("second"), port=first.port) as second:
        assert first.port != second.port
        assert (get(f"{first.base_url}/"), get(f"{second.base_url}/")) == ("first", "second")


def test_stopping_does_not_wait_for_open_connections_or_hanging_requests() -> None:
    with httpx.Client(trust_env=False, timeout=10) as client:
        with serve(greeter()) as served:
            client.get(f"{served.base_url}/")
            hanging = threading.Thread(target=_swallow, args=(client, f"{served.base_url}/slow"))
            hanging.start()
            time.sleep(0.1)
            began = time.monotonic()
        assert time.monotonic() - began < 2.5
        hanging.join(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "rehearsal-server"]


def _swallow(client: httpx.Client, url: str) -> None:
    try:
        client.get(url)
    except httpx.HTTPError:
        return


def test_an_error_in_the_block_comes_through() -> None:
    with pytest.raises(KeyError, match="mine"), serve(greeter()):
        raise KeyError("mine")
