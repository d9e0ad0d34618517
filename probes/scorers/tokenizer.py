"""A model's tokenizer without its weights: what is needed to have replies scored by an engine elsewhere."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.scorers.spelling import Spelling, unscorable
from watchdog.domain.exchanges import Message
from watchdog.domain.text import printable
from watchdog.errors import ConfigError, InstallationError

# All are read when transformers is imported: nothing is asked of a hub, and torch may well be missing here.
os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TRANSFORMERS_NO_ADVISORY_WARNINGS="1")
try:
    import transformers

    from probes.channels import template
except ImportError as exc:
    raise InstallationError(
        f"scoring on an engine needs a package that is not installed: {exc.name}",
        hint="pip install 'corrigibility-watchdog[tokenizer]'",
    ) from exc

_PARTS = frozenset({".json", ".jinja", ".model", ".txt"})
_WHERE = "name a transformers directory that has at least tokenizer.json and the chat template"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTokenizer:
    """A tokenizer, its chat template, and the tokens that end a turn."""

    digest: str
    """SHA-256, in hex, over the files it was read from."""
    spelling: Spelling
    ends: tuple[int, ...]
    """Token ids that end a turn, the tokenizer's own first."""
    special: Mapping[str, int]
    """The ids of special tokens, by the text that stands for them."""
    inner: Any

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Return the tokens of a conversation, up to where the assistant begins to speak.

        Raises ScoringError (unscorable) when the chat template does not allow it.
        """
        try:
            return template.prompt(self.inner, messages)
        except ValueError as exc:
            raise unscorable(str(exc), hint="compare with questions of one user message only") from exc


def open_tokenizer(directory: Path) -> LocalTokenizer:
    """Read a tokenizer; weights that lie beside it are not looked at.

    Raises ConfigError when there is none, or it was not made to hold a conversation.
    """
    if not directory.is_dir():
        raise ConfigError(f"there is no tokenizer at {directory}", hint=_WHERE)
    try:
        found = transformers.AutoTokenizer.from_pretrained(directory, local_files_only=True)
        settings = [_read(directory / name) for name in ("config.json", "generation_config.json")]
    except Exception as exc:  # a damaged file makes transformers raise anything; it is one fault to us
        fault = f"{type(exc).__name__}: {printable(str(exc), 200)}"
        raise ConfigError(f"{directory} cannot be loaded as a tokenizer: {fault}", hint=_WHERE) from exc
    if found.chat_template is None:
        hint = "use the tokenizer of a model that was made for conversation (often named -Instruct or -Chat)"
        raise ConfigError(f"{directory} has no chat template", hint=hint)
    ends = _ends(found, settings)
    if not ends:
        raise ConfigError(f"{directory} names no token that ends a turn", hint="set eos_token in tokenizer_config.json")
    special = {token.content: number for number, token in found.added_tokens_decoder.items() if token.special}
    spelling = Spelling(found, max(len(found), *(_vocabulary_size(it) for it in settings)))
    return LocalTokenizer(digest=_digest(directory), spelling=spelling, ends=ends, special=special, inner=found)


def _read(file: Path) -> Mapping[str, Any]:
    settings = json.loads(file.read_bytes()) if file.exists() else {}
    if not isinstance(settings, dict):
        raise TypeError(f"{file.name} is no JSON object")
    return settings


def _ends(tokenizer: Any, settings: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """Return every id that either the tokenizer or the model's settings call an end; they may know different ones."""
    named = [it.get("eos_token_id") for it in settings]
    known = [tokenizer.eos_token_id, *(end for it in named for end in (it if isinstance(it, list) else [it]))]
    return tuple(dict.fromkeys(end for end in known if type(end) is int))


def _vocabulary_size(settings: Mapping[str, Any]) -> int:
    found = settings.get("vocab_size")
    return found if type(found) is int else 0


def _digest(directory: Path) -> str:
    total = hashlib.sha256()
    for file in sorted(it for it in directory.iterdir() if it.suffix in _PARTS):
        total.update(b"\0" + file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
