#!/usr/bin/env python3
"""netcat (of OpenBSD) talks to the examples. Gets echo_server, echo_client and mojifinder."""
from servers import (BULK, ECHO_CLIENT, PROMPT, EchoServer, Mojifinder, dialogue, listening_port,
                     pipe, pipe_all, unix_servers)

import socket

from driving import Conversation, Program, check, check_equal, run_tests, tool

NC = tool("nc")
HOST = "127.0.0.1"


def a_conversation(server, *address):
    with Conversation(NC, *address) as talk:
        for line in (b"hello\n", b"\n", "grüß dich 🐈\n".encode(), b"x" * 60_000 + b"\n"):
            talk.type(line)
            check_equal(talk.read_until(b"\n"), line, "an echo")
        talk.end_of_keys()
    server.wait_for_ends(1)


def pipes(server, *address):
    """-N: the end of the input is the end of what nc sends, and the answers still come."""
    check_equal(pipe(b"one\ntwo\nthree", NC, "-N", *address), b"one\ntwo\n", "half closed")
    check_equal(pipe(b"", NC, "-N", *address), b"", "nothing said")
    check_equal(pipe(BULK, NC, "-N", *address), BULK, "4 MB, half closed")
    inputs = [b"".join(b"%d: %d\n" % (i, j) for j in range(1000)) for i in range(8)]
    check_equal(pipe_all(inputs, NC, "-N", *address), inputs, "several at once")
    server.wait_for_ends(11)


def killed(server, *address):
    """In the middle of an answer, and of a line."""
    for sent in (b"", b"half a line", b"a line\n" * 2000):
        with Conversation(NC, *address) as talk:
            talk.type(b"hello\n" + sent)
            check_equal(talk.read_until(b"\n")[:6], b"hello\n", "an echo")
            talk.process.kill()
            talk.process.wait()
        server.wait_for_ends(1)
    check_equal(pipe(b"still there?\n", NC, "-N", *address), b"still there?\n", "the next one")


def over_tcp():
    with EchoServer() as server:
        for test in (a_conversation, pipes, killed):
            test(server, HOST, server.port)
        server.stop_well()


def over_unix_sockets():
    for server, address in unix_servers():
        if address.startswith("@"):
            continue  # nc -U knows paths only; socat_test.py does these.
        for test in (a_conversation, pipes, killed):
            test(server, "-U", address)
        server.stop_well()


def it_finds_characters():
    with Mojifinder() as server:
        with Conversation(NC, HOST, server.port) as talk:
            check_equal(talk.read_until(PROMPT), PROMPT, "the first prompt")
            talk.type(b"cat face\n")
            check_equal(talk.read_until(PROMPT), dialogue("cat face")[3:], "an answer")
        check_equal(pipe(b"cjk\nfire", NC, "-N", HOST, server.port), dialogue("cjk", "fire"),
                    "4 MB of answers to one who has half closed")
        queries = ["cjk", "fire", "hangul gag", "cat face"]
        check_equal(pipe_all([q.encode() for q in queries], NC, "-N", HOST, server.port),
                    [dialogue(q) for q in queries], "several at once")
        with Conversation(NC, HOST, server.port) as talk:  # killed while it is sent 4 MB
            talk.type(b"cjk\n")
            talk.read_some()
            talk.process.kill()
            talk.process.wait()
        check_equal(pipe(b"fire", NC, "-N", HOST, server.port), dialogue("fire"), "the next one")
        server.stop_well()


def it_is_a_server_for_echo_client():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with Conversation(NC, "-l", HOST, port) as nc:
        check_equal(listening_port(nc.process), port, "the port")
        with Program(ECHO_CLIENT, HOST, port, "one", "two") as client:
            for line in (b"one\n", b"two\n"):
                check_equal(nc.read_until(b"\n"), line, "what nc prints")
                nc.type(line.upper())
            check(client.wait() == 0, f"{client.err.lines}")
            check_equal(client.out.lines, ["> one", "< ONE", "> two", "< TWO"], "the exchange")
    with Conversation(NC, "-l", HOST, port) as nc:
        listening_port(nc.process)
        with Program(ECHO_CLIENT, HOST, port, "one") as client:
            nc.read_until(b"\n")
            nc.type(b"no line")
            nc.process.kill()
            check(client.wait() == 1, "a server was killed")
            # Whether the start of a line or the reset comes first, is not netcat's to say.
            check(any(text in client.err.lines[0] for text in
                      ("the peer ended the stream", "treat the last packet as lost", "reset")),
                  f"{client.err.lines}")


run_tests(over_tcp, over_unix_sockets, it_finds_characters, it_is_a_server_for_echo_client)
