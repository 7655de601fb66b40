#!/usr/bin/env python3
"""socat talks to the examples, and stands between them. Gets echo_server, echo_client and
mojifinder."""
from servers import (BULK, ECHO_CLIENT, EchoServer, Mojifinder, dialogue, listening_port, pipe,
                     pipe_all, unix_servers)

import os
import stat

from driving import Conversation, Program, check, check_equal, run, run_tests, tool

SOCAT = tool("socat")
PATIENCE = "-t60"  # seconds that it waits for answers when its input has ended


def exchanges(server, address):
    """At the end of its input socat ends its half of the connection."""
    check_equal(pipe(b"one\ntwo\nthree", SOCAT, PATIENCE, "-", address), b"one\ntwo\n", "a pipe")
    check_equal(pipe(b"", SOCAT, PATIENCE, "-", address), b"", "nothing said")
    check_equal(pipe(BULK, SOCAT, PATIENCE, "-", address), BULK, "4 MB")
    check_equal(pipe(BULK[:20_000], SOCAT, PATIENCE, "-b1", "-", address),
                BULK[:BULK.rindex(b"\n", 0, 20_000) + 1], "one byte at a time")
    inputs = [b"".join(b"%d: %d\n" % (i, j) for j in range(1000)) for i in range(8)]
    check_equal(pipe_all(inputs, SOCAT, PATIENCE, "-", address), inputs, "several at once")
    server.wait_for_ends(12)
    for sent in (b"", b"half a line", b"a line\n" * 2000):
        with Conversation(SOCAT, "-", address) as talk:  # kill -9
            talk.type(b"hello\n" + sent)
            check_equal(talk.read_until(b"\n")[:6], b"hello\n", "an echo")
            talk.process.kill()
            talk.process.wait()
        server.wait_for_ends(1)
    check_equal(pipe(b"still there?\n", SOCAT, PATIENCE, "-", address), b"still there?\n",
                "the next one")


def tcp():
    with EchoServer() as server:
        exchanges(server, f"TCP:127.0.0.1:{server.port}")
        server.stop_well()


def unix_sockets():
    for server, address in unix_servers():
        abstract = address.startswith("@")
        if not abstract:
            check(stat.S_ISSOCK(os.stat(address).st_mode), "no socket file")
        exchanges(server, f"ABSTRACT-CONNECT:{address[1:]}" if abstract
                  else f"UNIX-CONNECT:{address}")
        server.stop_well()
        check(abstract or not os.path.exists(address), "the socket file is still there")


def it_finds_characters():
    with Mojifinder() as server:
        address = f"TCP:127.0.0.1:{server.port}"
        check_equal(pipe(b"cjk\nfire", SOCAT, PATIENCE, "-", address), dialogue("cjk", "fire"),
                    "4 MB of answers to one who has half closed")
        queries = ["cjk", "fire", "hangul gag", "cat face"]
        check_equal(pipe_all([q.encode() for q in queries], SOCAT, PATIENCE, "-", address),
                    [dialogue(q) for q in queries], "several at once")
        server.stop_well()


MESSAGES = ["hello", "", "grüß dich", "x" * 60_000]
EXCHANGE = "".join(f"> {m}\n< {m}\n" for m in MESSAGES)


def it_is_a_server_for_echo_client():
    """What `cat` makes of it."""
    with Conversation(SOCAT, "TCP-LISTEN:0,bind=127.0.0.1,fork", "EXEC:cat") as socat:
        port = listening_port(socat.process)
        for _ in range(3):
            check_equal(run(ECHO_CLIENT, "127.0.0.1", port, *MESSAGES), (0, EXCHANGE, ""),
                        "the exchange")


def it_stands_between_client_and_server():
    """echo_client knows TCP only: socat takes it to Unix sockets."""
    for server, address in unix_servers():
        to = f"ABSTRACT-CONNECT:{address[1:]}" if address[0] == "@" else f"UNIX-CONNECT:{address}"
        with Conversation(SOCAT, "TCP-LISTEN:0,bind=127.0.0.1,fork", to) as socat:
            port = listening_port(socat.process)
            check_equal(run(ECHO_CLIENT, "127.0.0.1", port, *MESSAGES), (0, EXCHANGE, ""),
                        "the exchange")
            server.wait_for_ends(1)
        server.stop_well()


def the_server_is_killed_behind_it():
    with EchoServer() as server, \
            Conversation(SOCAT, "TCP-LISTEN:0,bind=127.0.0.1,fork",
                         f"TCP:127.0.0.1:{server.port}") as socat:
        port = listening_port(socat.process)
        with Conversation(SOCAT, "-", f"TCP:127.0.0.1:{port}") as talk:
            talk.type(b"hello\n")
            check_equal(talk.read_until(b"\n"), b"hello\n", "an echo")
            server.process.kill()
            check_equal(talk.read_to_end(), b"", "the end")
        with Program(ECHO_CLIENT, "127.0.0.1", port, "hello") as client:
            check(client.wait() == 1, "nobody could have answered")


run_tests(tcp, unix_sockets, it_finds_characters, it_is_a_server_for_echo_client,
          it_stands_between_client_and_server, the_server_is_killed_behind_it)
