import subprocess
import sys

import pytest

from detectors.catalog import DETECTORS, blind_rules, watch_clients
from detectors.clients import state
from detectors.clients.making import SIGNALS
from watchdog.alarm_words import FEATURES, RULES
from watchdog.domain.queries import FIELDS, Looking
from watchdog.errors import ConfigError

METADATA = frozenset({"address", "agent", "endpoint", "status", "id"})


def test_the_catalog_and_the_detectors_are_the_same() -> None:
    assert set(DETECTORS) == set(SIGNALS) == set(RULES)


def test_the_catalog_loads_nothing_heavy() -> None:
    code = "import sys, detectors.catalog; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"msgspec", "river", "numpy", "pydantic"} & set(loaded)


def test_what_a_detector_needs_is_what_its_kinds_need() -> None:
    for name, make in SIGNALS.items():
        for any_of in DETECTORS[name].needs:
            assert all(any(it <= any_of for it in kind.needs) for kind in make().kinds), (name, any_of)


def test_a_log_of_metadata_alone_leaves_only_the_rate() -> None:
    assert set(DETECTORS) - set(blind_rules(METADATA)) == {"rate_burst"}
    assert blind_rules(FIELDS) == {}
    assert blind_rules(frozenset({"client", "prompt"}), ["boundary_flood"]) == {"boundary_flood": "refused or reply"}


def test_the_shares_of_the_blind_go_to_the_others_at_the_start() -> None:
    all_of_them = watch_clients(log="l", fields=FIELDS, tickets_per_week=7.0, pages_per_year=365.25 / 7)
    assert {it.tickets for it in all_of_them.allowances.values()} == {1.0}
    assert sum(it.pages or 0.0 for it in all_of_them.allowances.values()) == pytest.approx(1.0)
    one = watch_clients(log="l", fields=METADATA, tickets_per_week=7.0)
    assert one.allowances["rate_burst"].tickets == 7.0
    assert {it.looking for it in one.standing() if it.rule != "rate_burst"} == {Looking.BLIND}


def test_where_only_fine_tuning_jobs_are_told_there_is_nothing_to_warm_up() -> None:
    watch = watch_clients(log="l", fields=frozenset({"client", "training_examples"}), detectors=["harmful_finetune"])
    assert [(it.rule, it.looking) for it in watch.standing()] == [("harmful_finetune", Looking.LOOKING)]


def test_a_detector_that_there_is_not_is_an_error_that_names_the_others() -> None:
    with pytest.raises(ConfigError, match="no detector 'flood'") as caught:
        watch_clients(log="l", fields=FIELDS, detectors=["flood"])
    assert "boundary_flood" in caught.value.hint


def test_the_features_that_are_handed_on_and_those_that_have_plain_words_are_the_same() -> None:
    assert sorted(state.FEATURES) == sorted(FEATURES)
