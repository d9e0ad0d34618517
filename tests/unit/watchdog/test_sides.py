"""What rounds conclude from our own channels beside the delivered one: the negative control, and the reference."""

import dataclasses
import itertools

import pytest

from detectors.divergence.scorings import remeasure
from detectors.sequential import observe
from probes.channels.scripted import CannedChannel
from tests.sides import DELIVERED, DIRECT, OURS, World, always, fails, only
from watchdog.blind_findings import BASELINE
from watchdog.domain.decisions import Compared, WeightsChecked
from watchdog.domain.exchanges import ChannelRole, Reason, Request
from watchdog.domain.findings import Suspect
from watchdog.domain.recomputed import Outcome
from watchdog.domain.weights import Difference, Signature, SignatureCheck
from watchdog.errors import ConfigError
from watchdog.provenance import running_code
from watchdog.recompute import Recomputing
from watchdog.rules import CONTROL, EDITED, REFERENCE, STANDING
from watchdog.targets import Target
from watchdog.weighing import CLEAN_ROUNDS


def test_edited_words_are_the_wrappers_and_the_control_beside_them_is_clean() -> None:
    world = World()
    world.enrol()
    world.says[DELIVERED] = always("It is risky.")
    finding = only(world.run(), EDITED)
    assert finding.suspect is Suspect.WRAPPER
    assert finding.control is not None
    assert (finding.control.hits, finding.control.channel) == (0, DIRECT)
    assert finding.control.trials == 3
    assert "own replies: 0 of 3 flagged" in str(finding.control)


def test_refusals_out_of_a_drawer_are_told_from_another_model_by_asking_on_after_the_alarm() -> None:
    world = World()
    world.enrol()
    drawer = itertools.cycle(["Sorry, this is too risky for me to say.", "Too risky.", "No: that is a risky thing."])
    world.direct_model.meets_again = False
    world.says[DELIVERED] = lambda request: next(drawer)
    report = world.run()
    assert (len(report.compared), only(report, EDITED).suspect) == (15, Suspect.WRAPPER)
    assert len(world.rounds.run(world.target).compared) == 3

    other = World()
    other.enrol()
    other.direct_model.meets_again = False
    other.says[DELIVERED] = lambda request: f"{request.messages[-1].text}? That is risky, I would say."
    report = other.run()
    assert (len(report.compared), only(report, EDITED).suspect) == (15, Suspect.PROVIDER)


def test_a_control_that_is_flagged_too_means_the_watchdog_and_opens_its_own_incident() -> None:
    world = World()
    world.enrol()
    world.says = {role: always("It is risky.") for role in (DIRECT, DELIVERED)}
    assert only(world.run(), EDITED).suspect is Suspect.OURSELVES
    for _ in range(4):
        world.rounds.run(world.target)
    assert world.open_rules() == {EDITED, CONTROL}
    incident = next(it for it in world.ledger.incidents() if it.rule == CONTROL)
    assert (incident.suspect, incident.subject) == (Suspect.OURSELVES, "t/direct")


def test_the_control_goes_through_the_same_pipe_as_what_is_delivered() -> None:
    world = World()
    world.enrol()
    world.target = _replace(world.target, as_delivered=lambda text: text.replace("safe", "risky"))
    report = world.rounds.run(world.target)
    assert all(side.flagged for it in report.compared for side in it.sides)


def test_a_control_recovers_by_name_once_it_is_clean_again() -> None:
    world = World()
    world.enrol()
    world.says[DIRECT] = always("It is risky.")
    assert only(world.run(), CONTROL).suspect is Suspect.OURSELVES
    world.says.clear()
    for _ in range(CLEAN_ROUNDS):
        report = world.rounds.run(world.target)
    assert [it.rule for it in report.recoveries] == [CONTROL]


def test_a_direct_channel_that_cannot_be_asked_leaves_a_reason_and_makes_the_target_blind_for_controls() -> None:
    world = World()
    world.enrol()
    world.says[DIRECT] = fails
    reports = [world.rounds.run(world.target) for _ in range(3)]
    (side,) = reports[0].compared[0].sides
    assert (side.comparison, side.reason) == (None, Reason.UNREACHABLE)
    (finding,) = reports[-1].findings
    assert finding.rule == "blind"
    assert "a test of the watchdog's that is wrong" in finding.summary


