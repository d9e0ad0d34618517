"""Real connections of a channel: whom it trusts, who it says it is, and the proxy it was told to go through."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from probes.channels.endpoint import Endpoint, open_endpoint
from probes.channels.openai import OpenAIConfig, codec
from tests.builders import NOW, request
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.errors import ChannelError, ConfigError

BODY = json.dumps({"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
Script = Callable[[socket.socket], None]
Serve = Callable[[Script], int]


class Authority:
    """Signs certificates, and writes them with their keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for tests")])
        self.bundle = folder / "ca.pem"
        self.bundle.write_bytes(self._certificate(self._name, self._key, authority=True).public_bytes(Encoding.PEM))

    def issue(self, name: str, password: bytes | None = None) -> tuple[Path, Path]:
        """Write a certificate for this machine and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(self._certificate(subject, key, authority=False).public_bytes(Encoding.PEM))
        locked: KeySerializationEncryption = BestAvailableEncryption(password) if password else NoEncryption()
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
        return files

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        today = datetime.now(UTC)
        signer = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder(subject_name=subject, issuer_name=self._name, public_key=key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - timedelta(days=1))
            .not_valid_after(today + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
            .sign(self._key, hashes.SHA256())
        )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server_tls(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server"))
    return context


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer one connection with a script; returns the port."""
    with contextlib.ExitStack() as stack:

        def start(script: Script) -> int:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def work() -> None:
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        script(connection)

            thread = threading.Thread(target=work)
            thread.start()
            stack.callback(thread.join, 5)
            return int(listener.getsockname()[1])

        yield start


def _receive(connection: socket.socket) -> None:
    """Take the whole request: what is left unread when a connection is closed breaks off the answer."""
    got = b""
    while not got.endswith(b"}"):
        got += connection.recv(65536)


def _answer(connection: socket.socket) -> None:
    _receive(connection)
    connection.sendall(ANSWER)


def _over_tls(context: ssl.SSLContext, script: Script = _answer) -> Script:
    def work(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            script(secure)

    return work


def _proxy(upstream: int, asked: list[bytes]) -> Script:
    """Carry one connection to a port: what a proxy does after CONNECT."""

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def work(connection: socket.socket) -> None:
        asked.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", upstream)) as onward:
            back = threading.Thread(target=carry, args=(onward, connection))
            back.start()
            carry(connection, onward)
            back.join(5)

    return work


def _open(base_url: str, **values: object) -> Endpoint:
    given = {name.replace("_", "-"): value for name, value in values.items()}
    config = OpenAIConfig.model_validate({"base-url": base_url, "model": "m", "timeout-s": 5, **given})
    return open_endpoint(config, codec(config), ChannelRole.DELIVERED, lambda: NOW)


def _reply(base_url: str, **values: object) -> str:
    with _open(base_url, **values) as channel:
        return channel.ask(request()).reply


def _reason(base_url: str, **values: object) -> Reason:
    with pytest.raises(ChannelError) as failure:
        _reply(base_url, **values)
    return failure.value.reason


def test_a_server_of_an_authority_in_the_bundle_is_trusted(
    serve: Serve, authority: Authority, server_tls: ssl.SSLContext
) -> None:
    port = serve(_over_tls(server_tls))

    assert _reply(f"https://127.0.0.1:{port}", ca_bundle=authority.bundle) == "Yes."


def test_a_server_of_an_authority_that_nobody_named_is_not_trusted(serve: Serve, server_tls: ssl.SSLContext) -> None:
    port = serve(_over_tls(server_tls))

    assert _reason(f"https://127.0.0.1:{port}") is Reason.UNREACHABLE


@pytest.mark.parametrize("shown", [True, False])
def test_a_server_that_wants_a_client_certificate_gets_the_one_that_is_configured(
    serve: Serve, authority: Authority, *, shown: bool
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.bundle))
    context.load_cert_chain(*authority.issue("strict-server"))
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.issue("client")
    base_url = f"https://127.0.0.1:{serve(_over_tls(context))}"

    if shown:
        files = {"client_cert": certificate, "client_key": key}
        assert _reply(base_url, ca_bundle=authority.bundle, **files) == "Yes."
    else:
        assert _reason(base_url, ca_bundle=authority.bundle) in {Reason.UNREACHABLE, Reason.MALFORMED}


