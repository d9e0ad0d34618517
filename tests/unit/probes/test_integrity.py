"""Reading the files of a model."""

import hashlib
import os
from pathlib import Path

import pytest

from probes.integrity import weights_files
from watchdog.domain.weights import difference
from watchdog.errors import ConfigError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "shards").mkdir(parents=True)
    (folder / "config.json").write_bytes(b"{}")
    (folder / "shards" / "one.safetensors").write_bytes(b"\0" * 3_000_000)
    return folder


def test_every_file_is_named_with_its_sha256(model: Path) -> None:
    config, shard = weights_files(model)
    assert (config.path, config.sha256) == ("config.json", hashlib.sha256(b"{}").hexdigest())
    assert (shard.path, shard.sha256) == ("shards/one.safetensors", hashlib.sha256(b"\0" * 3_000_000).hexdigest())


def test_a_model_that_is_one_file_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF")
    (file,) = weights_files(tmp_path / "tiny.gguf")
    assert file.path == "tiny.gguf"


def test_changed_missing_and_added_files_are_told_apart(model: Path) -> None:
    before = weights_files(model)
    with (model / "shards" / "one.safetensors").open("r+b") as stream:
        stream.seek(1_234_567)
        stream.write(b"\1")  # one byte of three million
    (model / "config.json").unlink()
    (model / "extra.txt").write_text("new")
    found = difference(before, weights_files(model))
    assert (found.changed, found.missing, found.added) == (
        ("shards/one.safetensors",),
        ("config.json",),
        ("extra.txt",),
    )


def test_a_link_is_followed_and_named_and_its_target_counts(model: Path, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"weights")
    (model / "linked.safetensors").symlink_to(tmp_path / "blob")
    before = weights_files(model)
    linked = next(it for it in before if it.path == "linked.safetensors")
    assert linked.link == str(tmp_path / "blob")
    assert linked.sha256 == hashlib.sha256(b"weights").hexdigest()

    (tmp_path / "blob").write_bytes(b"others!")
    assert difference(before, weights_files(model)).changed == ("linked.safetensors",)


def test_a_linked_folder_is_read_and_a_circle_of_links_ends(model: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "two.safetensors").write_bytes(b"2")
    (model / "linked").symlink_to(tmp_path / "elsewhere")
    (model / "shards" / "up").symlink_to(model)
    assert [it.path for it in weights_files(model)] == [
        "config.json",
        "linked/two.safetensors",
        "shards/one.safetensors",
    ]


def test_a_name_that_is_no_utf_8_can_be_recorded(model: Path) -> None:
    Path(os.fsdecode(os.fsencode(model) + b"/caf\xe9")).write_bytes(b"")
    assert next(it.path for it in weights_files(model)) == "caf\\xe9"


@pytest.mark.parametrize("fault", ["gone", "empty", "broken link", "pipe"])
def test_what_cannot_be_read_is_a_problem_and_not_a_digest(model: Path, tmp_path: Path, fault: str) -> None:
    path = model
    match fault:
        case "gone":
            path = tmp_path / "nowhere"
        case "empty":
            path = tmp_path / "void"
            path.mkdir()
        case "broken link":
            (model / "lost").symlink_to(tmp_path / "nowhere")
        case "pipe":
            os.mkfifo(model / "pipe")
    with pytest.raises(ConfigError, match=r"cannot be read|holds no file"):
        weights_files(path)