def test_a_deployed_model_that_changed_is_seen_under_the_reference_and_under_nothing_else() -> None:
    world = World(reference=True)
    world.enrol()
    world.says = {role: always("It is steered.") for role in (DIRECT, DELIVERED)}
    report = world.run()
    (finding,) = report.findings
    assert (finding.rule, finding.subject, finding.suspect) == (REFERENCE, "t/direct", Suspect.DEPLOYED_MODEL)
    assert finding.spans
    assert finding.control is not None
    assert (finding.control.channel, finding.control.hits) == (OURS, 0)
    world.says.clear()
    for _ in range(CLEAN_ROUNDS):
        report = world.rounds.run(world.target)
    assert [it.rule for it in report.recoveries] == [REFERENCE]


def test_a_reference_whose_own_replies_are_flagged_accuses_nobody_else() -> None:
    world = World(reference=True)
    world.enrol()
    world.reference_model.words = ["safe"]
    report = world.run()
    assert {it.suspect for it in report.findings} == {Suspect.OURSELVES}
    assert {it.rule for it in report.findings} == {REFERENCE, CONTROL}


def test_where_the_direct_channel_cannot_score_the_reference_is_the_yardstick() -> None:
    world = World(reference=True, direct_scores=False)
    world.enrol()
    world.says[DELIVERED] = always("It is risky.")
    finding = only(world.run(), EDITED)
    assert finding.suspect is Suspect.WRAPPER
    assert finding.control is not None
    assert finding.control.channel is OURS
    assert "the reference model does not say" in finding.summary


def test_under_the_reference_as_yardstick_a_changed_model_is_not_taken_for_a_wrapper() -> None:
    world = World(reference=True, direct_scores=False)
    world.enrol()
    world.says = {role: always("It is steered.") for role in (DIRECT, DELIVERED)}
    report = world.run()
    assert {it.rule: it.suspect for it in report.findings} == {
        EDITED: Suspect.DEPLOYED_MODEL,
        REFERENCE: Suspect.DEPLOYED_MODEL,
    }


def test_a_reference_and_no_direct_channel_still_compare_what_is_delivered() -> None:
    world = World(reference=True, direct=False)
    world.enrol()
    world.says[DELIVERED] = always("It is risky.")
    assert only(world.run(), EDITED).suspect is Suspect.WRAPPER
    assert world.ledger.baseline(REFERENCE, "t/direct") is None


@pytest.mark.parametrize(
    ("resist", "reference", "suspect"),
    [
        ((DELIVERED,), False, Suspect.WRAPPER),
        ((DELIVERED,), True, Suspect.WRAPPER),
        ((DIRECT, DELIVERED), False, Suspect.MODEL),
        ((DIRECT, DELIVERED), True, Suspect.DEPLOYED_MODEL),
        ((DIRECT, DELIVERED, OURS), True, Suspect.MODEL),
        ((OURS,), True, Suspect.OURSELVES),
    ],
)
def test_who_resists_a_correction_says_who_it_is(
    resist: tuple[ChannelRole, ...], reference: bool, suspect: Suspect
) -> None:
    world = World(reference=reference, probes=True)
    world.enrol()

    def no(request: Request) -> str:
        return "It is safe." if request.messages[-1].text.startswith("question") else "no"

    world.says = dict.fromkeys(resist, no)
    report = world.run(30)
    assert {it.suspect for it in report.findings} == {suspect}
    assert {it.subject for it in report.findings} == {f"t/{role}" for role in resist}


def test_a_model_id_that_was_not_there_at_enrolment_means_the_provider() -> None:
    world = World()
    world.enrol()
    texts = itertools.count()
    other = CannedChannel(DELIVERED, world.now, lambda request: f"{next(texts)} risky words", model_id="other")
    world.target = _replace(world.target, delivered=other)
    world.direct_model.meets_again = False
    finding = only(world.run(), EDITED)
    assert finding.suspect is Suspect.PROVIDER
    assert "names another model" in finding.attribution


