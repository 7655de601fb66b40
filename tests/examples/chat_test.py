#!/usr/bin/env python3
"""Talks in the chat, as several guests. Gets its path."""
import signal
import socket
import sys
import time

from driving import DEADLINE, Peer, Program, check, check_equal, run, run_tests

CHAT = sys.argv[1]
ASKED = b"Your name?\n"


class Server(Program):
    """A running chat, on any free port."""

    def __init__(self):
        super().__init__(CHAT, "127.0.0.1", 0)
        self.port = int(self.out.wait_for(r"^Chat on 127\.0\.0\.1:(\d+)$")[1])


class Guest(Peer):
    """Somebody who has come in; the others must read of it."""

    def __init__(self, server, name, guests, others=(), receive_buffer=None):
        super().__init__(server.port, receive_buffer)
        self.expect(ASKED)
        self.send(name.encode() + b"\n")
        count = f"{guests} guest" + ("" if guests == 1 else "s")
        self.expect(f"Welcome. {count}:\n".encode())
        server.out.wait_for(f"^{self.name} is {name}$")
        for other in others:
            other.expect(f"* {name} came in\n".encode())


def all_others_hear(server):
    with Guest(server, "ann", 1) as ann, Guest(server, "bob", 2, [ann]) as bob, \
            Guest(server, "cid", 3, [ann, bob]) as cid:
        ann.send(b"hello\r\nhow are you?\n")
        for other in (bob, cid):
            other.expect(b"ann: hello\nann: how are you?\n")
        bob.send(b"fine\n")
        for other in (ann, cid):
            other.expect(b"bob: fine\n")
        cid.socket.close()
        for other in (ann, bob):
            other.expect(b"* cid left\n")


def commands_are_answered(server):
    with Guest(server, "ann", 1) as ann, Guest(server, "bob", 2, [ann]) as bob:
        ann.send(b"/who\n/what\n/msg bob are you there?\n/msg nobody hey\n/msg\n")
        ann.expect(b"2 guests: ann bob\nThere are /who, /msg NAME TEXT and /quit.\n"
                   + b"Nobody has that name.\n" * 2)
        bob.expect(b"ann (to you): are you there?\n")
        bob.send(b"/quit\n/who\n")
        bob.expect(b"Bye.\n")
        bob.expect_end()
        ann.expect(b"* bob left\n")
        server.out.wait_for(f"^{bob.name} was bob$")
        ann.send(b"/who\n")
        ann.expect(b"1 guest: ann\n")


def names_are_words_and_unique(server):
    with Guest(server, "ann", 1) as ann, Peer(server.port) as other:
        other.expect(ASKED)
        for bad in (b"", b"two words", b"/who", b"x" * 21, b"bell\a"):
            other.send(bad + b"\n")
            other.expect(b"A name is one word of at most 20 bytes. Your name?\n")
        other.send(b"ann\n")
        other.expect(b"ann is here already. Your name?\n")
        ann.send(b"is anybody here?\n/who\n")
        ann.expect(b"1 guest: ann\n")
        other.send(b"bob\n")  # Did not hear what was said before.
        other.expect(b"Welcome. 2 guests:\n")
        ann.expect(b"* bob came in\n")


def one_without_a_name_was_never_here(server):
    with Guest(server, "ann", 1) as ann:
        with Peer(server.port) as other:
            other.expect(ASKED)
        with Guest(server, "bob", 2, [ann]):
            pass
        ann.expect(b"* bob left\n")


def a_name_is_free_again(server):
    for _ in range(3):
        with Guest(server, "ann", 1) as ann:
            ann.send(b"/quit\n")
            ann.expect(b"Bye.\n")
            ann.expect_end()
            server.out.wait_for("was ann$")


def an_overlong_line_is_refused(server):
    with Guest(server, "ann", 1) as ann, Guest(server, "bob", 2, [ann]) as bob:
        ann.send(b"x" * 100_000 + b"\n/who\n")
        end, text = time.monotonic() + DEADLINE, b""
        while not text.endswith(b"2 guests: ann bob\n"):
            check(time.monotonic() < end, f"{text!r}")
            text += ann.socket.recv(1000)
        check(b"larger than the limit" in text, text)
        bob.send(b"still here\n")
        ann.expect(b"bob: still here\n")


def a_slow_reader_is_closed(server):
    with Guest(server, "ann", 1) as ann, Guest(server, "bob", 2, [ann]) as bob, \
            Guest(server, "deaf", 3, [ann, bob], receive_buffer=4096) as deaf:
        line = b"x" * 10_000
        heard = b"ann: " + line + b"\n"
        left, end = False, time.monotonic() + DEADLINE
        while not left:
            check(time.monotonic() < end, "the one who does not read is still there")
            ann.send(line + b"\n")
            left = bob.socket.recv(1, socket.MSG_PEEK) == b"*"
            if left:
                bob.expect(b"* deaf left\n")
            bob.expect(heard)  # Each line, although another guest does not read.
        ann.expect(b"* deaf left\n")
        ann.send(b"/who\n")
        ann.expect(b"2 guests: ann bob\n")
        try:
            while deaf.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            return
        check(False, "the slow reader saw a clean end")


def many_come_and_go(server):
    count = 60
    guests = []
    for i in range(count):
        guests.append(Guest(server, f"guest{i}", i + 1, guests))
    guests[0].send(b"hello, all\n")
    for guest in guests[1:]:
        guest.expect(b"guest0: hello, all\n")
    for i in range(count - 1, 0, -1):
        guests[i].reset() if i % 2 else guests[i].socket.close()
        for guest in guests[:i]:
            guest.expect(f"* guest{i} left\n".encode())
    guests[0].send(b"/who\n")
    guests[0].expect(b"1 guest: guest0\n")
    guests[0].socket.close()


def the_server_says_what_is_wrong(server):
    status, _, errors = run(CHAT, "127.0.0.1", server.port)
    check(status == 1 and "Address already in use" in errors, f"{status}: {errors}")


def a_signal_ends_it():
    with Server() as server, Guest(server, "ann", 1) as ann:
        server.send_signal(signal.SIGTERM)
        ann.expect_end()
        ann.socket.close()
        check(server.wait() == 0, "exit status")
        check_equal(server.out.lines[-1], "Closed.", "the last line")


def with_server(test):
    """Runs the test with a server, which must end well after it."""
    def with_one():
        with Server() as server:
            test(server)
            server.stop()
            check_equal(server.err.lines, [], "errors")
    with_one.__name__ = test.__name__
    return with_one


run_tests(*map(with_server, (
    all_others_hear, commands_are_answered, names_are_words_and_unique,
    one_without_a_name_was_never_here, a_name_is_free_again, an_overlong_line_is_refused,
    a_slow_reader_is_closed, many_come_and_go, the_server_says_what_is_wrong)), a_signal_ends_it)
