"""A whole model of random weights, small enough to be written in a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests import small_tokenizers

if TYPE_CHECKING:
    from pathlib import Path


def write(directory: Path, tokenizer: Any = None, *, template: str | None = small_tokenizers.TEMPLATE) -> Path:
    """Write a model directory; its context is 64 tokens, and its turns end with either of two."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    inner = small_tokenizers.byte_level() if tokenizer is None else tokenizer
    wrapped = small_tokenizers.wrapped(inner, template=template)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(wrapped) + 5,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
            eos_token_id=wrapped.convert_tokens_to_ids(["</s>", "<|end|>"]),
        )
    )
    model.save_pretrained(directory)
    wrapped.save_pretrained(directory)
    return directory