def test_a_client_certificate_may_hold_its_key(serve: Serve, authority: Authority, tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.bundle))
    context.load_cert_chain(*authority.issue("asking-server"))
    context.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.issue("both")
    (tmp_path / "both.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
    base_url = f"https://127.0.0.1:{serve(_over_tls(context))}"

    assert _reply(base_url, ca_bundle=authority.bundle, client_cert=tmp_path / "both.pem") == "Yes."


def test_a_client_certificate_that_cannot_be_used_is_a_configuration_error(authority: Authority) -> None:
    certificate, key = authority.issue("locked", password=b"a password")
    _, other = authority.issue("other")

    for files in [
        {"client_cert": certificate, "client_key": key},
        {"client_cert": certificate, "client_key": other},
        {"client_cert": certificate},
        {"client_cert": certificate.with_name("nothing.pem")},
    ]:
        with pytest.raises(ConfigError, match="client-cert"):
            _open("https://127.0.0.1:1", **files)


def test_a_proxy_is_used_when_it_is_configured(serve: Serve, authority: Authority, server_tls: ssl.SSLContext) -> None:
    asked: list[bytes] = []
    server = serve(_over_tls(server_tls))
    proxy = f"http://127.0.0.1:{serve(_proxy(server, asked))}"

    assert _reply(f"https://127.0.0.1:{server}", proxy=proxy, ca_bundle=authority.bundle) == "Yes."
    assert asked[0].startswith(b"CONNECT 127.0.0.1:%d " % server)


def test_a_proxy_passes_on_what_needs_no_tls(serve: Serve) -> None:
    assert _reply("http://api.example.com/v1", proxy=f"http://127.0.0.1:{serve(_answer)}") == "Yes."


def test_a_proxy_that_refuses_or_is_not_there_is_unreachable(serve: Serve) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    proxy = f"http://127.0.0.1:{serve(refuse)}"
    assert _reason("https://api.example.com", proxy=proxy) is Reason.UNREACHABLE
    assert _reason("https://api.example.com", proxy="http://127.0.0.1:1") is Reason.UNREACHABLE


def test_a_server_that_drips_through_a_proxy_times_out_as_a_whole(
    serve: Serve, authority: Authority, server_tls: ssl.SSLContext
) -> None:
    def drip(connection: socket.socket) -> None:
        _receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        while True:
            connection.sendall(b": wait\n\n")
            time.sleep(0.02)

    server = serve(_over_tls(server_tls, drip))
    proxy = f"http://127.0.0.1:{serve(_proxy(server, []))}"
    base_url = f"https://127.0.0.1:{server}"
    started = time.monotonic()

    assert _reason(base_url, proxy=proxy, ca_bundle=authority.bundle, timeout_s=0.4) is Reason.TIMED_OUT
    assert time.monotonic() - started < 3


def test_a_stream_whose_connection_breaks_is_malformed(serve: Serve) -> None:
    def script(connection: socket.socket) -> None:
        _receive(connection)
        chunk = b'data: {"choices": [{"delta": {"content": "Yes"}}]}\n\n'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))

    assert _reason(f"http://127.0.0.1:{serve(script)}", stream=True) is Reason.MALFORMED


def test_a_stream_whose_connection_ends_early_is_malformed(serve: Serve) -> None:
    def script(connection: socket.socket) -> None:
        _receive(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        connection.sendall(b'data: {"choices": [{"delta": {"content": "Yes"}}]}\n\n')

    with pytest.raises(ChannelError, match="cut off") as failure:
        _reply(f"http://127.0.0.1:{serve(script)}", stream=True)
    assert failure.value.reason is Reason.MALFORMED
