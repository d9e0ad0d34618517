"""Tokenizers of a few hundred tokens, in the two ways in which tokenizers write bytes."""

from __future__ import annotations

from typing import Any

TEMPLATE = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
)


def byte_level() -> Any:
    """Write bytes as GPT-2 does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {char: number for number, char in enumerate([*alphabet, "Ġt", "he", "Ġthe", "ĊĊ"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("Ċ", "Ċ")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def pieces() -> Any:
    """Write spaces as U+2581, put one before every text, and spell unknown characters in bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    letters = ["\u2581", *"abcdefghijklmnopqrstuvwxyz.", "\u2581t", "he", "\u2581the"]
    vocabulary = {token: number for number, token in enumerate([f"<0x{b:02X}>" for b in range(256)] + letters)}
    merges = [("\u2581", "t"), ("h", "e"), ("\u2581t", "he")]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def wrapped(tokenizer: Any, *, template: str | None = TEMPLATE) -> Any:
    """Return it as transformers has it; turns end with either of two tokens."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", additional_special_tokens=["<|end|>"], chat_template=template
    )
