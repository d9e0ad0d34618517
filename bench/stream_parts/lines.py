"""Lines of LiteLLM's StandardLoggingPayload, as long as real ones are."""

import json
import math
from collections.abc import Mapping
from typing import Any

from watchdog.domain.queries import Query

SIZE = 2340
"""Bytes of a line that is filled up: what was measured on LiteLLM with an ordinary conversation in it."""
_FILLING = "trace of the router: deployment chosen by latency, no fallback used, cache not asked, budget checked. "


def line(query: Query, size: int = SIZE) -> bytes:
    """Return the line that LiteLLM would write about a request, filled up to `size` bytes where it is shorter."""
    whole = json.dumps(_payload(query, ""), separators=(",", ":")).encode()
    missing = size - len(whole)
    if missing <= 0:
        return whole
    filling = (_FILLING * math.ceil(missing / len(_FILLING)))[:missing]
    return json.dumps(_payload(query, filling), separators=(",", ":")).encode()


def _payload(query: Query, filling: str) -> Mapping[str, Any]:
    succeeded = query.status == 200
    return {
        "id": query.id,
        "trace_id": query.id,
        "call_type": "acompletion",
        "status": "success" if succeeded else "failure",
        "response_cost": 0.00023,
        "cost_breakdown": {"input_cost": 0.0001, "output_cost": 0.00013},
        "prompt_tokens": query.tokens_in,
        "completion_tokens": query.tokens_out,
        "total_tokens": (query.tokens_in or 0) + (query.tokens_out or 0),
        "startTime": query.at,
        "endTime": query.at + 0.8,
        "completionStartTime": query.at + 0.4,
        "response_time": 0.8,
        "model": query.model,
        "model_group": query.model,
        "api_base": "https://api.example.net/v1/",
        "cache_hit": False,
        "request_tags": [],
        "end_user": "",
        "requester_ip_address": query.address,
        "metadata": {
            "user_api_key_hash": query.client,
            "user_api_key_org_id": query.org,
            "user_api_key_request_route": query.endpoint,
            "requester_ip_address": query.address,
            "user_agent": query.agent,
            "requester_metadata": {"note": filling},
        },
        "messages": _messages(query),
        "response": {"choices": [_choice(query)]} if succeeded else {},
        "error_str": None if succeeded else "RateLimitError",
        "error_information": None if succeeded else {"error_code": str(query.status), "error_class": "RateLimitError"},
        "model_parameters": _parameters(query),
        "hidden_params": {"model_id": "ab12", "cache_key": None, "api_base": "https://api.example.net/v1/"},
    }


def _messages(query: Query) -> list[Mapping[str, str]]:
    system = [{"role": "system", "content": query.system}] if query.system is not None else []
    # Earlier turns are short, so that a line is as long as it says.
    user_turns = (query.turns or 1) - (1 if query.prefill else 0)
    earlier = [{"role": ("user", "assistant")[n % 2], "content": "And then?"} for n in range(user_turns - 1)]
    last = [{"role": "user", "content": query.prompt or ""}]
    begun = [{"role": "assistant", "content": "Sure, here is"}] if query.prefill else []
    return [*system, *earlier, *last, *begun]


def _choice(query: Query) -> Mapping[str, Any]:
    message = {"role": "assistant", "content": query.reply}
    return {"finish_reason": "content_filter" if query.refused else "stop", "message": message}


def _parameters(query: Query) -> Mapping[str, Any]:
    told = {
        "temperature": 0.7,
        "max_tokens": query.max_tokens,
        "top_logprobs": query.top_logprobs,
        "logit_bias": {str(n): 100 for n in range(query.logit_bias)} if query.logit_bias else None,
        "n": query.choices,
        "seed": query.seed,
    }
    return {name: value for name, value in told.items() if value is not None}
