"""A model that runs in this process, from weights on this machine; the hub is never asked.

Loading is expensive, so that a channel and a scorer share what `open_weights` returns.
"""

import hashlib
import inspect
import os
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probes.channels.config import WeightsConfig
from probes.integrity import weights_files
from probes.scorers.spelling import Spelling
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Reason, Request, SaidToken, Unsaid
from watchdog.domain.spoken_calls import spoken
from watchdog.domain.text import printable
from watchdog.domain.tools import Tool
from watchdog.domain.weights import digest_of
from watchdog.errors import ChannelError, ConfigError, InstallationError
from watchdog.ports import Clock

# Both are read when transformers is imported. `local_files_only` says the first one again at each call, but does not
# cover everything; the second keeps progress bars out of the daemon's log.
os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1")
try:
    import torch
    import transformers
    from safetensors import SafetensorError
    from torch import Tensor

    from probes.channels import template
except ImportError as exc:
    raise InstallationError(
        f"local weights need a package that is not installed: {exc.name}",
        hint="pip install 'corrigibility-watchdog[weights]'",
    ) from exc

_PARTS = frozenset({".json", ".jinja", ".model", ".safetensors", ".txt"})
"""Suffixes of the files in a transformers directory that make a model what it is."""
_WHERE = "name a transformers directory with safetensors weights, or a .gguf file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A loaded causal language model and its tokenizer, ready to run on the CPU."""

    name: str
    digest: str
    """SHA-256, in hex, over the configuration, the tokenizer and the weights as stored, and the precision."""
    files_digest: str
    """SHA-256, in hex, over all files at its path, as the integrity check makes it."""
    model: Any
    tokenizer: Any
    ends: tuple[int, ...]
    """Token ids that end a turn."""
    context: int | None
    """How many tokens a conversation may have; None when the model sets no limit."""
    busy: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """Held while the model runs: two runs at a time on the same cores are slower than one after the other."""

    @property
    def id(self) -> str:
        """The model id of its replies."""
        return f"{self.name}@{self.digest[:12]}"

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> tuple[int, ...]:
        """Return the tokens of a conversation, up to where the assistant begins to speak.

        Raises ValueError when the model's chat template does not allow the conversation.
        """
        return template.prompt(self.tokenizer, messages, tools)

    def new_cache(self) -> Any:
        """Return an empty store for what the model computed about the tokens before."""
        return transformers.DynamicCache(config=self.model.config)

    def shorten(self, cache: Any, tokens: int) -> bool:
        """Take the last tokens out of a store again; False when a model of this kind has no way back."""
        # Layers with a sliding window or a state have let go of what was before.
        if any(type(layer) is not transformers.cache_utils.DynamicLayer for layer in cache.layers):
            return False
        cache.crop(-tokens)
        return True

    def run(
        self,
        ids: Sequence[Sequence[int]],
        cache: Any,
        *,
        last_only: bool = False,
        mask: Sequence[Sequence[int]] | None = None,
    ) -> Tensor:
        """Return the logits (batch, token, vocabulary) after each token; extends the cache.

        `last_only` computes those after the last token and no others. `mask` has a 0 for each token, here or in the
        cache, that only fills up a shorter conversation on its left.
        """
        # transformers renamed the argument in the 5 series.
        name = "cache" if "cache" in inspect.signature(self.model.forward).parameters else "past_key_values"
        more: dict[str, Any] = {name: cache}
        if mask is not None:
            seen = torch.tensor(mask)
            more |= {"attention_mask": seen, "position_ids": (seen.cumsum(-1) - 1).clamp(min=0)[:, -len(ids[0]) :]}
        with torch.inference_mode():
            return self.model(torch.tensor(ids), use_cache=True, logits_to_keep=int(last_only), **more).logits

    def save(self, directory: Path) -> None:
        """Write a transformers directory, in the precision at hand and without any trace of a quantisation.

        Raises ConfigError when the directory is there already and not empty, or cannot be written.
        """
        settings = {k: v for k, v in self.model.config.to_dict().items() if k != "quantization_config"}
        with torch.device("meta"):  # the weights exist already
            plain = type(self.model)(type(self.model.config)(**settings))
        plain.load_state_dict(self.model.state_dict(), assign=True)
        partial = directory.with_name(f"{directory.name}.{secrets.token_hex(4)}")
        try:
            plain.save_pretrained(partial)
            self.tokenizer.save_pretrained(partial)
            partial.rename(directory)
        except (OSError, SafetensorError) as exc:
            hint = "name a new directory, on a disk with room for the weights"
            raise ConfigError(f"{directory} cannot be written: {exc}", hint=hint) from exc
        finally:
            shutil.rmtree(partial, ignore_errors=True)


