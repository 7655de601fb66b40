#!/usr/bin/env python3
"""Holds the conversations of a client that knows RFC 959 with ftp_server, to the byte. Gets its
path."""
import signal
import socket
import sys

from driving import Conversation, Peer, Program, check, check_equal, run, run_tests, tool

FTP_SERVER = sys.argv[1]

READY = b"220 Service ready for new user.\r\n"
OKAY = b"200 Command okay.\r\n"
GOODBYE = b"221 Service closing control connection.\r\n"
NOT_AVAILABLE = b"421 Service not available, closing control connection.\r\n"
UNRECOGNIZED = b"500 Syntax error, command unrecognized.\r\n"
BAD_PARAMETERS = b"501 Syntax error in parameters or arguments.\r\n"
NOT_IMPLEMENTED = b"502 Command not implemented.\r\n"

# What each command line is answered. RFC 959, section 5.3.1, is the list of commands.
WITHOUT_PARAMETER = "ABOR CDUP PASV PWD REIN STOU SYST".split()
WITH_PARAMETER = ("ACCT ALLO APPE CWD DELE MKD MODE PASS PORT REST RETR RMD RNFR RNTO SITE SMNT "
                  "STOR STRU TYPE USER").split()
WITH_OR_WITHOUT = "HELP LIST NLST STAT".split()

TRANSCRIPT = [
    (b"NOOP", OKAY), (b"noop", OKAY), (b"nOoP", OKAY), (b"NOOP ", OKAY),
    (b"NOOP now", BAD_PARAMETERS), (b"quit now", BAD_PARAMETERS),
    (b"USER joe", NOT_IMPLEMENTED), (b"user joe", NOT_IMPLEMENTED), (b"USER", BAD_PARAMETERS),
    (b"STOR a file of mine", NOT_IMPLEMENTED), (b"LIST", NOT_IMPLEMENTED),
    (b"hello", UNRECOGNIZED), (b"HELLO there", UNRECOGNIZED), (b"", UNRECOGNIZED),
    (b" NOOP", UNRECOGNIZED), (b"NOO", UNRECOGNIZED), (b"NOOPS", UNRECOGNIZED),
    (b"NOOP\tnow", UNRECOGNIZED), (b"\xff\xf4\xff\xf2ABOR", UNRECOGNIZED),
    (b"\x00", UNRECOGNIZED), ("ÜSER joe".encode(), UNRECOGNIZED), (b"GET / HTTP/1.1", UNRECOGNIZED),
    (b"NOOP", OKAY),
]
TRANSCRIPT += [(name.encode(), NOT_IMPLEMENTED) for name in WITHOUT_PARAMETER + WITH_OR_WITHOUT]
TRANSCRIPT += [(f"{name} x".encode(), NOT_IMPLEMENTED) for name in WITH_PARAMETER + WITH_OR_WITHOUT]
TRANSCRIPT += [(name.lower().encode(), BAD_PARAMETERS) for name in WITH_PARAMETER]
TRANSCRIPT += [(f"{name} x".lower().encode(), BAD_PARAMETERS) for name in WITHOUT_PARAMETER]
TRANSCRIPT += [(b"quit", GOODBYE)]

SENT = b"".join(line + b"\r\n" for line, _ in TRANSCRIPT)
RECEIVED = READY + b"".join(reply for _, reply in TRANSCRIPT)


class Server(Program):
    """A running ftp_server, on any free port."""

    def __init__(self):
        super().__init__(FTP_SERVER, "127.0.0.1", 0)
        self.port = int(self.err.wait_for(r"Start serving at .*:(\d+)$")[1])

    def complaints(self):
        return [line for line in self.err.lines if not line.startswith("cowire info: ")]


def with_server(test):
    """Runs the test with a server, which must end well, and without a complaint, after it."""
    def with_one():
        with Server() as server:
            test(server)
            server.stop()
            check_equal(server.complaints(), [], "the complaints")
    with_one.__name__ = test.__name__
    return with_one


def all_commands_are_known():
    check(len(WITHOUT_PARAMETER + WITH_PARAMETER + WITH_OR_WITHOUT) == 33 - 2, "NOOP and QUIT")


def each_line_gets_its_reply(server):
    with Peer(server.port) as peer:
        peer.expect(READY)
        for line, reply in TRANSCRIPT:
            peer.send(line + b"\r\n")
            peer.expect(reply)
        peer.expect_end()


def lines_may_come_in_any_pieces(server):
    with Peer(server.port) as peer:  # pipelined
        peer.send(SENT)
        check_equal(peer.read_to_end(), RECEIVED, "all at once")
    with Peer(server.port) as peer:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in SENT:
            peer.send(bytes([byte]))
        check_equal(peer.read_to_end(), RECEIVED, "one byte at a time")
    with Peer(server.port) as peer:  # as people type it into netcat
        peer.send(SENT.replace(b"\r\n", b"\n"))
        check_equal(peer.read_to_end(), RECEIVED, "without carriage returns")


