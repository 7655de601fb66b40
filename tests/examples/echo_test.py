#!/usr/bin/env python3
"""Drives echo_server, echo_client and echo_in_process. Gets their paths, in that order."""
import re
import signal
import socket
import sys
import time

from driving import Peer, Program, check, check_equal, run, run_tests

ECHO_SERVER, ECHO_CLIENT, ECHO_IN_PROCESS = sys.argv[1:4]


class Server(Program):
    """A running echo_server, on any free port."""

    def __init__(self, host="127.0.0.1"):
        super().__init__(ECHO_SERVER, host, 0)
        self.port = int(self.err.wait_for(r"Start serving at .*:(\d+)$")[1])


def talk(port, *messages, host="127.0.0.1"):
    return run(ECHO_CLIENT, host, port, *messages)


def expect_exchange(port, *messages):
    status, out, errors = talk(port, *messages)
    check_equal(errors, "", "errors")
    check_equal(out, "".join(f"> {m}\n< {m}\n" for m in messages or ["hello"]), "the exchange")
    check(status == 0, f"exit status {status}")


def expect_error(result, program, *texts):
    """The program failed with one line of text that a person understands."""
    status, _, errors = result
    check(status == 1, f"exit status {status}, not 1; errors: {errors}")
    check(errors.startswith(program + ": ") and "\n" not in errors, f"not one line: {errors!r}")
    for text in texts:
        check(text in errors, f"{errors!r} does not say {text!r}")


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def messages_are_echoed():
    with Server() as server:
        expect_exchange(server.port)
        expect_exchange(server.port, "one")
        expect_exchange(server.port, "one", "two words", "three", "", "-4", "\ttab ")
        expect_exchange(server.port, *[f"message {i}" for i in range(500)])
        expect_exchange(server.port, "grüß dich", "日本語", "🐈 cat", "e\u0301", "carriage\rreturn")
        expect_exchange(server.port, "x" * 65536)
        server.stop()


def names_of_hosts_are_resolved():
    with Server("localhost") as server:
        status, out, errors = talk(server.port, "hi", host="localhost")
        check((status, out, errors) == (0, "> hi\n< hi\n", ""), f"{status} {out!r} {errors!r}")
        server.stop()


def lines_are_cut_by_line_feeds_alone():
    with Server() as server, Peer(server.port) as peer:
        peer.send(b"a\n\nb\r\n\xff\x00\n")
        peer.expect(b"a\n\nb\r\n\xff\x00\n")
        for byte in b"piece by piece\n":
            peer.send(bytes([byte]))
        peer.expect(b"piece by piece\n")
        peer.send(b"last\nunfinished")
        peer.send_end()
        check_equal(peer.read_to_end(), b"last\n", "what an unfinished line gets")
        server.stop()


def client_says_what_is_wrong():
    port = free_port()
    expect_error(talk(port, "hi"), "echo_client", f"127.0.0.1:{port}", "refused",
                 "check the host and port")
    expect_error(talk("http"), "echo_client", '"http" is no port', "0 to 65535")
    expect_error(talk(65536), "echo_client", '"65536" is no port')
    expect_error(talk(-1), "echo_client", '"-1" is no port')
    expect_error(talk("", "hi"), "echo_client", '"" is no port')
    expect_error(talk(9000, "hi", host="no.such.host.invalid"), "echo_client",
                 "no.such.host.invalid:9000", "check the host and port")


def client_refuses_what_is_no_line():
    with Server() as server:
        result = talk(server.port, "fine", "two\nlines")
        expect_error(result, "echo_client", "line ending at byte 3", "change the packet")
        check_equal(result[1], "> fine\n< fine\n> two\nlines\n", "the exchange before")
        expect_error(talk(server.port, "x" * 65537), "echo_client", "65537 bytes",
                     "limit 65536 bytes", "send smaller packets")
        server.stop()


def client_says_that_the_server_hung_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with Program(ECHO_CLIENT, "127.0.0.1", port, "hi") as client:
            listener.settimeout(30)
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(30)
                check_equal(connection.recv(3, socket.MSG_WAITALL), b"hi\n", "the line")
            status = client.wait()
        expect_error((status, "", "\n".join(client.err.lines)), "echo_client",
                     "the peer ended the stream", f"127.0.0.1:{port}")


