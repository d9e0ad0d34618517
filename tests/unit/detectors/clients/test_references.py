from detectors.clients.references import HIGHEST, Cell, own_rate, rate_after_a_hit


def nobody(name: str) -> bool:
    return False


def cell(**clients: tuple[int, int]) -> Cell:
    return Cell(seen=sum(trials for _, trials in clients.values()), clients=dict(clients))


def alike(count: int, hits: int, trials: int) -> dict[str, tuple[int, int]]:
    return {f"c{number}": (hits, trials) for number in range(count)}


def test_one_client_that_is_always_hit_does_not_raise_the_rate_of_all() -> None:
    them = cell(**alike(30, 1, 60), odd=(60, 60))
    assert them.settle(0.02, nobody).p0 < 0.06


def test_a_client_with_evidence_against_it_teaches_nothing() -> None:
    them = cell(**alike(5, 0, 20), attacker=(20, 20))
    assert them.settle(0.02, lambda name: name == "attacker").hits == 0


def test_no_reference_is_below_its_floor_or_so_high_that_a_hit_says_nothing() -> None:
    assert cell(**alike(30, 0, 100)).settle(0.02, nobody).p0 == 0.02
    assert cell(**alike(30, 100, 100)).settle(0.02, nobody).p0 == HIGHEST


def test_no_client_has_more_than_its_part() -> None:
    them = Cell()
    for _ in range(50):
        them.learn("busy", 10, hit=True)
    assert them.clients == {"busy": (10, 10)}


def test_units_after_a_hit_have_the_rate_of_all_where_only_some_clients_are_hit_often() -> None:
    them = cell(**alike(20, 0, 50), often=(20, 50))
    assert rate_after_a_hit(cell(often=(8, 20)), them, 0.04, nobody) == 0.04


def test_units_after_a_hit_have_a_rate_of_their_own_where_hits_come_in_runs() -> None:
    them = cell(**alike(20, 2, 50))
    assert 0.6 < rate_after_a_hit(cell(**alike(20, 3, 5)), them, 0.06, nobody) < 0.8


def test_a_rate_of_its_own_takes_surprise_and_patience() -> None:
    assert own_rate(1, 20, 0.04) is None
    early, late = own_rate(8, 20, 0.04), own_rate(160, 400, 0.04)
    assert early is not None
    assert late is not None
    assert early == 0.25
    assert 0.4 < late < 0.5
