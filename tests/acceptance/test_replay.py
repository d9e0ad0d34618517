"""`logs replay` as somebody runs it on the first day: on the logs there are, without any configuration."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import query_logs
from tests.query_logs import WITH_TEXT, WRITERS, attacked, burst, flood, ordinary, write
from tests.running import COMMAND, Ran, run

ASKED = attacked()
CALM = list(ordinary(3_000))
CONFIG = """
ledger: {folder}/ledger.sqlite
targets:
  - name: chat
    delivered: {{kind: openai, base-url: 'http://127.0.0.1:9/v1', model: m}}
query-logs:
  - name: gateway
    paths: ['{folder}/*.jsonl']
    {more}
"""


def _replay(*arguments: str | Path) -> Ran:
    return run("logs", "replay", *arguments)


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three thousand requests with a flood in the last tenth, as LiteLLM logs them."""
    return write(tmp_path_factory.mktemp("logs") / "gateway.jsonl", ASKED)


@pytest.mark.parametrize("form", WITH_TEXT)
def test_a_flood_is_found_and_explained_in_every_format_that_tells_texts(form: str, tmp_path: Path) -> None:
    ran = _replay(write(tmp_path / "log", ASKED, form))
    assert ran.code == 1, ran.said
    assert re.search(rf"\b{form}\b", ran.out)
    for told in ("Found something", "boundary_flood", "key-flood", "Since", "█", "by chance", "[e-mail]", "What now"):
        assert told in ran.out, (told, ran.out)
    assert "@example.com" not in ran.out
    assert not {client for client in query_logs.CLIENTS if f" {client} " in ran.out}, ran.out


@pytest.mark.parametrize("form", sorted(set(WRITERS) - set(WITH_TEXT)))
def test_a_format_without_texts_is_read_and_says_who_is_blind(form: str, tmp_path: Path) -> None:
    ran = _replay(write(tmp_path / "log", burst(), form), "--json")
    report = json.loads(ran.out)
    looked = {it["rule"]: it for it in report["detectors"]}
    assert ran.code == 1, ran.said
    assert report["read"]["files"][0]["format"] == form
    assert looked["rate_burst"]["state"] == "looking"
    assert looked["boundary_flood"]["state"] == "blind"
    assert any("reply" in it for it in looked["boundary_flood"]["missing"])
    assert {(it["rule"], it["client"]) for it in report["found"]} == {("rate_burst", "203.0.113.9")}


def test_an_ordinary_log_is_clean_and_the_report_says_what_could_not_be_seen(tmp_path: Path) -> None:
    ran = _replay(write(tmp_path / "log", CALM))
    assert ran.code == 0, ran.said
    assert "Nothing found by boundary_flood" in ran.out
    assert "harmful_finetune could not" in ran.out
    assert "training_examples" in ran.out


def test_a_handful_of_requests_is_no_clean_bill(tmp_path: Path) -> None:
    ran = _replay(write(tmp_path / "log", CALM[:40]))
    assert ran.code == 3, ran.said
    assert "not the same as nothing wrong" in " ".join(ran.out.split())
    assert "--reference" in ran.out


def test_a_short_recording_is_read_a_second_time_with_a_shorter_warm_up(tmp_path: Path) -> None:
    calm = CALM[:900]
    short = write(tmp_path / "log", [*calm, *flood(14, begin=calm[-1].at)])
    ran = _replay(short)
    assert ran.code == 1, ran.said
    assert "Warm-up" in ran.out
    assert "boundary_flood" in ran.out
    assert json.loads(_replay(short, "--warm-up", "2000", "--json").out)["warm_up"] is None


def test_a_warm_up_that_a_configuration_names_is_not_shortened(tmp_path: Path) -> None:
    short = write(tmp_path / "log", [*CALM[:900], *flood(14, begin=CALM[899].at)])
    config = tmp_path / "watchdog.yaml"
    config.write_text(CONFIG.format(folder=tmp_path, more="warm-up: 2000"))
    report = json.loads(_replay(short, "--config", config, "--json").out)
    assert (report["warm_up"], report["outcome"]) == (None, "not_evaluated")


def test_other_traffic_can_be_learned_from(tmp_path: Path) -> None:
    known, short = (
        write(tmp_path / "week.jsonl", CALM),
        write(tmp_path / "now.jsonl", list(flood(40, begin=CALM[-1].at))),
    )
    report = json.loads(_replay(short, "--reference", known, "--json").out)
    assert report["reference"]["requests"] == 3_000
    assert report["read"]["requests"] == 40
    assert [it["client"] for it in report["found"] if it["rule"] == "boundary_flood"] == ["key-flood"]


def test_files_are_read_in_the_order_of_their_first_requests_packed_or_not(tmp_path: Path) -> None:
    begin, middle, end = ASKED[:1_000], ASKED[1_000:2_000], ASKED[2_000:]
    names = [write(tmp_path / "c.log", begin), write(tmp_path / "b.log", middle), write(tmp_path / "a.log", end)]
    packed = tmp_path / "b.log.gz"
    packed.write_bytes(gzip.compress(names[1].read_bytes()))
    report = json.loads(_replay(names[2], packed, names[0], "--json").out)
    assert [Path(it["path"]).name for it in report["read"]["files"]] == ["c.log", "b.log.gz", "a.log"]
    assert report["read"]["requests"] == len(ASKED)
    assert report["outcome"] == "found"


