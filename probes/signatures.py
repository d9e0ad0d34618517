"""Check the signature of a model as OpenSSF model signing makes them: the only module that knows its library."""

import importlib.util
from pathlib import Path
from typing import Any

from watchdog.config.signature import SignatureSettings
from watchdog.domain.text import printable
from watchdog.domain.weights import Signature, SignatureCheck

INSTALL = "pip install 'corrigibility-watchdog[signatures]'"


def signature_path(model: Path, settings: SignatureSettings | None) -> Path:
    """Return where the signature of a model is looked for."""
    if settings is not None and settings.file is not None:
        return settings.file
    return model / "model.sig" if model.is_dir() else model.with_name(model.name + ".sig")


def why_unchecked(model: Path, settings: SignatureSettings | None) -> str:
    """Say why a signature that is there, or is asked for, cannot be checked; empty when nothing stands in the way."""
    path = signature_path(model, settings)
    if not path.exists():
        return "" if settings is None else f"signature not checked: there is none at {path}"
    if settings is None:
        return f"signature not checked: {path.name} is there; say in `signature:` whose it should be"
    if importlib.util.find_spec("model_signing") is None:
        return f"signature not checked: install model-signing ({INSTALL})"
    return ""


def check_signature(model: Path, settings: SignatureSettings | None) -> SignatureCheck:
    """Return what the signature of a model says; reads the model's files once more, because the signature names them.

    Never raises: what stands in the way of checking is told as such, and everything else means it is invalid.
    """
    why = why_unchecked(model, settings)
    if why:
        return SignatureCheck(signature=Signature.UNCHECKED, why=why)
    if settings is None:
        return SignatureCheck(signature=Signature.NONE)
    try:
        _verifier(settings).verify(model, signature_path(model, settings))
    except Exception as exc:  # noqa: BLE001 - the library raises whatever its parts do, and a signature is hostile input
        fault = f"{type(exc).__name__}: {printable(str(exc), 300)}"
        if _is_in_the_way(exc):
            return SignatureCheck(signature=Signature.UNCHECKED, why=f"signature not checked: {fault}")
        return SignatureCheck(signature=Signature.INVALID, why=fault)
    return SignatureCheck(signature=Signature.VERIFIED, why=f"by {settings.public_key or settings.identity}")


def _verifier(settings: SignatureSettings) -> Any:
    from model_signing import verifying  # noqa: PLC0415 - an optional package that loads many others

    config = verifying.Config()
    if settings.public_key is not None:
        return config.use_elliptic_key_verifier(public_key=settings.public_key)
    return config.use_sigstore_verifier(identity=settings.identity, oidc_issuer=settings.identity_provider)


def _is_in_the_way(exc: Exception) -> bool:
    """Tell what keeps a signature from being checked from what is wrong with it."""
    from sigstore.errors import NetworkError, TUFError  # noqa: PLC0415 - comes with model_signing

    return isinstance(exc, OSError | NetworkError | TUFError)
