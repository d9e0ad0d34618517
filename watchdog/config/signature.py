"""Whose signature a model has to bear."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from watchdog.config.section import Section


class SignatureSettings(Section):
    """An OpenSSF model signature: by a key, or by an identity that a provider vouches for."""

    file: Path | None = None
    """Where it is; by default `model.sig` in the model's folder, or beside a model that is one file."""
    public_key: Path | None = None
    """The public key, as a PEM file."""
    identity: str | None = None
    """Who has to have signed it, as Sigstore's certificate names them."""
    identity_provider: str | None = None
    """The OpenID Connect issuer that vouches for them."""

    @model_validator(mode="after")
    def _says_whose(self) -> Self:
        if (self.public_key is None) == (self.identity is None):
            raise ValueError("exactly one of public-key and identity says whose signature it has to be")
        if (self.identity is None) != (self.identity_provider is None):
            raise ValueError("identity and identity-provider belong together")
        return self
