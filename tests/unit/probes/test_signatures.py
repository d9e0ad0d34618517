"""What the signature of a model says; with the real library where it is installed, and a stand-in for it elsewhere."""

import importlib.util
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from probes.signatures import INSTALL, check_signature, why_unchecked
from watchdog.config.signature import SignatureSettings
from watchdog.domain.weights import Signature


class Verifier:
    """Raises what a test wants."""

    def __init__(self, raises: Exception | None) -> None:
        self.raises = raises

    def verify(self, model_path: Path, signature_path: Path) -> None:
        assert signature_path.exists()
        if self.raises is not None:
            raise self.raises


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "model.sig").write_text("{}")
    return folder


SETTINGS = SignatureSettings.model_validate({"public-key": "maker.pub"})


@pytest.mark.parametrize(
    ("raises", "expected"),
    [
        (None, Signature.VERIFIED),
        (ValueError("Signature mismatch: ['Hash mismatch']"), Signature.INVALID),
        (KeyError("mediaType"), Signature.INVALID),
        (FileNotFoundError("maker.pub"), Signature.UNCHECKED),
        (ConnectionError("no network"), Signature.UNCHECKED),
    ],
)
def test_only_what_stands_in_the_way_is_unchecked(model: Path, raises: Exception | None, expected: Signature) -> None:
    assert check_signature(model, SETTINGS, lambda _: Verifier(raises)).signature is expected


def test_a_model_without_a_signature_that_needs_none_has_none(model: Path) -> None:
    (model / "model.sig").unlink()
    assert check_signature(model, None).signature is Signature.NONE


def test_a_signature_that_should_be_there_and_is_not_is_unchecked(model: Path) -> None:
    (model / "model.sig").unlink()
    found = check_signature(model, SETTINGS)
    assert found.signature is Signature.UNCHECKED
    assert "there is none at" in found.why


def test_a_signature_that_nobody_asked_about_is_told(model: Path) -> None:
    assert "say in `signature:` whose it should be" in why_unchecked(model, None)


def test_a_model_that_is_one_file_has_its_signature_beside_it(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    (tmp_path / "tiny.gguf.sig").write_text("{}")
    found = check_signature(tmp_path / "tiny.gguf", SETTINGS, lambda _: Verifier(None))
    assert found.signature is Signature.VERIFIED


def test_without_the_library_it_says_what_to_install(model: Path) -> None:
    if importlib.util.find_spec("model_signing") is not None:
        pytest.skip("the library is installed")
    found = check_signature(model, SETTINGS)
    assert found.signature is Signature.UNCHECKED
    assert INSTALL in found.why


def test_a_library_that_lacks_a_part_has_checked_nothing(model: Path) -> None:
    lacks = ModuleNotFoundError("No module named 'OpenSSL'", name="OpenSSL")
    found = check_signature(model, SETTINGS, lambda _: Verifier(lacks))
    assert found.signature is Signature.UNCHECKED
    assert "OpenSSL" in found.why


def _key_pair(folder: Path, name: str) -> SignatureSettings:
    """Write a private key, and return settings that name its public one."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pem").write_bytes(private)
    (folder / f"{name}.pub").write_bytes(public)
    return SignatureSettings.model_validate({"public-key": str(folder / f"{name}.pub")})


@pytest.mark.parametrize("how", ["files", "shards", "as its command line does", "one file"])
def test_a_real_signature_holds_until_a_byte_changes(tmp_path: Path, how: str) -> None:
    signing = pytest.importorskip("model_signing.signing")
    hashing = pytest.importorskip("model_signing.hashing").Config()
    model = tmp_path / "model"
    file = model if how == "one file" else model / "model.safetensors"
    signature = tmp_path / "model.sig" if how == "one file" else model / "model.sig"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"weights" * 1000)
    if how == "shards":
        hashing.use_shard_serialization(shard_size=1000)
    if how == "as its command line does":
        hashing.set_ignored_paths(paths=["model.sig"])
    maker, other = _key_pair(tmp_path, "maker"), _key_pair(tmp_path, "other")
    signer = signing.Config().use_elliptic_key_signer(private_key=tmp_path / "maker.pem")
    signer.set_hashing_config(hashing).sign(model, signature)

    lost = SignatureSettings.model_validate({"public-key": str(tmp_path / "lost.pub")})
    assert check_signature(model, maker).signature is Signature.VERIFIED
    assert check_signature(model, other).signature is Signature.INVALID
    assert check_signature(model, lost).signature is Signature.UNCHECKED

    file.write_bytes(b"weighty" * 1000)
    assert check_signature(model, maker).signature is Signature.INVALID
    file.write_bytes(b"weights" * 1000)
    if how != "one file":
        (model / "added.bin").write_bytes(b"x")
        assert check_signature(model, maker).signature is Signature.INVALID
        (model / "added.bin").unlink()
    assert check_signature(model, maker).signature is Signature.VERIFIED
    signature.write_text("{")
    assert check_signature(model, maker).signature is Signature.INVALID
