"""What pairs of requests and responses tell."""

from tests.unit.detectors.logs.samples import AT, PAIR, parse, told


def test_openai_pairs() -> None:
    query = parse("openai", PAIR)
    assert told(query) == {
        "at": AT,
        "id": "chatcmpl-1",
        "client": "88dc28d0",
        "endpoint": "/v1/chat/completions",
        "model": "gpt-4o",
        "status": 200,
        "prompt": "hi",
        "turns": 2,
        "prefill": True,
        "reply": "Yes.",
        "tokens_in": 8,
        "tokens_out": 3,
        "logit_bias": 1,
        "seed": 1,
    }


def test_openai_pairs_of_the_responses_api() -> None:
    body = {"model": "m", "instructions": "Be brief.", "input": "hi", "max_output_tokens": 9}
    output = [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]
    said = {"id": "resp_1", "created_at": 1764000000, "output": output, "usage": {"input_tokens": 1}}
    line = {
        "request": {"method": "POST", "url": "/v1/responses", "body": body},
        "response": {"status_code": 200, "body": said},
    }
    query = parse("openai", line)
    assert (query.system, query.prompt, query.reply, query.refused) == ("Be brief.", "hi", "No.", True)
    assert (query.at, query.tokens_in, query.max_tokens) == (1764000000.0, 1, 9)


def test_a_fine_tuning_job_has_the_examples_that_the_gateway_counted() -> None:
    job = PAIR | {
        "training_examples": 120,
        "request": {"method": "POST", "url": "/v1/fine_tuning/jobs", "body": {"model": "m", "training_file": "f"}},
        "response": {"status_code": 200, "body": {"id": "ftjob-1", "created_at": 1764000000}},
    }
    query = parse("openai", job)
    assert (query.endpoint, query.training_examples, query.id) == ("/v1/fine_tuning/jobs", 120, "ftjob-1")
