#!/usr/bin/env python3
"""TLS with programs that others wrote: openssl's s_client and s_server, Python's ssl and asyncio.

Gets the paths of tls_echo_server and tls_echo_client. Certificates are made by `openssl`.
"""
import asyncio
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

from driving import DEADLINE, Peer, Program, check, check_equal, run, run_tests

SERVER, CLIENT = sys.argv[1:3]
FILES = tempfile.TemporaryDirectory(prefix="cowire-tls-")
AT = pathlib.Path(FILES.name)
CA = AT / "ca.crt"


def openssl(*arguments, data=b"", may_fail=False):
    """Runs openssl; returns what it printed."""
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True,
                          timeout=DEADLINE, check=False)
    check(may_fail or done.returncode == 0,
          f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout + done.stderr


def make_certificates():
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    for name in ("ca", "other"):
        openssl("req", "-x509", *key, "-subj", f"/CN=Issuer {name}", "-keyout", AT / f"{name}.key",
                "-out", AT / f"{name}.crt")
    for name, alternatives in (("server", "DNS:localhost,IP:127.0.0.1"), ("alice", "DNS:alice")):
        openssl("req", *key[:-2], "-subj", f"/CN={name}", "-keyout", AT / f"{name}.key", "-out",
                AT / f"{name}.csr")
        extensions = AT / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\n")
        openssl("x509", "-req", "-in", AT / f"{name}.csr", "-CA", CA, "-CAkey", AT / "ca.key",
                "-CAcreateserial", "-days", "1", "-extfile", extensions, "-out",
                AT / f"{name}.crt")


class Server(Program):
    """A running tls_echo_server, on any free port."""

    def __init__(self, *more):
        super().__init__(SERVER, AT / "server.crt", AT / "server.key", "127.0.0.1", 0, *more)
        self.port = int(self.err.wait_for(r"Start serving at .*:(\d+)$")[1])


def context(version=None):
    made = ssl.create_default_context(cafile=CA)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


class TlsPeer(Peer):
    """A client's end of a TLS connection, made by Python's ssl."""

    def __init__(self, port, version=None):
        super().__init__(port)
        self.socket = context(version).wrap_socket(self.socket, server_hostname="localhost",
                                                   suppress_ragged_eofs=False)


def s_client(port, *more, data=b"hello\n", may_fail=False):
    """What the server answers to openssl's client, which stays until it has answered."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost",
               "-CAfile", str(CA), "-verify_return_error", "-quiet", *map(str, more)]
    # Unbuffered: what one that gave up did not take must not be written again by the close.
    with subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as client:
        watchdog = threading.Timer(DEADLINE, client.kill)
        watchdog.start()
        try:
            client.stdin.write(data)
            heard = b""
            while len(heard) < len(data):
                part = client.stdout.read(1 << 16)
                if not part:
                    break
                heard += part
            client.stdin.close()
            client.kill()
            client.wait()
        except BrokenPipeError:
            heard = b""
        finally:
            watchdog.cancel()
        errors = client.stderr.read().decode(errors="replace")
    check(may_fail or heard == data, f"s_client heard {heard!r}: {errors}")
    return heard


def s_client_talks_to_the_server():
    with Server() as server:
        for version in ("-tls1_2", "-tls1_3"):
            s_client(server.port, version)
            server.out.wait_for(r"TLSv1\.2" if version == "-tls1_2" else r"TLSv1\.3")
        lines = b"".join(b"line %d\n" % i for i in range(2000))
        s_client(server.port, data=lines)
        server.stop()


def versions_before_1_2_are_refused():
    with Server() as server:
        for version in ("-tls1", "-tls1_1"):
            check_equal(s_client(server.port, version, "-cipher", "ALL:@SECLEVEL=0",
                                 may_fail=True), b"", "an answer in an old version")
        server.err.wait_for(r"during TLS handshake")
        s_client(server.port)
        server.stop()


def certificates_of_clients():
    with Server(CA) as server:
        s_client(server.port, "-cert", AT / "alice.crt", "-key", AT / "alice.key")
        server.out.wait_for("CN=alice")
        check_equal(s_client(server.port, may_fail=True), b"", "an answer without a certificate")
        server.err.wait_for("peer did not return a certificate")
        status, out, errors = run(CLIENT, "127.0.0.1", server.port, "--ca", CA, "--identity",
                                  AT / "alice.crt", AT / "alice.key", "hi")
        check((status, out, errors) == (0, "> hi\n< hi\n", ""), f"{status} {out!r} {errors!r}")
        status, _, errors = run(CLIENT, "127.0.0.1", server.port, "--ca", CA, "hi")
        check(status == 1 and "certificate required" in errors, f"{status} {errors!r}")
        server.stop()


def the_client_trusts_only_whom_it_should():
    with Server() as server:
        for arguments, reason in ((["--ca", AT / "other.crt"], "unable to get local issuer"),
                                  ([], "unable to get local issuer")):
            status, _, errors = run(CLIENT, "127.0.0.1", server.port, *arguments, "hi")
            check(status == 1 and reason in errors and f":{server.port}" in errors
                  and "certificate is not accepted" in errors, f"{status} {errors!r}")
        # Whom the system trusts: OpenSSL lets the environment name them.
        status, out, errors = run("env", f"SSL_CERT_FILE={CA}", CLIENT, "127.0.0.1", server.port,
                                  "hi")
        check((status, out, errors) == (0, "> hi\n< hi\n", ""), f"{status} {out!r} {errors!r}")
        server.stop()


def the_client_talks_to_s_server():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Program("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert",
                 AT / "server.crt", "-key", AT / "server.key", "-rev") as server:
        server.out.wait_for("ACCEPT")
        status, out, errors = run(CLIENT, "localhost", port, "--ca", CA, "abc", "xyz")
        check((status, out, errors) == (0, "> abc\n< cba\n> xyz\n< zyx\n", ""),
              f"{status} {out!r} {errors!r}")


def python_talks_to_the_server():
    with Server() as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with TlsPeer(server.port, version) as peer:
                peer.send(b"one\ntwo\n")
                peer.expect(b"one\ntwo\n")
                for byte in b"byte by byte\n":
                    peer.send(bytes([byte]))
                peer.expect(b"byte by byte\n")
                peer.socket.unwrap()  # Says the end, and hears the server's.
        server.stop()


def much_is_echoed_in_both_directions_at_once():
    # With asyncio: two threads must not share one of Python's SSL sockets.
    lines = b"".join(b"%06d " % i + b"x" * 1000 + b"\n" for i in range(4000))

    async def talk(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context(),
                                                       server_hostname="localhost")

        async def send():
            for start in range(0, len(lines), 50_000):
                writer.write(lines[start:start + 50_000])
                await writer.drain()

        sending = asyncio.create_task(send())
        check_equal(await reader.readexactly(len(lines)), lines, "4 MB")
        await sending
        writer.close()
        await writer.wait_closed()

    with Server() as server:
        asyncio.run(asyncio.wait_for(talk(server.port), DEADLINE))
        server.stop()


def a_shutdown_says_the_end_in_tls():
    with Server() as server, TlsPeer(server.port) as peer:
        peer.send(b"hello\n")
        peer.expect(b"hello\n")
        server.send_signal(signal.SIGTERM)
        peer.expect_end()  # Raises if the connection is cut.
        peer.socket.close()
        check(server.wait() == 0, "the exit status")


def peers_that_cut_the_connection_do_no_harm():
    with Server() as server:
        for _ in range(20):
            peer = TlsPeer(server.port)
            peer.send(b"hello\n")
            peer.expect(b"hello\n")
            peer.socket.close()  # Without a word in TLS.
        for _ in range(20):
            TlsPeer(server.port).reset()
        for data in (b"", b"\x16\x03\x01", b"GET / HTTP/1.0\r\n\r\n", b"\x00" * 100):
            with Peer(server.port) as peer:
                peer.send(data)
                peer.send_end()
                peer.read_to_end()
        server.err.wait_for("this looks like an HTTP request, is it meant for another port")
        s_client(server.port)
        server.stop()


def a_client_sees_that_it_was_cut():
    """A server that ends the TCP connection without TLS's own end: perhaps not the server."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(AT / "server.crt", AT / "server.key")
    for says_the_end in (False, True):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with Program(CLIENT, "127.0.0.1", port, "--ca", CA, "hi") as client:
                listener.settimeout(DEADLINE)
                plain, _ = listener.accept()
                plain.settimeout(DEADLINE)
                secret = made.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
                check_equal(secret.recv(100), b"hi\n", "the line")
                if says_the_end:
                    secret.unwrap().close()
                else:
                    secret.close()
                status = client.wait()
            expected = "the peer ended the stream" if says_the_end else "without a close_notify"
            check(status == 1 and expected in client.err.lines[-1], f"{client.err.lines}")


def asyncio_streams_talk_to_the_server():
    async def talk(port, count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context(),
                                                       server_hostname="localhost")
        for i in range(count):
            writer.write(b"message %d\n" % i)
            await writer.drain()
            check_equal(await reader.readline(), b"message %d\n" % i, "the echo")
        writer.close()
        await writer.wait_closed()

    async def talk_all(port):
        await asyncio.wait_for(asyncio.gather(*(talk(port, 50) for _ in range(20))), DEADLINE)

    with Server() as server:
        asyncio.run(talk_all(server.port))
        server.stop()


def the_server_says_what_is_wrong():
    for arguments, text in (([AT / "no.crt", AT / "server.key"], "no.crt"),
                            ([AT / "server.crt", AT / "alice.key"], "private key cannot be used")):
        status, _, errors = run(SERVER, *arguments)
        check(status == 1 and text in errors, f"{status} {errors!r}")


make_certificates()
run_tests(
    s_client_talks_to_the_server,
    versions_before_1_2_are_refused,
    certificates_of_clients,
    the_client_trusts_only_whom_it_should,
    the_client_talks_to_s_server,
    python_talks_to_the_server,
    much_is_echoed_in_both_directions_at_once,
    a_shutdown_says_the_end_in_tls,
    peers_that_cut_the_connection_do_no_harm,
    a_client_sees_that_it_was_cut,
    asyncio_streams_talk_to_the_server,
    the_server_says_what_is_wrong,
)