def quit_is_the_last_word(server):
    with Peer(server.port) as peer:
        peer.send(b"NOOP\r\nQUIT\r\nNOOP\r\nNOOP\r\n")
        check_equal(peer.read_to_end(), READY + OKAY + GOODBYE, "after QUIT")


def a_long_line_is_a_syntax_error(server):
    with Peer(server.port) as peer:
        peer.expect(READY)
        peer.send(b"STOR " + b"x" * 507 + b"\r\n")
        peer.expect(NOT_IMPLEMENTED)
        for size in (508, 100_000):
            peer.send(b"STOR " + b"x" * size + b"\r\nNOOP\r\n")
            peer.expect(UNRECOGNIZED + OKAY)
    server.out.wait_for("limit 512 bytes")


def one_who_hangs_up_is_told_so(server):
    with Peer(server.port) as peer:
        peer.send(b"NOOP\r\nNOO")  # The last line is cut: no command.
        peer.send_end()
        check_equal(peer.read_to_end(), READY + OKAY + NOT_AVAILABLE, "half closed")
    names = []
    for sent in (b"", b"NO", b"NOOP\r\n", b"NOOP\r\n" * 1000):
        peer = Peer(server.port)
        peer.send(sent)
        names.append(peer.name)
        peer.reset()  # Nobody is there who could be told.
    server.err.wait_for_all(f"disconnected (peer {name}," for name in names)


def passwords_are_not_printed(server):
    with Peer(server.port) as peer:
        peer.send(b"PASS s3cret\r\nQUIT\r\n")
        check_equal(peer.read_to_end(), READY + NOT_IMPLEMENTED + GOODBYE, "PASS")
    server.out.wait_for(f"^{peer.name} sent PASS$")
    server.out.wait_for(f"^{peer.name} sent QUIT$")
    check(not any("s3cret" in line for line in server.out.lines + server.err.lines), "a password")


def a_stop_is_announced(number):
    with Server() as server, Peer(server.port) as idle, Peer(server.port) as busy:
        idle.expect(READY)
        busy.send(b"NOOP\r\nNO")  # In the middle of a command: it may finish it.
        busy.expect(READY + OKAY)
        server.send_signal(number)
        check_equal(idle.read_to_end(), NOT_AVAILABLE, "an idle client")
        check(server.process.poll() is None, "it did not wait for the busy client")
        busy.send(b"OP\r\n")
        check_equal(busy.read_to_end(), OKAY + NOT_AVAILABLE, "a client that was busy")
        idle.socket.close()
        busy.socket.close()
        status = server.wait()
        check(status == 0, f"exit status {status}")
        check_equal(server.complaints(), [], "the complaints")


def sigterm_is_announced():
    a_stop_is_announced(signal.SIGTERM)


def sigint_is_announced():
    a_stop_is_announced(signal.SIGINT)


def netcat_talks_to_it(server):
    nc = tool("nc")
    with Conversation(nc, "127.0.0.1", str(server.port)) as talk:
        check_equal(talk.read_until(b"\n"), READY, "nc")
        for line, reply in TRANSCRIPT:
            talk.type(line + b"\n")
            check_equal(talk.read_until(b"\n"), reply, f"nc: {line}")
        talk.end_of_keys()
        check_equal(talk.read_to_end(), b"", "nc: the end")
    with Conversation(nc, "-C", "127.0.0.1", str(server.port)) as talk:  # lines end with \r\n
        talk.type(SENT.replace(b"\r\n", b"\n"))
        talk.end_of_keys()
        check_equal(talk.read_to_end(), RECEIVED, "nc -C")


def telnet_talks_to_it(server):
    telnet = tool("telnet")

    def shown(reply):
        return reply.replace(b"\r\n", b"\n")

    for terminal in (False, True):
        with Conversation(telnet, "127.0.0.1", str(server.port), terminal=terminal) as talk:
            greeting = talk.read_until(shown(READY))
            check(b"Connected to 127.0.0.1" in greeting, repr(greeting))
            for line in (b"NOOP", b"hello", b"user joe", b"USER"):
                talk.type(line + b"\n")
                check_equal(talk.read_until(b"\n"), shown(dict(TRANSCRIPT)[line]),
                            f"telnet: {line}")
            talk.type(b"QUIT\n")
            rest = talk.read_to_end()
            check_equal(rest, shown(GOODBYE) + b"Connection closed by foreign host.\n", "the end")


def it_says_what_is_wrong(server):
    status, _, errors = run(FTP_SERVER, "127.0.0.1", server.port)
    check(status == 1, f"exit status {status}")
    for part in ("ftp_server: ", f"127.0.0.1:{server.port}", "Address already in use"):
        check(part in errors, f"{errors!r} does not say {part!r}")


run_tests(
    all_commands_are_known,
    *map(with_server, (
        each_line_gets_its_reply, lines_may_come_in_any_pieces, quit_is_the_last_word,
        a_long_line_is_a_syntax_error, one_who_hangs_up_is_told_so, passwords_are_not_printed,
        netcat_talks_to_it, telnet_talks_to_it, it_says_what_is_wrong)),
    sigterm_is_announced,
    sigint_is_announced)
