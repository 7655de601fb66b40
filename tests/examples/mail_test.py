#!/usr/bin/env python3
"""mail_server, which starts TLS when its clients ask for it: by Python's smtplib and openssl.

Gets the path of mail_server. The certificate is made by `openssl`.
"""
import pathlib
import smtplib
import ssl
import subprocess
import sys
import tempfile

from driving import DEADLINE, Peer, Program, check, check_equal, run_tests

SERVER = sys.argv[1]
FILES = tempfile.TemporaryDirectory(prefix="cowire-mail-")
CERTIFICATE = pathlib.Path(FILES.name) / "server.crt"
KEY = pathlib.Path(FILES.name) / "server.key"


def make_certificate():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", KEY, "-out",
                    CERTIFICATE], check=True, capture_output=True, timeout=DEADLINE)


class Server(Program):
    """A running mail_server, on any free port."""

    def __init__(self):
        super().__init__(SERVER, CERTIFICATE, KEY, "127.0.0.1", 0)
        self.port = int(self.err.wait_for(r"Start serving at .*:(\d+)$")[1])


def begun(peer):
    peer.expect(b"220 ready\r\n")
    peer.send(b"EHLO me\r\n")
    peer.expect(b"250-hello\r\n250 STARTTLS\r\n")


def smtplib_sends_mail():
    with Server() as server:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=DEADLINE) as client:
            client.ehlo()
            check(client.has_extn("STARTTLS"), "it offers TLS")
            code, _ = client.mail("me@example.org")
            check_equal(str(code), "530", "mail without TLS")
            client._host = "localhost"  # Whom the certificate names.
            client.starttls(context=ssl.create_default_context(cafile=CERTIFICATE))
            client.ehlo()
            check(not client.has_extn("STARTTLS"), "it does not offer TLS twice")
            client.sendmail("me@example.org", ["you@example.org", "they@example.org"],
                            "Subject: hello\n\nSee you.\n.\nA dot was there.\n\x1b]0;title\a\n")
        server.out.wait_for(r"from <me@example.org> to <you@example.org> <they@example.org>")
        server.out.wait_for(r"^\.$")
        server.out.wait_for(r"^A dot was there\.$")
        server.out.wait_for(r"^\?\]0;title\?$")  # No terminal shall obey it.
        server.stop()


def no_more_is_kept_than_fits():
    with Server() as server:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=DEADLINE) as client:
            client._host = "localhost"  # Whom the certificate names.
            client.starttls(context=ssl.create_default_context(cafile=CERTIFICATE))
            client.ehlo()
            line = "x" * 900 + "\r\n"
            client.mail("me@example.org")
            client.rcpt("you@example.org")
            code, _ = client.data(line * 1200 + "the end\r\n")
            check_equal(str(code), "552", "a mail of more than a megabyte")
            client.mail("me@example.org")
            codes = [client.rcpt("x" * 900)[0] for _ in range(40)]
            check_equal(str(sorted(set(codes))), "[250, 452]", "endless recipients")
            check_equal(str(codes), str(sorted(codes)), "those that fit come first")
            client.rset()
            client.sendmail("me@example.org", ["you@example.org"], "See you.\n")
        server.out.wait_for(r"^See you\.$")
        server.stop()
        check("the end" not in server.out.rest(), "what did not fit is not taken in part")


def s_client_starts_tls():
    with Server() as server:
        command = ["openssl", "s_client", "-starttls", "smtp", "-connect",
                   f"127.0.0.1:{server.port}", "-servername", "localhost", "-CAfile",
                   str(CERTIFICATE), "-verify_return_error", "-quiet"]
        done = subprocess.run(command, input=b"QUIT\r\n", capture_output=True, timeout=DEADLINE,
                              check=False)
        check_equal(done.stdout.decode().splitlines()[-1], "221 bye", "the last answer")
        server.stop()


def what_an_attacker_adds_is_not_handled():
    with Server() as server:
        for request in (b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n", b"STARTTLS\r\nM"):
            with Peer(server.port) as peer:
                begun(peer)
                peer.send(request)
                try:
                    check_equal(peer.read_to_end(), b"220 go ahead\r\n", "all that is answered")
                except ConnectionResetError:
                    pass  # It was faster than the answer.
        server.err.wait_for("plain text behind what started TLS")
        server.stop()


def plain_text_after_the_consent_is_no_tls():
    with Server() as server:
        with Peer(server.port) as peer:
            begun(peer)
            peer.send(b"STARTTLS\r\n")
            peer.expect(b"220 go ahead\r\n")
            peer.send(b"MAIL FROM:<evil@example.org>\r\n")
            check(b"250" not in peer.read_to_end(), "nothing is taken")
        server.err.wait_for("the peer does not speak TLS")
        server.stop()


make_certificate()
run_tests(
    smtplib_sends_mail,
    no_more_is_kept_than_fits,
    s_client_starts_tls,
    what_an_attacker_adds_is_not_handled,
    plain_text_after_the_consent_is_no_tls,
)
