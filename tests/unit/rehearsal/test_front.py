"""What stands before the model in a rehearsal: a policy, answers kept ready, and a log that its readers understand."""

import json
from itertools import islice
from pathlib import Path

import httpx
import pytest

from detectors.logs.formats.catalog import AUTO, open_format
from probes.catalog import PROBES
from probes.questions import load_questions
from watchdog.rehearsal import flooding, traffic
from watchdog.rehearsal.gateway import Gateway
from watchdog.rehearsal.serving import serve


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a gateway whose model is gone: five customers' requests, a refused one, and one for the model."""
    path = tmp_path / "queries.jsonl"
    with Gateway("http://127.0.0.1:9", front=flooding.front(path)) as gateway, serve(gateway.app) as served:
        url = f"{served.base_url}/v1"
        assert traffic.send(url, "m", list(islice(traffic.ordinary(1), 5)), at_once=1) == 0
        assert traffic.send(url, "m", list(islice(traffic.flood(), 1))) == 1
        body = {"model": "m", "messages": [{"role": "user", "content": "Is it safe?"}]}
        answer = httpx.post(f"{url}/chat/completions", json=body, headers={"authorization": "Bearer secret-key"})
        assert answer.status_code == 502
    return path


def test_every_request_is_in_the_log_as_its_readers_understand_it(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    form = open_format(AUTO, None, lines).format
    queries = [query for line in lines for query in form.parse(line)]
    assert form.name == "openai"
    assert len(queries) == 7
    assert [it.refused for it in queries] == [None] * 5 + [True, None]
    assert queries[5].client == traffic.FLOODER.name
    assert queries[6].status == 502
    assert all(it.prompt and it.address == "127.0.0.1" for it in queries)


def test_no_key_is_in_the_log(log: Path) -> None:
    text = log.read_text()
    assert "secret-key" not in text
    assert not [it.key for it in traffic.ACCOUNTS if it.key in text]


def test_the_same_seed_asks_the_same(log: Path) -> None:
    assert list(islice(traffic.ordinary(7), 50)) == list(islice(traffic.ordinary(7), 50))
    asked = [json.loads(line)["request"]["body"]["messages"][-1]["content"] for line in log.read_text().splitlines()]
    assert asked[:5] == [text for _, text in islice(traffic.ordinary(1), 5)]


def test_the_policy_refuses_the_flood_and_nothing_else() -> None:
    assert all(traffic.POLICY.search(text) for _, text in traffic.flood())
    ours = [it.text for it in load_questions().draw(1, 40)]
    for probe in (make() for make in PROBES.values()):
        cases = (probe.render(arm, seed) for arm in probe.arms for seed in range(10))
        ours += [message.text for case in cases for message in case.request.messages]
    assert not [text for text in ours if traffic.POLICY.search(text)]
    assert not [text for _, text in islice(traffic.ordinary(1), 400) if traffic.POLICY.search(text)]
