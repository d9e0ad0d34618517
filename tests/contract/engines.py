"""A stand-in for serving engines that tell the log probabilities of a prompt: strict about what is asked.

It answers as vLLM documents it (`vllm/entrypoints/openai/completion/protocol.py`), in both of its dialects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

MODEL = "served-1"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ToComplete(Strict):
    model: Literal["served-1"]
    max_tokens: Literal[1]
    temperature: Literal[0]


class ForPromptLogprobs(ToComplete):
    prompt: list[int] = Field(min_length=1)
    prompt_logprobs: int = Field(ge=0, le=20)


class ForEcho(ToComplete):
    prompt: list[int] | str = Field(min_length=1)
    echo: Literal[True]
    logprobs: int = Field(ge=0, le=20)
    return_tokens_as_token_ids: bool = False


@dataclass(kw_only=True)
class Engine:
    """A model that an engine serves, by token ids alone."""

    rows: Callable[[Sequence[int]], NDArray[np.float64]]
    """Returns the log probabilities after each of the tokens, shape (token, vocabulary)."""
    encode: Callable[[str], Sequence[int]]
    name: Callable[[int], str]
    """How it writes a token, as text."""
    spoil: Callable[[dict[str, Any]], Any] = lambda answer: answer
    """Does something to each answer before it is sent; a Response takes its place."""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def create_app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        app.add_exception_handler(RequestValidationError, lambda _, exc: JSONResponse({"error": str(exc)}, 400))

        @app.post("/v1/completions")
        def completions(body: ForPromptLogprobs | ForEcho) -> Response:
            self.asked.append(body.model_dump())
            choice = self._listed(body) if isinstance(body, ForPromptLogprobs) else self._echoed(body)
            answer = {
                "id": "cmpl-1",
                "object": "text_completion",
                "created": 1,
                "model": MODEL,
                "choices": [{"index": 0, "finish_reason": "length", "stop_reason": None, **choice}],
                "usage": {"prompt_tokens": len(body.prompt), "completion_tokens": 1, "total_tokens": 1},
            }
            spoilt = self.spoil(answer)
            return spoilt if isinstance(spoilt, Response) else JSONResponse(spoilt)

        return app

    def _listed(self, body: ForPromptLogprobs) -> dict[str, Any]:
        rows = self.rows(body.prompt)
        listed: list[Any] = [None]
        for token, row in zip(body.prompt[1:], rows, strict=False):
            order = np.argsort(-row, kind="stable").tolist()
            listed.append(
                {
                    str(it): {"logprob": float(row[it]), "rank": order.index(it) + 1, "decoded_token": self.name(it)}
                    # The token that is there comes first, and then the likeliest, of which it may be one.
                    for it in [token, *order[: body.prompt_logprobs]]
                }
            )
        return {"text": self.name(int(rows[-1].argmax())), "logprobs": None, "prompt_logprobs": listed}

    def _echoed(self, body: ForEcho) -> dict[str, Any]:
        prompt = list(self.encode(body.prompt)) if isinstance(body.prompt, str) else body.prompt
        rows = self.rows(prompt)
        tokens = [*prompt, int(rows[-1].argmax())]
        name = "token_id:{}".format if body.return_tokens_as_token_ids else self.name
        echoed: dict[str, list[Any]] = {"tokens": [name(it) for it in tokens]}
        echoed["text_offset"] = [0] * len(tokens)
        echoed["token_logprobs"] = [None, *(float(row[it]) for it, row in zip(tokens[1:], rows, strict=True))]
        echoed["top_logprobs"] = [None]
        for token, row in zip(tokens[1:], rows, strict=True):
            likely = [token, *np.argsort(-row, kind="stable")[: body.logprobs].tolist()]
            echoed["top_logprobs"].append({name(it): float(row[it]) for it in likely})
        return {"text": "".join(self.name(it) for it in tokens), "logprobs": echoed}
