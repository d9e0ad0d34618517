"""What other distributions add by entry point: channels, probes, formats of logs."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.logs.formats.catalog import FORMATS
from detectors.logs.formats.guess import guess
from probes.catalog import CHANNELS, PROBES, ChannelKind
from probes.stop import StopProbe
from watchdog.domain.exchanges import ChannelRole
from watchdog.errors import InstallationError
from watchdog.plugins import Extensible

CHANNEL = """
from typing import Literal

from probes.catalog import over_http
from probes.channels import completions
from probes.channels.codec import Codec, bearer
from probes.channels.config import HttpConfig


class AcmeConfig(HttpConfig):
    kind: Literal["acme"] = "acme"
    tenant: str


def codec(config):
    return Codec(
        path=f"/{config.tenant}/chat",
        authorize=bearer,
        write=lambda request: completions.write(request, limit="max_tokens", stream=config.stream),
        read=completions.read,
        read_stream=completions.read_stream,
    )


KIND = over_http(AcmeConfig, codec)
"""
PROBE = """
from probes.stop import StopProbe


class AcmeProbe(StopProbe):
    family = "acme"
"""
FORMAT = """
from watchdog.domain.queries import Query


class Acme:
    name = "acme"
    fields = frozenset({"client"})

    def recognises(self, line):
        return line.startswith(b"acme ")

    def parse(self, line):
        _, at, client = line.split()
        return [Query(at=float(at), client=client.decode())]
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution with one module and its entry points on the path."""

    def work(name: str, module: str, points: str) -> None:
        folder = tmp_path / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points)
        module_name = f"{name}_{tmp_path.name}"
        (folder / f"{module_name}.py").write_text(module)
        (info / "entry_points.txt").write_text(points.replace("MODULE", module_name))
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, module_name, raising=False)

    return work


def _again(catalog: Extensible[ChannelKind] | object) -> Extensible[object]:
    """Return the same catalog as a new process would see it."""
    assert isinstance(catalog, Extensible)
    return Extensible(catalog._built_in, group=catalog._group, fault=catalog._fault, page=catalog._page)


def _formats(points: str) -> str:
    return f"[corrigibility_watchdog.log_formats]\n{points}\n"


def _channels(points: str) -> str:
    return f"[corrigibility_watchdog.channels]\n{points}\n"


def test_a_distribution_adds_a_channel(install: Install) -> None:
    install("acme", CHANNEL, _channels("acme = MODULE:KIND"))
    channels = _again(CHANNELS)
    kind = channels["acme"]

    assert set(channels) == {*CHANNELS, "acme"}
    assert isinstance(kind, ChannelKind)
    config = kind.settings.model_validate({"kind": "acme", "base-url": "https://acme.example.com", "tenant": "t"})
    opened = kind.open(config, ChannelRole.DELIVERED, lambda: pytest.fail("nothing is asked"))
    opened.close()
    assert opened.channel.role is ChannelRole.DELIVERED


def test_a_distribution_adds_a_probe(install: Install) -> None:
    install("acme", PROBE, "[corrigibility_watchdog.probes]\nacme = MODULE:AcmeProbe\n")

    assert set(_again(PROBES)) == {*PROBES, "acme"}


def test_nothing_is_loaded_before_somebody_looks(install: Install) -> None:
    install("acme", "raise RuntimeError('too early')", _channels("acme = MODULE:KIND"))

    channels = _again(CHANNELS)

    with pytest.raises(InstallationError, match="RuntimeError"):
        channels["acme"]


@pytest.mark.parametrize(
    ("module", "points", "said"),
    [
        ("raise RuntimeError('\\x1b[2J no licence')", "acme = MODULE:KIND", "cannot be loaded: RuntimeError"),
        ("", "acme = MODULE:KIND", "cannot be loaded: AttributeError"),
        ("", "acme = no_such_module_here:KIND", "cannot be loaded: ModuleNotFoundError"),
        ("KIND = 7", "acme = MODULE:KIND", "it is no ChannelKind"),
        (CHANNEL, "other = MODULE:KIND", r"is not Literal\['other'\]"),
        (CHANNEL, "openai = MODULE:KIND", "the name is taken by corrigibility-watchdog itself"),
    ],
)
def test_an_entry_point_that_cannot_be_used_is_refused_with_the_name_of_its_distribution(
    install: Install, module: str, points: str, said: str
) -> None:
    install("acme", module, _channels(points))

    with pytest.raises(InstallationError, match=f"the distribution acme adds .*{said}") as failure:
        list(_again(CHANNELS))
    assert "acme" in failure.value.hint
    assert failure.value.problem.isprintable()


def test_two_distributions_with_one_name_are_both_told(install: Install) -> None:
    for name in ("acme", "bolt"):
        install(name, CHANNEL, _channels("acme = MODULE:KIND"))

    with pytest.raises(InstallationError, match=r"the distribution bolt adds 'acme'.* taken by acme"):
        list(_again(CHANNELS))


@pytest.mark.parametrize("module", ["AcmeProbe = 7", "def AcmeProbe(): return 7", PROBE.replace('"acme"', '"other"')])
def test_a_probe_that_is_none_is_refused(install: Install, module: str) -> None:
    install("acme", module, "[corrigibility_watchdog.probes]\nacme = MODULE:AcmeProbe\n")

    with pytest.raises(InstallationError, match="the distribution acme"):
        list(_again(PROBES))


def test_a_distribution_adds_a_format_of_logs_which_can_be_guessed(install: Install) -> None:
    install("acme", FORMAT, _formats("acme = MODULE:Acme"))
    formats = _again(FORMATS)

    assert guess([b"acme 17 alice"] * 3, formats).name == "acme"
    (query,) = formats["acme"]().parse(b"acme 17 alice")
    assert (query.at, query.client) == (17.0, "alice")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("Acme = 7", "does not make a format"),
        ("def Acme(): return 7", "no `parse`, or no frozenset `fields`"),
        (FORMAT.replace("frozenset(", "set("), "no `parse`, or no frozenset `fields`"),
        (FORMAT.replace('"acme"', '"other"'), "is called 'other'"),
        (FORMAT.replace("class Acme:", "class Acme:\n    x = 1 / 0"), "cannot be loaded: ZeroDivisionError"),
    ],
)
def test_a_format_that_is_none_is_refused_with_the_page_that_says_what_it_has_to_be(
    install: Install, module: str, said: str
) -> None:
    install("acme", module, _formats("acme = MODULE:Acme"))

    with pytest.raises(InstallationError, match=f"the distribution acme adds .*{said}") as failure:
        list(_again(FORMATS))
    assert "docs/query-logs.md" in failure.value.hint


def test_a_catalog_is_a_mapping() -> None:
    catalog = Extensible({"stop": StopProbe}, group="corrigibility_watchdog.nothing", fault=lambda *_: None, page="")

    assert dict(catalog) == {"stop": StopProbe}
    assert len(catalog) == 1
    assert "other" not in catalog
