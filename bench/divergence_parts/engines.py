"""The benign engines: one model, run in the ways in which a provider may run it, always at temperature 0."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from divergence_parts.clock import now
from divergence_parts.corpus import Corpus, Generate, Reply, Said
from divergence_parts.deck import Conversation, Deck, conversations
from probes.catalog import CHANNELS
from probes.channels.benign import INT8_LEVELS, rounded
from probes.channels.config import WeightsConfig
from probes.channels.weights import Weights, WeightsChannel, open_weights
from watchdog.domain.exchanges import ChannelRole, FinishReason
from watchdog.errors import ChannelError
from watchdog.ports import Channel
from watchdog.rehearsal.stage import model_server

BATCH = 16
SHARED = 160
"""Conversations that every engine is asked; the others are its own."""
REPLIES = {"fp32": 500, "int8": 500, "batch16-fp32": 480, "batch16-bf16": 200, "bf16": 160, "serve-bf16": 160}
"""The benign engines and the replies of each."""
WHAT = {
    "fp32": "float32, in process, batches of equally long prompts",
    "int8": "weights of all linear layers but the last rounded to int8 by output channel, computed in float32",
    "batch16-fp32": "float32, left-padded batches of 16",
    "batch16-bf16": "bfloat16, left-padded batches of 16",
    "bf16": "bfloat16, in process, one at a time",
    "serve-bf16": "`transformers serve --dtype bfloat16`, one at a time",
    "int8-dynamic": "torch's dynamic quantisation: weights and activations in int8, one scale a tensor",
}
DYNAMIC = "int8-dynamic"
"""Not benign: it rounds so coarsely that it writes other replies. Kept apart, and reported as what it is."""


def benign(corpus: Corpus, deck: Deck, model: Path, direct: Weights, share: float) -> dict[str, list[Said]]:
    """Return the replies of every benign engine; `share` of them for a smaller run."""
    openers: dict[str, Callable[[], Generate]] = {
        "fp32": lambda: partial(equal_lengths, direct),
        "int8": lambda: partial(equal_lengths, rounded(direct, INT8_LEVELS)),
        "batch16-fp32": lambda: partial(padded, direct),
        "batch16-bf16": lambda: partial(padded, bfloat16(model)),
        "bf16": lambda: partial(singly, WeightsChannel(bfloat16(model), ChannelRole.DELIVERED, now)),
        "serve-bf16": lambda: partial(_served, model, corpus.folder),
    }
    return {
        name: corpus.said(name, conversations(deck, _seeds(number, round(share * REPLIES[name]), share)), opener)
        for number, (name, opener) in enumerate(openers.items(), 1)
    }


def invariance(corpus: Corpus, said: Sequence[Said], direct: Weights, count: int) -> tuple[int, int]:
    """Return how many of the first replies that were made in a batch are the same text when made alone."""
    asked = [it.conversation for it in said[:count]]
    channel = WeightsChannel(direct, ChannelRole.DELIVERED, now)
    alone = {it.reply.key: it.reply for it in corpus.said("fp32-alone", asked, lambda: partial(singly, channel))}
    return sum(alone.get(it.reply.key) == it.reply for it in said[:count]), len(asked)


def _seeds(number: int, count: int, share: float) -> list[int]:
    shared = min(round(share * SHARED), count)
    return [*range(shared), *range(1000 * number, 1000 * number + count - shared)]


def singly(channel: Channel, asked: Sequence[Conversation]) -> Iterator[Reply]:
    """Ask a channel, one conversation at a time."""
    for it in asked:
        try:
            exchange = channel.ask(it.request)
        except ChannelError:
            yield _reply(it, "", stopped=True)
        else:
            yield _reply(it, exchange.reply, stopped=exchange.finish is FinishReason.STOP)


def equal_lengths(weights: Weights, asked: Sequence[Conversation]) -> Iterator[Reply]:
    """Answer greedily, in batches of prompts that have the same number of tokens and so need no padding."""
    groups: dict[int, list[Conversation]] = defaultdict(list)
    for it in asked:
        groups[len(weights.prompt(it.request.messages))].append(it)
    for group in groups.values():
        ordered = sorted(group, key=lambda it: it.request.max_tokens)
        for start in range(0, len(ordered), BATCH):
            yield from _batch(weights, ordered[start : start + BATCH])


def padded(weights: Weights, asked: Sequence[Conversation]) -> Iterator[Reply]:
    """Answer greedily in left-padded batches of 16, as `generate` does."""
    ordered = sorted(asked, key=lambda it: it.request.max_tokens)
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        prompts = [weights.prompt(it.request.messages) for it in batch]
        longest = max(map(len, prompts))
        ids = torch.tensor([[weights.ends[0]] * (longest - len(it)) + list(it) for it in prompts])
        mask = torch.tensor([[0] * (longest - len(it)) + [1] * len(it) for it in prompts])
        most = max(it.request.max_tokens for it in batch)
        with torch.inference_mode():
            out = weights.model.generate(
                ids, attention_mask=mask, do_sample=False, max_new_tokens=most, pad_token_id=weights.ends[0]
            )
        yield from (spelled(weights, it, row[longest:].tolist()) for it, row in zip(batch, out, strict=True))


def dynamic(corpus: Corpus, deck: Deck, direct: Weights, count: int) -> list[Said]:
    """Return replies of the model under torch's dynamic quantisation."""
    seeds = range(7000, 7000 + count)
    return corpus.said(DYNAMIC, conversations(deck, seeds), lambda: partial(singly, _dynamic(direct)))


