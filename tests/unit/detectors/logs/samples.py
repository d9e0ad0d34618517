"""A line of each format, in the shapes that the projects document."""

import json
from collections.abc import Mapping
from typing import Any

from detectors.logs.formats.catalog import FORMATS
from watchdog.domain.queries import Query

AT = 1_764_000_000.1
LITELLM: dict[str, Any] = {
    "id": "chatcmpl-a1",
    "call_type": "acompletion",
    "status": "success",
    "prompt_tokens": 12,
    "completion_tokens": 9,
    "startTime": AT,
    "endTime": AT + 1,
    "model": "openai/gpt-4o-mini",
    "model_group": "gpt-4o-mini",
    "metadata": {
        "user_api_key_hash": "88dc28d0",
        "user_api_key_alias": "k1",
        "user_api_key_team_id": "t3",
        "user_api_key_org_id": None,
        "requester_ip_address": "10.0.0.7",
    },
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": "Sure, here"},
    ],
    "response": {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}]},
    "error_information": None,
    "model_parameters": {"logprobs": True, "top_logprobs": 20, "logit_bias": {"1": 100, "2": -1}, "n": 2, "seed": 7},
}
OTEL: dict[str, Any] = {
    "name": "chat gpt-4o",
    "traceId": "5b8aa5a2d2c872e8321cf37308d69df2",
    "spanId": "051581bf3cb55c13",
    "startTimeUnixNano": "1764000000100000000",
    "attributes": {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.id": "chatcmpl-123",
        "gen_ai.request.max_tokens": 100,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 180,
        "gen_ai.response.finish_reasons": ["stop"],
        "enduser.id": "u1",
        "gen_ai.system_instructions": [{"type": "text", "content": "Translate."}],
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}],
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Rain."}]}],
    },
}
PAIR: dict[str, Any] = {
    "ts": AT,
    "custom_id": "req-1",
    "api_key_hash": "88dc28d0",
    "request": {
        "method": "POST",
        "url": "/v1/chat/completions?x=1",
        "body": {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Sure"}],
            "logit_bias": {"50256": -100},
            "seed": 1,
        },
    },
    "response": {
        "status_code": 200,
        "body": {
            "id": "chatcmpl-1",
            "created": 1764000000,
            "choices": [{"finish_reason": "stop", "message": {"content": "Yes.", "refusal": None}}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 3},
        },
    },
}
ENVOY: dict[str, Any] = {
    "start_time": "2026-11-24T22:00:00.000Z",
    "method": "POST",
    "request.path": "/v1/chat/completions",
    "response_code": 200,
    "user-agent": "OpenAI/Python 1.99",
    "x-request-id": "5895f5a9",
    "x-forwarded-for": "1.2.3.4, 10.0.0.7",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": "-",
}
NGINX: dict[str, Any] = {
    "msec": "1764000000.920",
    "remote_addr": "10.0.0.7",
    "remote_user": "",
    "request_method": "GET",
    "request_uri": "/v1/models?limit=3",
    "status": "200",
    "request_time": "0.820",
    "http_user_agent": "curl",
}
RECEIVED = (
    "(APIServer pid=9) INFO 02-13 11:33:33 [logger.py:49] Received request chatcmpl-a2: params: SamplingParams(n=1, "
    "temperature=0.7, seed=None, stop=[], max_tokens=100, min_tokens=0, logprobs=5, prompt_logprobs=None), "
    "lora_request: None."
)
ACCESS = '(APIServer pid=9) INFO:     10.80.23.18:51408 - "POST /v1/chat/completions HTTP/1.1" 200 OK'
SAMPLES = {
    "litellm": json.dumps(LITELLM),
    "otel": json.dumps(OTEL),
    "openai": json.dumps(PAIR),
    "envoy": json.dumps(ENVOY),
    "nginx": json.dumps(NGINX),
    "vllm": ACCESS,
}


def parse(name: str, line: Mapping[str, Any]) -> Query:
    """Return the one request that a line of JSON holds for a format."""
    (query,) = FORMATS[name]().parse(json.dumps(line).encode())
    return query


def told(query: Query) -> dict[str, Any]:
    """Return what a request tells."""
    return {key: value for key, value in query._asdict().items() if value is not None}
