"""Pairs of an OpenAI request and its response, one JSON object a line, as gateways that record batches write them.

What stands beside `request` and `response` is the gateway's own, and goes by several names.
"""

from collections.abc import Sequence

import msgspec

from detectors.logs.formats.chat import answered, asked, refusing
from detectors.logs.formats.faults import line_error
from detectors.logs.formats.parameters import Parameters, sampling
from detectors.logs.formats.reading import Reader, keys_of, leniently
from detectors.logs.formats.values import count, endpoint, moment, name, status
from watchdog.domain.queries import FIELDS, Query


class _Request(msgspec.Struct, gc=False):
    method: str | None = None
    url: str | None = None
    body: msgspec.Raw = msgspec.Raw()


class _Response(msgspec.Struct, gc=False):
    status_code: int | None = None
    body: msgspec.Raw = msgspec.Raw()


class _Error(msgspec.Struct, gc=False):
    code: object = None


class _Pair(msgspec.Struct, gc=False):
    request: _Request
    response: _Response | None = None
    error: _Error | None = None
    ts: float | str | None = None
    timestamp: float | str | None = None
    custom_id: str | None = None
    request_id: str | None = None
    api_key_hash: str | None = None
    api_key_id: str | None = None
    organization: str | None = None
    client_ip: str | None = None
    user_agent: str | None = None
    training_examples: int | None = None


class _Body(Parameters, gc=False):
    """All of it comes from the client."""

    model: object = None
    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    safety_identifier: object = None
    user: object = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: object = None
    completion_tokens: object = None
    input_tokens: object = None
    output_tokens: object = None


class _Said(msgspec.Struct, gc=False):
    id: object = None
    created: object = None
    created_at: object = None
    usage: _Usage | None = None


_READER = Reader(_Pair, once=("request", "api_key_hash", "api_key_id"))
_BODY = msgspec.json.Decoder(_Body)
_SAID = msgspec.json.Decoder(_Said)
_NOTHING, _SILENCE, _NO_USAGE = _Body(), _Said(), _Usage()


class OpenAIPairs:
    """Everything that a client sent and got, and whatever the gateway adds to it."""

    name = "openai"
    fields = FIELDS

    def recognises(self, line: bytes) -> bool:
        """Tell whether a line looks like one of this format."""
        found = keys_of(line)
        return {"request", "response"} <= found.keys() and bytes(found["request"]).startswith(b"{")

    def parse(self, line: bytes) -> Sequence[Query]:
        """Return the request in one line. Raises LineError when it is none."""
        it = _READER.read(line)
        return () if it is None else (_query(it, leniently(_BODY, it.request.body, _NOTHING)),)


def _query(it: _Pair, body: _Body) -> Query:
    response = it.response or _Response()
    said, answer = leniently(_SAID, response.body, _SILENCE), answered(response.body)
    usage = said.usage or _NO_USAGE
    says = asked(body.messages or body.input or body.prompt, body.system or body.instructions)
    top_logprobs, logit_bias, choices, seed, max_tokens = sampling(body)
    return Query(
        at=moment(_at(it, said)),
        id=name(said.id) or name(it.request_id) or name(it.custom_id),
        client=name(it.api_key_hash or it.api_key_id or body.safety_identifier or body.user),
        org=name(it.organization),
        address=name(it.client_ip),
        agent=name(it.user_agent),
        endpoint=endpoint(it.request.url, it.request.method),
        model=name(body.model),
        status=status(response.status_code),
        system=says.system,
        prompt=says.prompt,
        turns=says.turns,
        prefill=says.prefill,
        reply=answer.reply,
        refused=answer.refused or _failed(it),
        tokens_in=count(usage.prompt_tokens if usage.input_tokens is None else usage.input_tokens),
        tokens_out=count(usage.completion_tokens if usage.output_tokens is None else usage.output_tokens),
        top_logprobs=top_logprobs,
        logit_bias=logit_bias,
        choices=choices,
        seed=seed,
        max_tokens=max_tokens,
        training_examples=count(it.training_examples),
    )


def _failed(it: _Pair) -> bool | None:
    return True if it.error is not None and refusing(it.error.code) else None


def _at(it: _Pair, said: _Said) -> float | str:
    """Return the gateway's time; else that of the reply, which is when it began."""
    for value in (it.ts, it.timestamp, said.created, said.created_at):
        if isinstance(value, float | int | str) and not isinstance(value, bool):
            return value
    raise line_error("missing")
