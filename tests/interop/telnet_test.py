#!/usr/bin/env python3
"""telnet (of GNU inetutils) talks to the examples. Gets echo_server, echo_client and mojifinder."""
from servers import PROMPT, EchoServer, Mojifinder, dialogue

import contextlib

from driving import Conversation, check, check_equal, run_tests, tool

TELNET = tool("telnet")
HOST = "127.0.0.1"


def shown(data):
    """telnet prints the network's line endings as the terminal's."""
    return data.replace(b"\r\n", b"\n")


def lines_come_back():
    """It sends \\r\\n: to echo_server the \\r is text."""
    with EchoServer() as server:
        for terminal in (False, True):
            with Conversation(TELNET, HOST, server.port, terminal=terminal) as talk:
                talk.read_until(b"Escape character is '^]'.\n")
                for line in (b"hello\n", b"\n", "grüß dich\n".encode()):
                    talk.type(line)
                    check_equal(shown(talk.read_until(b"\n")), line, "an echo")
            server.wait_for_ends(1)
        server.stop_well()


def its_user_may_leave_in_many_ways():
    with EchoServer() as server:
        with Conversation(TELNET, HOST, server.port, terminal=True) as talk:
            talk.read_until(b"Escape character is '^]'.\n")
            talk.type(b"\x1d")  # ^] leads to telnet's own commands
            talk.type(b"quit\n")
            check(b"Connection closed." in talk.read_to_end(), "quit")
        server.wait_for_ends(1)
        with Conversation(TELNET, HOST, server.port) as talk:  # its input ends
            talk.type(b"hello\n")
            talk.read_until(b"hello\n")
            talk.end_of_keys()
            server.wait_for_ends(1)
        for sent in (b"", b"half a line"):
            with Conversation(TELNET, HOST, server.port) as talk:  # kill -9
                talk.type(b"hello\n" + sent)
                talk.read_until(b"hello\n")
                talk.process.kill()
            server.wait_for_ends(1)
        server.stop_well()


def several_at_once():
    with EchoServer() as server, contextlib.ExitStack() as stack:
        talks = [stack.enter_context(Conversation(TELNET, HOST, server.port)) for _ in range(5)]
        for number, talk in enumerate(talks):
            talk.type(b"I am %d\n" % number)
        for number, talk in enumerate(talks):
            check(talk.read_until(b"I am %d\n" % number), "an echo")
        stack.close()
        server.wait_for_ends(5)
        server.stop_well()


def it_finds_characters():
    with Mojifinder() as server:
        with Conversation(TELNET, HOST, server.port) as talk:
            talk.read_until(PROMPT)
            for query in ("cat face", "cjk", "fire"):  # cjk is 4 MB
                talk.type(query.encode() + b"\n")
                check_equal(shown(talk.read_until(b"found\n" + PROMPT)),
                            shown(dialogue(query)[3:]), query)
        with Conversation(TELNET, HOST, server.port) as talk:  # killed while it is sent 4 MB
            talk.read_until(PROMPT)
            talk.type(b"cjk\n")
            talk.read_some()
            talk.process.kill()
            talk.process.wait()
            server.out.wait_for("^Close ")
        server.out.wait_for("^Close ")
        server.stop_well()


run_tests(lines_come_back, its_user_may_leave_in_many_ways, several_at_once, it_finds_characters)
