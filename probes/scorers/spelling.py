"""How a tokenizer spells text: the bytes of every token id, and the canonical tokens of a reply."""

import copy
import hashlib
import json
import re
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from watchdog.domain.exchanges import Reason
from watchdog.errors import ScoringError


class Spelling:
    """The vocabulary of a transformers tokenizer in bytes, and its canonical tokens of any text."""

    def __init__(self, tokenizer: Any, size: int) -> None:
        # One of its own: whether special tokens are split is a setting inside it, and prompts need the other one.
        self._tokenizer = copy.deepcopy(tokenizer)
        # The first use of such a setting changes the tokenizer, which fails while another thread uses it.
        self._busy = threading.Lock()
        self.byte_level = _is_byte_level(tokenizer)
        """Whether tokens are written byte by byte, so that a token's text says which token it is."""
        self.vocabulary = _vocabulary(tokenizer, size, byte_level=self.byte_level)
        """The bytes that each token id adds to a text; empty for special tokens and for ids that mean nothing."""

    @cached_property
    def digest(self) -> str:
        """Names the tokenizer and its chat template: SHA-256, in hex."""
        parts = (self._tokenizer.backend_tokenizer.to_str(), json.dumps(self._tokenizer.chat_template))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the canonical tokens of a reply's text; what looks like a special token in it is plain text.

        Raises ScoringError (unscorable) when decoding them would not give the text back.
        """
        expected = to_bytes(text)
        ids = self._tokens(text)
        if self.spelled(ids) == expected:
            return ids
        # Some tokenizers put a space before any text. Behind a line break they do not put it before the reply.
        ids = self._tokens("\n" + text)
        for cut in (1, 2):
            if self.spelled(ids[:cut]).lstrip(b" ") == b"\n" and self.spelled(ids[cut:]) == expected:
                return ids[cut:]
        raise unscorable(
            "the reply's tokens do not give its text back",
            hint="check that the delivered channel serves the model that is loaded here",
        )

    def spelled(self, ids: Sequence[int]) -> bytes:
        """Return the bytes that tokens add to a text."""
        return b"".join(self.vocabulary[token] for token in ids)

    def _tokens(self, text: str) -> tuple[int, ...]:
        with self._busy:
            return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def to_bytes(text: str) -> bytes:
    """Return a reply in UTF-8.

    Raises ScoringError (unscorable) when it holds half of a surrogate pair.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise unscorable("the reply is not valid Unicode", hint="look at what the channel decodes") from exc


def unscorable(problem: str, *, hint: str) -> ScoringError:
    """Return the error of a reply that the direct model cannot judge."""
    return ScoringError(problem, hint=hint, reason=Reason.UNSCORABLE)


def too_long(problem: str, *, hint: str = "ask for shorter replies") -> ScoringError:
    """Return the error of a reply that would take too much room or time to score."""
    return ScoringError(problem, hint=hint, reason=Reason.TOO_LONG)


def _vocabulary(tokenizer: Any, size: int, *, byte_level: bool) -> tuple[bytes, ...]:
    """Return the bytes of each id, by the way in which the tokenizer writes bytes as characters."""
    added = tokenizer.added_tokens_decoder
    spell = _spell_bytes if byte_level else _spell_pieces
    texts = []
    for number in range(size):
        if number in added:
            texts.append(b"" if added[number].special else added[number].content.encode())
        else:
            token = tokenizer.convert_ids_to_tokens(number)
            texts.append(b"" if token is None else spell(token))
    return tuple(texts)


def _is_byte_level(tokenizer: Any) -> bool:
    decoder = json.loads(tokenizer.backend_tokenizer.to_str())["decoder"] or {}
    return any(part.get("type") == "ByteLevel" for part in decoder.get("decoders", [decoder]))


def _byte_characters() -> dict[str, int]:
    """Return the characters by which byte-level tokenizers since GPT-2 write bytes: themselves, where they show."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + n): byte for n, byte in enumerate(hidden)}


_BYTES = _byte_characters()
_PIECE_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def _spell_bytes(token: str) -> bytes:
    return bytes(_BYTES[char] for char in token)


def _spell_pieces(token: str) -> bytes:
    """Spell a token of SentencePiece, which writes a space as U+2581 and a byte that is no character in hex."""
    byte = _PIECE_BYTE.fullmatch(token)
    return bytes.fromhex(byte[1]) if byte else token.replace("\u2581", " ").encode()
