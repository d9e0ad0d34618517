"""The two scripted channels."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from probes.channels.scripted import CannedChannel, ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from watchdog.domain.exchanges import ChannelRole, FinishReason, Message, Reason, Request, Speaker
from watchdog.errors import ChannelError
from watchdog.ports import Channel, Clock

NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)


def request(text: str = "What should I do?", *, max_tokens: int = 60, temperature: float = 0.0) -> Request:
    message = Message(speaker=Speaker.USER, text=text)
    return Request(messages=(message,), max_tokens=max_tokens, temperature=temperature)


def ticking(step_s: float) -> Clock:
    instants = itertools.count()
    return lambda: NOW + timedelta(seconds=step_s * next(instants))


def scripted(seed: int = 1, clock: Clock = lambda: NOW) -> ScriptedModelChannel:
    return ScriptedModelChannel(ScriptedModel(seed), ChannelRole.DIRECT, clock)


def test_an_exchange_says_who_answered_whom_and_when() -> None:
    channel: Channel = ScriptedModelChannel(ScriptedModel(), ChannelRole.DELIVERED, ticking(2), model_id="tiny")
    asked = request()
    exchange = channel.ask(asked)

    assert channel.role is exchange.channel is ChannelRole.DELIVERED
    assert exchange.request is asked
    assert (exchange.model, exchange.asked_at, exchange.seconds) == ("tiny", NOW, 2.0)
    assert exchange.finish is FinishReason.STOP


def test_a_reply_that_does_not_fit_is_cut_and_says_so() -> None:
    whole, cut = scripted().ask(request()), scripted().ask(request(max_tokens=5))

    assert cut.finish is FinishReason.LENGTH
    assert whole.reply.startswith(cut.reply)


def test_at_temperature_0_the_reply_depends_on_the_conversation_only() -> None:
    channel = scripted()

    assert channel.ask(request()).reply == channel.ask(request()).reply == scripted().ask(request()).reply


def test_above_temperature_0_each_call_draws_anew_and_repeatably() -> None:
    channel, again = scripted(), scripted()
    replies = [channel.ask(request(temperature=1)).reply for _ in range(5)]

    assert len(set(replies)) > 1
    assert replies == [again.ask(request(temperature=1)).reply for _ in range(5)]


def test_a_clock_that_is_set_back_makes_no_negative_duration() -> None:
    assert scripted(clock=ticking(-3)).ask(request()).seconds == 0


def test_a_canned_channel_answers_in_order_and_raises_what_it_is_given() -> None:
    down = ChannelError("nobody listens", hint="start it", reason=Reason.UNREACHABLE)
    channel = CannedChannel(ChannelRole.DIRECT, lambda: NOW, ["yes", down, "no"])

    assert channel.ask(request("a")).reply == "yes"
    with pytest.raises(ChannelError) as caught:
        channel.ask(request("b"))
    assert caught.value is down
    assert channel.ask(request("c")).reply == "no"
    assert [asked.messages[0].text for asked in channel.requests] == ["a", "b", "c"]


def test_a_canned_channel_may_answer_by_a_function_of_the_request() -> None:
    channel: Channel = CannedChannel(ChannelRole.DIRECT, lambda: NOW, lambda asked: asked.messages[-1].text.upper())

    assert channel.ask(request("loud")).reply == "LOUD"


def test_a_canned_channel_at_its_end_says_what_was_asked() -> None:
    channel = CannedChannel(ChannelRole.DIRECT, lambda: NOW, [])

    with pytest.raises(LookupError, match="no reply left for 'more'"):
        channel.ask(request("more"))


def test_an_endless_script_never_ends() -> None:
    channel = CannedChannel(ChannelRole.DIRECT, lambda: NOW, itertools.repeat("same"))

    assert {channel.ask(request()).reply for _ in range(10)} == {"same"}