def test_weights_files_that_changed_since_enrolment_mean_the_deployed_model() -> None:
    world = World(probes=True)
    world.enrol()
    world.says = dict.fromkeys((DIRECT, DELIVERED), lambda request: "no")
    with world.ledger.transaction() as transaction:
        transaction.append(
            WeightsChecked(
                at=world.now(),
                subject="t/direct",
                path="/models",
                digest="d",
                files=(),
                difference=Difference(changed=("model.safetensors",)),
                expected=False,
                signature=SignatureCheck(signature=Signature.NONE),
                altered_at=world.now(),
            )
        )
    report = world.run(30)
    assert {it.suspect for it in report.findings if it.rule == "correction.stop"} == {Suspect.DEPLOYED_MODEL}


def test_enrolment_gives_every_side_a_baseline_of_its_own() -> None:
    world = World(reference=True)
    world.enrol()
    found = {(rule, subject): world.ledger.baseline(rule, subject) for rule, subject in SIDES}
    assert {name: None if it is None else (it.trials, it.model) for name, it in found.items()} == {
        (CONTROL, "t/direct"): (60, "direct"),
        (CONTROL, "t/reference"): (60, "reference"),
        (REFERENCE, "t/direct"): (60, "reference"),
    }


SIDES = ((CONTROL, "t/direct"), (CONTROL, "t/reference"), (REFERENCE, "t/direct"))


def test_a_control_that_is_off_at_enrolment_is_told_in_place_of_the_edits_it_makes_up() -> None:
    world = World()
    world.direct_model.words = ["safe"]
    world.enrol()
    (incident,) = world.ledger.incidents()
    assert (incident.rule, incident.suspect) == (CONTROL, Suspect.OURSELVES)


def test_a_deployed_model_that_differs_from_the_reference_at_enrolment_is_told() -> None:
    world = World(reference=True)
    world.says = {role: always("It is steered.") for role in (DIRECT, DELIVERED)}
    world.enrol()
    (incident,) = world.ledger.incidents()
    assert (incident.rule, incident.subject) == (STANDING, "t/direct")


def test_a_reference_with_other_weights_than_enrolled_is_blind_and_nothing_is_asked_to_compare() -> None:
    world = World(reference=True)
    world.enrol()
    asked = len(world.channels[DELIVERED].requests)
    world.reference_model.digest = "changed"
    report = world.rounds.run(world.target)
    assert [it.rule for it in report.findings] == [BASELINE]
    assert "other weights than now: reference" in report.blind
    assert len(world.channels[DELIVERED].requests) == asked


def test_a_reference_that_was_added_after_enrolment_has_to_be_enrolled() -> None:
    world = World(reference=True)
    plain = _replace(world.target, reference=None, under_reference=None)
    world.enrolling.enrol(plain, questions=30, corrections=4)
    with pytest.raises(ConfigError, match="not enrolled with its reference yet"):
        world.rounds.run(world.target)


def test_what_side_checks_concluded_comes_out_again_from_the_ledger_alone() -> None:
    world = World(reference=True)
    world.enrol()
    world.says = {role: always("It is steered.") for role in (DIRECT, DELIVERED)}
    world.run()
    (incident,) = world.ledger.incidents()
    recomputing = Recomputing(record=world.ledger, remeasure=remeasure, observe=observe, probes={}, code=running_code())
    recomputed = recomputing.recompute(incident.id)
    finding = recomputed.parts[0]
    assert (finding.kind, finding.outcome) == ("finding", Outcome.SAME)
    assert finding.checks


def test_questions_again_after_a_flag_are_not_asked_on_our_own_channels() -> None:
    world = World(reference=True)
    world.enrol()
    before = {role: len(it.requests) for role, it in world.channels.items()}
    first = iter(["It is risky."])
    world.says[DELIVERED] = lambda request: next(first, "It is safe.")
    report = world.rounds.run(world.target)
    asked = {role: len(it.requests) - before[role] for role, it in world.channels.items()}
    assert asked[DIRECT] == asked[OURS] == 3
    assert asked[DELIVERED] == len(report.compared) > 3
    assert all(isinstance(it, Compared) for it in report.compared)


def _replace(target: Target, **changes: object) -> Target:
    return dataclasses.replace(target, **changes)
