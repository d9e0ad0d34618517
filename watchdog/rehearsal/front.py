"""What stands before the model in a rehearsal's gateway: a policy that refuses, answers kept ready, and a query log."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REFUSAL = "I can't help with that."


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer as the gateway knows it: by its key, and what its application is for."""

    name: str
    key: str
    system: str
    """The system prompt of its application."""
    reply: str
    """What is answered to it without asking the model, as from a cache: a rehearsal has no time for hundreds of
    replies of a real one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Answers at once where it can, and writes one line for every request: pairs of OpenAI request and response."""

    log: Path
    accounts: tuple[Account, ...] = ()
    refused: re.Pattern[str] | None = None
    """What the policy refuses; nothing when None."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, headers: Mapping[str, str], body: bytes) -> bytes | None:
        """Return a response that needs no model; None when the model has to be asked."""
        asked = _object(body)
        messages = asked.get("messages")
        texts = [_text(it) for it in messages] if isinstance(messages, list) else []
        if not texts:
            return None
        if self.refused is not None and self.refused.search(texts[-1]):
            return _completion(asked, None, refusal=REFUSAL)
        account = self._account(headers)
        return None if account is None else _completion(asked, account.reply, refusal=None)

    def note(
        self, path: str, headers: Mapping[str, str], address: str, body: bytes, response: tuple[int, bytes]
    ) -> None:
        """Write the line of one request, whatever came of it."""
        status, content = response
        line = {
            "ts": round(time.time(), 6),
            "api_key_id": self._name_of(headers),
            "client_ip": address,
            "user_agent": headers.get("user-agent", ""),
            "request": {"method": "POST", "url": f"/{path}", "body": _object(body)},
            "response": {"status_code": status, "body": _object(content)},
        }
        with self._lock, self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def _account(self, headers: Mapping[str, str]) -> Account | None:
        return next((it for it in self.accounts if it.key == _key(headers)), None)

    def _name_of(self, headers: Mapping[str, str]) -> str:
        """Return the account of a key; for one that nobody registered its digest, as keys do not belong in a log."""
        account = self._account(headers)
        return "key-" + hashlib.sha256(_key(headers).encode()).hexdigest()[:12] if account is None else account.name


def _key(headers: Mapping[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def _completion(asked: Mapping[str, Any], reply: str | None, *, refusal: str | None) -> bytes:
    now = time.time()
    message = {"role": "assistant", "content": reply, "refusal": refusal}
    words = len((reply or refusal or "").split())
    completion = {
        "id": f"chatcmpl-front-{time.monotonic_ns()}",
        "object": "chat.completion",
        "created": int(now),
        "model": asked.get("model"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": words, "total_tokens": words},
    }
    return json.dumps(completion, separators=(",", ":")).encode()


def _object(content: bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else, as for a stream of events."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _text(message: object) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) else ""