class WeightsChannel:
    """Asks the model in this process; satisfies `ports.Channel`."""

    def __init__(self, weights: Weights, role: ChannelRole, clock: Clock) -> None:
        self.role = role
        self._weights = weights
        self._clock = clock
        self._spelling: Spelling | None = None

    def ask(self, request: Request) -> Exchange:
        """Return the model's next turn: its first choices at temperature 0, sampled from all tokens above it.

        Raises ChannelError when the model cannot take the conversation, or says nothing.
        """
        asked_at, started = self._clock(), time.monotonic()
        said, ended = self._speak(self._prompt(request), request)
        ids = [token for token, _ in said]
        reply = self._weights.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if not reply:
            raise self._error("answered with an empty text", Reason.EMPTY, "allow more tokens, or ask something else")
        # A call that is cut off is none: what is written of it stays in the text.
        reply, calls = spoken(reply) if request.tools else (reply, ())
        return Exchange(
            channel=self.role,
            request=request,
            reply=reply,
            finish=FinishReason.STOP if ended else FinishReason.LENGTH,
            model=self._weights.id,
            asked_at=asked_at,
            seconds=time.monotonic() - started,
            tokens_said=self._listed(said) if request.logprobs else Unsaid.NOT_ASKED,
            tool_calls=calls,
        )

    def _listed(self, said: Sequence[tuple[int, float]]) -> tuple[SaidToken, ...]:
        if self._spelling is None:  # made when it is first needed: it takes a second, and most never ask
            weights = self._weights
            self._spelling = Spelling(weights.tokenizer, weights.model.get_output_embeddings().weight.shape[0])
        vocabulary = self._spelling.vocabulary
        return tuple(SaidToken(text=vocabulary[token], logprob=logprob) for token, logprob in said)

    def _prompt(self, request: Request) -> tuple[int, ...]:
        try:
            prompt = self._weights.prompt(request.messages, request.tools)
        except ValueError as exc:
            raise self._error("refused the conversation", Reason.REJECTED, str(exc)) from exc
        context = self._weights.context
        if context is not None and len(prompt) >= context:
            problem = f"was asked {len(prompt)} tokens and takes fewer than {context}"
            raise self._error(problem, Reason.REJECTED, "shorten the conversation")
        return prompt

    def _speak(self, prompt: tuple[int, ...], request: Request) -> tuple[list[tuple[int, float]], bool]:
        """Return the tokens of one turn with their log probabilities, and whether the model ended it by itself."""
        chance = torch.Generator().manual_seed(secrets.randbits(63))
        limit = request.max_tokens
        if self._weights.context is not None:
            limit = min(limit, self._weights.context - len(prompt))
        said: list[tuple[int, float]] = []
        with self._weights.busy:
            cache = self._weights.new_cache()
            while len(said) < limit:
                last = [token for token, _ in said[-1:]]
                logits = self._weights.run([last or prompt], cache, last_only=True)[0, -1]
                if not logits.max().isfinite():
                    hint = "check the weights and the precision they are loaded in"
                    raise self._error("computed scores that are not finite", Reason.UNSCORABLE, hint)
                token = _pick(logits, request.temperature, chance)
                if token in self._weights.ends:
                    return said, True
                said.append((token, float(logits[token].float() - logits.float().logsumexp(-1))))
        return said, False

    def _error(self, what: str, reason: Reason, hint: str) -> ChannelError:
        return ChannelError(f"the {self.role} channel {what}", hint=hint, reason=reason)


def open_weights(config: WeightsConfig) -> Weights:
    """Load a model.

    Raises ConfigError when there is none at the path, or it is damaged, or was not made to hold a conversation.
    """
    torch.set_num_threads(config.threads)
    model, tokenizer = _load(config)
    if tokenizer.chat_template is None:
        hint = "use a model that was made for conversation (often named -Instruct or -Chat)"
        raise ConfigError(f"{config.path} has no chat template", hint=hint)
    ends = _ends(model, tokenizer)
    if not ends:
        raise ConfigError(f"{config.path} names no token that ends a turn", hint="set eos_token_id in its config.json")
    return Weights(
        name=config.path.resolve().name,
        digest=_digest(config),
        files_digest=digest_of(weights_files(config.path)),
        model=model,
        tokenizer=tokenizer,
        ends=ends,
        context=getattr(model.config.get_text_config(), "max_position_embeddings", None),
    )


def convert(gguf_file: Path, directory: Path) -> None:
    """Write a transformers directory, in float32, of the model in a GGUF file; model servers load it as it is.

    Raises ConfigError when the file is no such model, or the directory is there already and not empty.
    """
    open_weights(WeightsConfig(path=gguf_file)).save(directory)


def _load(config: WeightsConfig) -> tuple[Any, Any]:
    source = _source(config.path)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
        model, loading = transformers.AutoModelForCausalLM.from_pretrained(
            **source, dtype=getattr(torch, config.dtype), use_safetensors=True, output_loading_info=True
        )
    except Exception as exc:  # a damaged file makes transformers raise anything; it is one fault to us
        fault = f"{type(exc).__name__}: {printable(str(exc), 200)}"
        raise ConfigError(f"{config.path} cannot be loaded as a model: {fault}", hint=_WHERE) from exc
    lacking = sorted({*loading["missing_keys"], *(str(key) for key in loading["mismatched_keys"])})
    if lacking:  # transformers would fill these in by chance
        raise ConfigError(f"{config.path} lacks weights of its own model, e.g. {lacking[0]}", hint=_WHERE)
    return model.eval(), tokenizer


def _source(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ConfigError(f"there is no model at {path}", hint=_WHERE)
    if path.is_dir():
        return {"pretrained_model_name_or_path": path, "local_files_only": True}
    return {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name, "local_files_only": True}


def _ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Return every id that either the model or the tokenizer calls an end; they may know different ones."""
    known = model.generation_config.eos_token_id
    ends = {*(known if isinstance(known, list) else [known]), tokenizer.eos_token_id} - {None}
    return tuple(sorted(ends))


def _digest(config: WeightsConfig) -> str:
    path = config.path
    files = sorted(it for it in path.iterdir() if it.suffix in _PARTS) if path.is_dir() else [path]
    total = hashlib.sha256(config.dtype.encode())
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256")
        name = file.name if path.is_dir() else ""  # a GGUF file may be renamed and is still the same model
        total.update(b"\0" + name.encode() + b"\0" + content.digest())
    return total.hexdigest()


def _pick(logits: Tensor, temperature: float, chance: Any) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    return int(torch.multinomial(torch.softmax(logits.float() / temperature, dim=-1), 1, generator=chance))
