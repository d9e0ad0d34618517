"""Check the signature of a model as OpenSSF model signing makes them: the only module that knows its library."""

import base64
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from watchdog.config.signature import SignatureSettings
from watchdog.domain.text import printable
from watchdog.domain.weights import Signature, SignatureCheck

INSTALL = "pip install 'corrigibility-watchdog[signatures]'"


class Verifier(Protocol):
    """Checks a signature; raises whatever it likes when it does not hold."""

    def verify(self, model_path: Path, signature_path: Path) -> object:
        """Return when the signature fits the model's files and was made by the right one."""
        ...


def signature_path(model: Path, settings: SignatureSettings | None) -> Path:
    """Return where the signature of a model is looked for."""
    if settings is not None and settings.file is not None:
        return settings.file
    return model / "model.sig" if model.is_dir() else model.with_name(model.name + ".sig")


def why_unchecked(model: Path, settings: SignatureSettings | None) -> str:
    """Say why a signature that is there, or is asked for, cannot be checked; empty when nothing stands in the way."""
    why = _why_not_whose(model, settings)
    if not why and settings is not None and importlib.util.find_spec("model_signing") is None:
        return f"signature not checked: install model-signing ({INSTALL})"
    return why


def check_signature(
    model: Path,
    settings: SignatureSettings | None,
    verifier: Callable[[SignatureSettings], Verifier] | None = None,
) -> SignatureCheck:
    """Return what the signature of a model says; reads the model's files once more, because the signature names them.

    Never raises: what stands in the way of checking is told as such, and everything else means it is invalid.
    """
    why = why_unchecked(model, settings) if verifier is None else _why_not_whose(model, settings)
    if why:
        return SignatureCheck(signature=Signature.UNCHECKED, why=why)
    if settings is None:
        return SignatureCheck(signature=Signature.NONE)
    try:
        # Parts of it may be missing although it is there: version 1.1.1 does not say that it needs pyOpenSSL.
        (verifier or _OpenSsf)(settings).verify(model, signature_path(model, settings))
    except ImportError as exc:
        why = f"signature not checked: model-signing lacks a part ({exc.name}): {INSTALL}"
        return SignatureCheck(signature=Signature.UNCHECKED, why=why)
    except Exception as exc:  # noqa: BLE001 - the library raises whatever its parts do, and a signature is hostile input
        fault = f"{type(exc).__name__}: {printable(str(exc), 300)}"
        if _is_in_the_way(exc):
            return SignatureCheck(signature=Signature.UNCHECKED, why=f"signature not checked: {fault}")
        return SignatureCheck(signature=Signature.INVALID, why=fault)
    return SignatureCheck(signature=Signature.VERIFIED, why=f"by {settings.public_key or settings.identity}")


def _why_not_whose(model: Path, settings: SignatureSettings | None) -> str:
    path = signature_path(model, settings)
    match path.exists(), settings:
        case True, None:
            return f"signature not checked: {path.name} is there; say in `signature:` whose it should be"
        case False, SignatureSettings():
            return f"signature not checked: there is none at {path}"
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class _OpenSsf:
    """The library's own verifier, told what its command line tells it: the signature is no part of the model."""

    settings: SignatureSettings

    def verify(self, model_path: Path, signature_path: Path) -> None:
        from model_signing import hashing, verifying  # noqa: PLC0415 - an optional package that loads many others

        config: Any = verifying.Config()
        if self.settings.public_key is not None:
            config.use_elliptic_key_verifier(public_key=self.settings.public_key)
        else:
            config.use_sigstore_verifier(identity=self.settings.identity, oidc_issuer=self.settings.identity_provider)
        # What is said about hashing is believed for now: the same bytes are verified before anything is compared.
        made = json.loads(base64.b64decode(json.loads(signature_path.read_bytes())["dsseEnvelope"]["payload"]))
        how = made["predicate"]["serialization"]
        hashed: Any = hashing.Config()
        if how["method"] == "shards":
            hashed.use_shard_serialization(hashing_algorithm=how["hash_type"], shard_size=int(how["shard_size"]))
        else:
            hashed.use_file_serialization(hashing_algorithm=how["hash_type"])
        inside = [signature_path.name] if signature_path.resolve().parent == model_path.resolve() else []
        hashed.set_ignored_paths(paths=inside).set_allow_symlinks(bool(how["allow_symlinks"]))
        config.set_hashing_config(hashed).verify(model_path, signature_path)


def _is_in_the_way(exc: Exception) -> bool:
    """Tell what keeps a signature from being checked from what is wrong with it."""
    try:
        from sigstore.errors import NetworkError, TUFError  # noqa: PLC0415 - comes with model_signing
    except ImportError:
        return isinstance(exc, OSError)
    return isinstance(exc, OSError | NetworkError | TUFError)