def server_says_what_is_wrong():
    with Server() as server:
        expect_error(run(ECHO_SERVER, "127.0.0.1", server.port), "echo_server",
                     f"127.0.0.1:{server.port}", "Address already in use",
                     "choose another address or port, or stop the program that uses it")
        expect_exchange(server.port, "the first one lives")
        server.stop()
    expect_error(run(ECHO_SERVER, "127.0.0.1", "nine"), "echo_server", '"nine" is no port')
    expect_error(run(ECHO_SERVER, "no.such.host.invalid", 0), "echo_server",
                 "no.such.host.invalid", "choose another address")


def signals_stop_the_server():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Server() as server, Peer(server.port) as idle, Peer(server.port) as other:
            for peer in (idle, other):
                peer.send(b"x\n")
                peer.expect(b"x\n")
            other.send_end()
            other.expect_end()
            server.send_signal(number)
            idle.expect_end()  # an end, no reset
            idle.socket.close()
            status = server.wait()
            check(status == 0, f"exit status {status} after {number.name}")
            check(server.err.lines[-1].endswith("Server stopped"), server.err.lines[-1])
            check(not [line for line in server.err.lines if not line.startswith("cowire info: ")],
                  f"a warning: {server.err.lines}")


def pile_up(peer):
    """Sends lines without reading an answer until the server takes no more; returns what was sent,
    and the rest of the line that it ends in."""
    lines = b"".join(b"%06d " % i + b"x" * 30000 + b"\n" for i in range(1000))
    peer.socket.settimeout(0.3)  # silence for so long means that it takes no more
    sent = 0
    try:
        while sent < len(lines):
            sent += peer.socket.send(lines[sent:sent + 65536])
    except TimeoutError:
        pass
    check(sent < len(lines), "the server took everything, although nothing was read")
    return lines[:sent], lines[sent:lines.index(b"\n", sent) + 1]


def a_busy_peer_is_waited_for():
    with Server() as server, Peer(server.port, receive_buffer=4096) as peer:
        sent, rest = pile_up(peer)
        server.send_signal(signal.SIGINT)
        server.err.wait_for("Server loop break, waiting for remaining tasks")
        check(server.process.poll() is None, "it did not wait for the busy peer")
        start = time.monotonic()
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        peer.expect(sent[:500_000])  # Now there is room for the rest.
        peer.send(rest)
        answered = sent[:500_000] + peer.read_to_end()  # throws if the connection is reset
        check_equal(answered, (sent + rest)[:len(answered)], "the answers")
        check(answered.endswith(b"\n"), "the last answer is cut")
        peer.socket.close()
        status = server.wait()
        needed = time.monotonic() - start
        check(status == 0, f"exit status {status}")
        check(needed < 8, f"{needed:.1f} s although nothing was left to do")


def a_second_signal_does_not_wait():
    with Server() as server, Peer(server.port, receive_buffer=4096) as deaf, \
            Peer(server.port) as other:
        pile_up(deaf)
        other.send(b"still served\n")
        other.expect(b"still served\n")
        server.send_signal(signal.SIGINT)
        server.err.wait_for("Server loop break, waiting for remaining tasks")
        other.expect_end()  # it is idle: the deaf one alone is waited for
        start = time.monotonic()
        server.send_signal(signal.SIGINT)
        status = server.wait()
        needed = time.monotonic() - start
        check(status == 0, f"exit status {status}")
        check(needed < 8, f"{needed:.1f} s after the second signal: it waited all its patience")
        check(any(re.search(r"connections did not end .* cut off", line)
                  for line in server.err.lines), "no line tells that a connection was cut off")


def many_clients_in_one_process():
    expected = "Two servers and 6 clients on one thread:\n"
    for i in range(1, 7):
        expected += "".join(f"client {i} says {word}\n" for word in ("one", "two", "three"))
    expected += "Blocking clients in other threads: 4 of 4 were answered.\n"
    for _ in range(3):
        status, out, errors = run(ECHO_IN_PROCESS)
        check_equal(errors, "", "errors")
        check_equal(out, expected, "the output")
        check(status == 0, f"exit status {status}")


run_tests(messages_are_echoed, names_of_hosts_are_resolved, lines_are_cut_by_line_feeds_alone,
          client_says_what_is_wrong, client_refuses_what_is_no_line,
          client_says_that_the_server_hung_up, server_says_what_is_wrong, signals_stop_the_server,
          a_busy_peer_is_waited_for, a_second_signal_does_not_wait, many_clients_in_one_process)
