"""What proxies and engines tell that see no texts: Envoy, nginx, vLLM."""

from datetime import UTC, datetime

import pytest

from detectors.logs.formats.vllm import Vllm
from tests.unit.detectors.logs.samples import ACCESS, ENVOY, NGINX, RECEIVED, parse, told


def test_envoy_tells_the_address_that_it_saw_itself() -> None:
    query = parse("envoy", ENVOY)
    assert query.at == datetime(2026, 11, 24, 22, tzinfo=UTC).timestamp()
    assert (query.address, query.status, query.tokens_in, query.tokens_out) == ("10.0.0.7", 200, 100, None)
    assert parse("envoy", ENVOY | {"downstream_remote_address": "[::1]:4711"}).address == "::1"
    assert parse("envoy", ENVOY | {"response_code": 0}).status is None


def test_nginx_tells_when_a_request_came_and_its_method_unless_it_is_post() -> None:
    query = parse("nginx", NGINX)
    assert query.at == pytest.approx(1_764_000_000.1)
    assert (query.endpoint, query.client, query.address) == ("GET /v1/models", None, "10.0.0.7")
    whole = {"time_iso8601": "2026-11-24T22:00:00+00:00", "request": "POST /v1/x?y HTTP/1.1", "remote_user": "bob"}
    assert parse("nginx", whole)[3:7:3] == (None, "/v1/x")
    assert parse("nginx", whole).client == "bob"


def test_the_two_lines_of_vllm_tell_their_halves() -> None:
    now = datetime(2026, 2, 14, tzinfo=UTC).timestamp()
    form = Vllm(now=lambda: now)
    (received,), (access,) = form.parse(RECEIVED.encode()), form.parse(ACCESS.encode())
    at = datetime(2026, 2, 13, 11, 33, 33, tzinfo=UTC).timestamp()
    assert told(received) == {"at": at, "id": "chatcmpl-a2", "top_logprobs": 5, "choices": 1, "max_tokens": 100}
    assert told(access) == {
        "at": at,
        "address": "10.80.23.18",
        "endpoint": "/v1/chat/completions",
        "status": 200,
    }
    assert form.parse(b"(APIServer pid=9) INFO 02-13 11:33:40 [loggers.py:1] Engine 000: Avg prompt throughput") == ()


def test_an_older_vllm_tells_the_prompt_and_a_container_the_time() -> None:
    older = "2026-02-13T10:00:00.5Z INFO 02-13 11:33:33 logger.py:41] Received request c-1: prompt: 'It\\'s\\n{x}', "
    older += "params: SamplingParams(n=1, seed=3, max_tokens=9), prompt_token_ids: None, lora_request: None."
    (query,) = Vllm().parse(older.encode())
    assert (query.prompt, query.seed) == ("It's\n{x}", 3)
    assert query.at == datetime(2026, 2, 13, 10, 0, 0, 500_000, tzinfo=UTC).timestamp()


def test_a_time_of_vllm_belongs_to_the_year_that_it_is_the_last_of() -> None:
    now = datetime(2026, 1, 1, 0, 5, tzinfo=UTC).timestamp()
    (query,) = Vllm(now=lambda: now).parse(RECEIVED.replace("02-13", "12-31").encode())
    assert query.at == datetime(2025, 12, 31, 11, 33, 33, tzinfo=UTC).timestamp()


def test_a_byte_order_mark_hides_no_time_in_front_of_a_line_of_vllm() -> None:
    (query,) = Vllm().parse(b"\xef\xbb\xbf2026-02-13T10:00:00Z " + ACCESS.encode())
    assert query.at == datetime(2026, 2, 13, 10, tzinfo=UTC).timestamp()