def test_a_pipe_is_read_like_a_file(flooded: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "logs", "replay", "-", "--json"],
        input=flooded.read_bytes(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == b""
    (file,) = json.loads(done.stdout)["read"]["files"]
    assert (file["path"], file["requests"]) == ("-", len(ASKED))


def test_the_page_is_whole_and_is_not_overwritten_by_accident(flooded: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ran = _replay(flooded, "--report", "html", "--output", page)
    assert ran.code == 1
    assert str(page) in ran.out
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert page.stat().st_mode & 0o077 == 0
    assert "@example.com" not in page.read_text()
    before = page.read_text()
    again = _replay(flooded, "--report", "html", "--output", page)
    assert (again.code, page.read_text()) == (2, before)
    assert "--force" in again.err
    assert _replay(flooded, "--report", "html", "--output", page, "--force", "--show-text").code == 1
    assert "@example.com" in page.read_text()


def test_a_mapping_reads_a_format_of_ones_own(tmp_path: Path) -> None:
    log, mapping = tmp_path / "own.log", tmp_path / "mapping.yaml"
    lines = ({"when": it.at, "who": {"key": it.client}, "q": it.prompt, "a": it.reply} for it in ASKED)
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    unknown = _replay(log)
    assert unknown.code == 3, unknown.said
    assert "--mapping" in unknown.out
    assert "its first line has the keys when, who, q, a" in " ".join(unknown.out.split())
    mapping.write_text("at: when\nclient: who.key\nprompt: q\nreply: a\n")
    ran = _replay(log, "--mapping", mapping)
    assert ran.code == 1, ran.said
    assert "boundary_flood" in ran.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at: when\nwho: x\n", "no field is called 'who'"),
        ("client: x\n", "has no `at`"),
        ("at: a..b\n", "expected keys"),
        ("[1, 2]", "is no mapping"),
        ("a: [", "is no YAML"),
    ],
)
def test_a_wrong_mapping_is_a_usage_error_that_says_what_is_wrong(
    flooded: Path, tmp_path: Path, text: str, said: str
) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(text)
    ran = _replay(flooded, "--mapping", mapping)
    assert ran.code == 2
    assert said in ran.err


def test_a_configuration_says_how_to_judge(flooded: Path, tmp_path: Path) -> None:
    config = tmp_path / "watchdog.yaml"
    config.write_text(CONFIG.format(folder=tmp_path, more="detectors: [rate_burst]"))
    ran = _replay(flooded, "--config", config, "--json")
    assert [it["rule"] for it in json.loads(ran.out)["detectors"]] == ["rate_burst"]
    assert ran.code == 0, ran.said
    assert not (tmp_path / "ledger.sqlite").exists()
    assert _replay(flooded, "--config", config, "--log", "other").code == 2
    assert _replay(flooded, "--log", "gateway").code == 2


def test_half_of_the_lines_may_be_hostile(tmp_path: Path) -> None:
    log = query_logs.with_hostile_lines(tmp_path / "log", ASKED)
    report = json.loads(_replay(log, "--json").out)
    assert report["read"]["requests"] == len(ASKED)
    assert sum(report["read"]["malformed"].values()) == len(ASKED)
    assert {it["client"] for it in report["found"]} >= {"key-flood"}
    (doubtful,) = report["about_the_log"]
    assert doubtful["rule"] == "log_integrity"
    assert "not JSON" in _replay(log).out


@pytest.mark.parametrize("content", [b"", bytes(range(256)) * 400, b"a\nb\nc\n" * 50, b"\n\n\n", b"{}\n" * 100])
def test_what_is_no_log_is_not_evaluated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    ran = _replay(path)
    assert ran.code == 3, ran.said
    assert "not the same as nothing wrong" in " ".join(ran.out.split())


def test_files_that_cannot_be_read_are_all_named_before_anything_is_read(flooded: Path, tmp_path: Path) -> None:
    ran = _replay(flooded, tmp_path / "no\x1b[31m such.jsonl", tmp_path)
    assert (ran.code, ran.out) == (4, "")
    assert "does not exist" in ran.err
    assert "is a folder" in ran.err


def test_a_file_that_this_user_may_not_read_is_named(flooded: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.jsonl"
    path.write_bytes(flooded.read_bytes())
    path.chmod(0)
    command = [*COMMAND, "logs", "replay", str(path)]
    if os.geteuid() == 0:
        # Root without the capabilities that let it read everything.
        if shutil.which("setpriv") is None:
            pytest.skip("root reads every file, and `setpriv` is not there to make it less")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "may not be read by this user" in done.stderr


WRONG = (
    ("--format", "nonsense"),
    ("--format", "mapping"),
    ("--format", "nginx", "--mapping", "x"),
    ("--report", "pdf"),
    ("--warm-up", "0"),
    ("--output", "/nowhere/at/all.html"),
)


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_usage_is_said_before_anything_is_read(flooded: Path, arguments: tuple[str, ...]) -> None:
    ran = _replay(flooded, *arguments)
    assert ran.code == 2
    assert ran.err
    assert ran.out == ""


def test_a_broken_pipe_ends_it_quietly(flooded: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -c '{COMMAND[2]}' logs replay {flooded} | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("Found something")
    assert done.stderr == ""