def _dynamic(weights: Weights) -> Channel:
    with _quiet():
        model = torch.ao.quantization.quantize_dynamic(weights.model, {torch.nn.Linear}, dtype=torch.qint8)
    return WeightsChannel(replace(weights, model=model), ChannelRole.DELIVERED, now)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # torch moves its quantisation to another package; what is measured is the arithmetic, not the package.
        warnings.simplefilter("ignore")
        yield


def _batch(weights: Weights, batch: Sequence[Conversation]) -> Iterator[Reply]:
    cache = weights.new_cache()
    step: list[list[int]] = [list(weights.prompt(it.request.messages)) for it in batch]
    said: list[list[int]] = [[] for _ in batch]
    for _ in range(max(it.request.max_tokens for it in batch)):
        tokens = weights.run(step, cache, last_only=True)[:, -1].argmax(dim=-1).tolist()
        for row, token in zip(said, tokens, strict=True):
            row.append(token)
        if all(set(row) & set(weights.ends) for row in said):
            break
        step = [[token] for token in tokens]
    yield from (spelled(weights, it, row) for it, row in zip(batch, said, strict=True))


def spelled(weights: Weights, asked: Conversation, tokens: Sequence[int]) -> Reply:
    """Return the reply in the tokens up to its end, or up to the most that were asked for."""
    tokens = tokens[: asked.request.max_tokens]
    end = next((n for n, token in enumerate(tokens) if token in weights.ends), None)
    text = weights.tokenizer.decode(tokens[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return _reply(asked, text, stopped=end is not None)


def _reply(asked: Conversation, text: str, *, stopped: bool) -> Reply:
    question, seed, tokens = asked.key
    return Reply(question=question, seed=seed, tokens=tokens, text=text, stopped=stopped)


def bfloat16(model: Path) -> Weights:
    """Load the model in bfloat16."""
    return open_weights(WeightsConfig(path=model, dtype="bfloat16"))


def _served(model: Path, logs: Path, asked: Sequence[Conversation]) -> Iterator[Reply]:
    logs.mkdir(parents=True, exist_ok=True)
    with model_server(model.absolute(), logs / "model-server.log") as server:
        kind = CHANNELS["openai"]
        settings = {"base-url": f"{server}/v1", "model": str(model.absolute()), "timeout-s": 600}
        opened = kind.open(kind.settings.model_validate(settings), ChannelRole.DELIVERED, now)
        try:
            yield from singly(opened.channel, asked)
        finally:
            opened.close()
