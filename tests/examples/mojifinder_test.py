#!/usr/bin/env python3
"""Holds dialogues with mojifinder, which must be right to the byte. Gets its path."""
import contextlib
import signal
import socket
import sys
import threading
import time

from driving import (DEADLINE, Conversation, Failure, Peer, Program, check, check_equal,
                     is_sanitized, run, run_tests, tool)
from unicode_names import Names

MOJIFINDER = sys.argv[1]
NAMES = Names()
PROMPT = b"?> "
ALL_CJK = NAMES.answer("cjk")

QUERIES = [
    "fire", "cat face", "chess black", "digit nine", "cjk 4e2d", "hangul gag", "tangut 17000",
    "nushu 1b170", "khitan 18b00", "cjk compatibility f900", "cjk 20000", "cjk 323af", "2ebe0",
    "FIRE", "Cat-Face", "face CAT", "black-chess---king", " \t fire \t ", "fire  truck",
    "cat cat", "hangul syllable hih", "hangul a", "syllable yeo", "tangut component 768", "tangut",
    "nosuchword", "fire nosuchword", "cjk 04e2d", "cjk 4e2", "cjk ac00", "hangul gagg", "e000",
    "fir", "-", "- -", "u+0041", "sign", "letter small latin a", "ligature fi", "\ufb01re",
    "\u00df", "gr\u00fc\u00df", "火", "🔥", "cat\u00a0face", "cat\u3000face", "\ud7a4",
    "cat\x01face", "cat\x00", "digit\tnine", "x" * 1000, "fire " * 300, "'; drop table --", "%s%n",
    "old hungarian", "squared", "1f600", "emoji", "hangul syllable", "tangut ideograph",
    "cjk compatibility", "nushu", "khitan", "braille", "a",
]


class Server(Program):
    """A running mojifinder, on any free port."""

    def __init__(self):
        super().__init__(MOJIFINDER, "127.0.0.1", 0)
        self.port = int(self.out.wait_for(r"^Serving on 127\.0\.0\.1:(\d+)\.")[1])


def dialogue(*queries):
    """The prompts and answers from the first prompt to the last. An empty query has no answer."""
    return PROMPT + b"".join((NAMES.answer(query) if query else b"") + PROMPT
                             for query in queries)


def lines(*queries, ending="\n"):
    return "".join(query + ending for query in queries).encode()


def the_second_opinion_is_sound():
    """The facts that anybody can look up."""
    check(len(NAMES.search("cjk")) == 98263, f"{len(NAMES.search('cjk'))} for cjk")
    check(NAMES.search("cjk 4e2d") == [0x4E2D, 0x1F22D], "cjk 4e2d: the other one is squared")
    check(NAMES.search("hangul gag") == [0xAC01], "hangul gag")
    check(NAMES.search("syllable hih") == [0xD7A3], "the last syllable")
    check(len(NAMES.search("hangul syllable")) == 11172, "hangul syllable")
    check(len(NAMES.search("cat face")) == 10, "cat face")
    check(NAMES.answer("digit nine superscript").startswith(b"\xe2\x94\x80"), "none is found")
    check("U+0039\t9\tDIGIT NINE\r\n".encode() in NAMES.answer("digit nine"), "digit nine")


def the_console_tells_of_everything():
    with Server() as server:
        with Peer(server.port) as peer, Peer(server.port) as other:
            peer.send(b"fire\n")
            peer.expect(dialogue("fire"))
            other.send(b"chess black\r\n\n  \nno such word\n")
            other.expect(dialogue("chess black") + PROMPT * 2 + NAMES.answer("no such word")
                         + PROMPT)
            peer.send_end()
            peer.expect_end()
            server.out.wait_for(f"^Close {peer.name}\\.$")
            other.send(b"cat face\n")
            other.expect(NAMES.answer("cat face") + PROMPT)
            server.send_signal(signal.SIGINT)
            other.expect_end()
        status = server.wait()
        check(status == 0, f"exit status {status}")
        count = {query: len(NAMES.search(query)) for query in ("fire", "chess black", "cat face")}
        expected = [
            "Building index.",
            f"Serving on 127.0.0.1:{server.port}. Hit CTRL-C to stop.",
            f" From {peer.name}: 'fire'",
            f"   To {peer.name}: {count['fire']} results.",
            f" From {other.name}: 'chess black'",
            f"   To {other.name}: {count['chess black']} results.",
            f" From {other.name}: ''",
            f" From {other.name}: ''",
            f" From {other.name}: 'no such word'",
            f"   To {other.name}: 0 results.",
            f"Close {peer.name}.",
            f" From {other.name}: 'cat face'",
            f"   To {other.name}: {count['cat face']} results.",
            f"Close {other.name}.",
            "Server shut down.",
        ]
        check_equal("\n".join(server.out.lines), "\n".join(expected), "the console")
        check_equal(server.err.lines, [], "errors")


def each_query_gets_its_answer(server):
    for ending in ("\n", "\r\n"):
        with Peer(server.port) as peer:
            peer.expect(PROMPT)
            for query in QUERIES:
                peer.send(lines(query, ending=ending))
                peer.expect(NAMES.answer(query) + PROMPT)


def queries_may_come_in_any_pieces(server):
    queries = ["fire", "cat face", "chess black", "", "digit nine", "日本 grüß"]
    expected = dialogue(*queries)
    for ending in ("\n", "\r\n"):
        sent = lines(*queries, ending=ending)
        with Peer(server.port) as peer:  # pipelined
            peer.send(sent)
            peer.expect(expected)
        with Peer(server.port) as peer:  # one byte at a time
            peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in sent:
                peer.send(bytes([byte]))
            peer.expect(expected)
        for cut in range(1, len(sent)):  # in two pieces, the second when the first was answered
            with Peer(server.port) as peer:
                peer.send(sent[:cut])
                answered = dialogue(*queries[:sent[:cut].count(b"\n")])
                peer.expect(answered)
                peer.send(sent[cut:])
                peer.expect(expected[len(answered):])


def many_queries_at_once(server):
    queries = ["cat face", "chess black", "digit nine", "hangul gag"] * 500
    with Peer(server.port) as peer:
        sender = threading.Thread(target=peer.socket.sendall, args=(lines(*queries),))
        sender.start()
        try:
            peer.expect(dialogue(*queries))
        finally:
            sender.join(DEADLINE)


def the_last_line_needs_no_ending(server):
    for text in (b"cat face", b"cat face\r", b"cat face\n"):
        with Peer(server.port) as peer:
            peer.send(text)
            peer.send_end()
            check_equal(peer.read_to_end(), dialogue("cat face"), f"after {text!r}")
    with Peer(server.port) as peer:
        peer.send(b"fire\nchess")
        peer.send(b" black")
        peer.send_end()
        check_equal(peer.read_to_end(), dialogue("fire", "chess black"), "half closed")
    with Peer(server.port) as peer:
        peer.send_end()
        check_equal(peer.read_to_end(), PROMPT, "nothing said")
    with Peer(server.port) as peer:  # a long answer to one who has nothing more to say
        peer.send(b"cjk")
        peer.send_end()
        check_equal(peer.read_to_end(), dialogue("cjk"), "cjk, half closed")


def an_empty_query_gets_a_prompt(server):
    with Peer(server.port) as peer:
        peer.expect(PROMPT)
        for empty in (b"\n", b"\r\n", b" \n", b"  \t \r\n", b"\t\n", b"\x0b\x0c\n", b"\r\r\n"):
            peer.send(empty)
            peer.expect(PROMPT)
        peer.send(b"digit nine\n")
        peer.expect(NAMES.answer("digit nine") + PROMPT)


INVALID_UTF8 = {
    "a continuation alone": b"\x80", "the last continuation": b"\xbf",
    "an overlong slash": b"\xc0\xaf", "the lowest overlong": b"\xc0\x80",
    "the highest overlong": b"\xc1\xbf", "overlong in three": b"\xe0\x9f\xbf",
    "overlong in four": b"\xf0\x8f\xbf\xbf", "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf", "above the last": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80", "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "no lead 0xF5": b"\xf5\x80\x80\x80", "0xFE": b"\xfe", "0xFF": b"\xff",
    "two bytes cut": b"\xc3", "three bytes cut": b"\xe2\x82", "four bytes cut": b"\xf0\x9f\x94",
    "cut by a letter": b"\xe2\x82a", "latin-1": "grüße".encode("latin-1"),
}


def invalid_text_ends_the_session(server):
    for what, data in INVALID_UTF8.items():
        for query in (data, b"fire " + data, data + b" fire"):
            with Peer(server.port) as peer:
                peer.send(b"cat face\n" + query + b"\r\nfire\n")
                try:
                    check_equal(peer.read_to_end(), dialogue("cat face"), what)
                except Failure as failure:
                    raise Failure(f"{what}: {failure}") from None


def control_bytes_end_the_session(server):
    telnet = b"\xff\xf4\xff\xfd\x06"  # what its Ctrl-C sends
    for query in [telnet, b"\x03", b"\x04", b"\x1b[A", b"\x01fire", b" \x1a", b"\x00", b"\x1ffire"]:
        for ending in (b"\n", b"\r\n"):
            with Peer(server.port) as peer:
                peer.send(b"cat face\n" + query + ending)
                check_equal(peer.read_to_end(), dialogue("cat face"), f"after {query!r}")
                peer.socket.close()
            server.out.wait_for(f"^Close {peer.name}\\.$")
    with Peer(server.port) as peer:  # without the end of the line: the user only hangs up
        peer.send(telnet)
        peer.send_end()
        check_equal(peer.read_to_end(), PROMPT, "telnet's bytes alone")


def an_overlong_line_is_an_error(server):
    with Peer(server.port) as peer:
        peer.send(b"x" * 65536 + b"\n")  # the longest
        peer.expect(PROMPT + NAMES.answer("x" * 65536) + PROMPT)
        for size in (65537, 200_000):
            peer.send(b"x" * size + b"\ndigit nine\n")
            error = read_line(peer)
            for part in ("limit 65536 bytes", peer.name, "send smaller packets"):
                check(part in error, f"{error!r} does not say {part!r}")
            check(error.endswith("\r\n"), repr(error))
            peer.expect(PROMPT + NAMES.answer("digit nine") + PROMPT)


def read_line(peer):
    line = b""
    while not line.endswith(b"\n"):
        byte = peer.socket.recv(1)
        check(byte, f"the end after {line!r}")
        line += byte
    return line.decode()


def a_long_answer_is_complete(server):
    check(len(ALL_CJK) > 3_500_000, f"{len(ALL_CJK)} bytes are no long answer")
    with Peer(server.port) as peer:
        peer.send(b"cjk\n" * 3 + b"digit nine\n")
        peer.expect(dialogue("cjk", "cjk", "cjk", "digit nine"))


def one_who_stops_reading_costs_nothing(server):
    before = server.memory()
    with Peer(server.port, receive_buffer=4096) as deaf, contextlib.ExitStack() as others:
        # One answer alone would hide in the tolerance, so there are more who do not read.
        crowd = [others.enter_context(Peer(server.port, receive_buffer=4096)) for _ in range(2)]
        for peer in [deaf, *crowd]:
            peer.send(b"cjk\n" * 20)
        server.out.wait_for_all(f" From {peer.name}: 'cjk'" for peer in [deaf, *crowd])
        most = before
        start = time.monotonic()
        for i in range(30):
            with Peer(server.port) as peer:
                query = ("cat face", "chess black", "hangul gag")[i % 3]
                peer.send(lines(query))
                peer.expect(dialogue(query), seconds=5)
                most = max(most, server.memory())
        with Peer(server.port) as peer:
            peer.send(b"cjk\n")
            peer.expect(dialogue("cjk"), seconds=15)
        needed = time.monotonic() - start
        most = max(most, server.memory())
        check(f"   To {deaf.name}: 98263 results." not in server.out.lines,
              "the answer was taken from the server, although nobody read it")
        grown = (most - before) / 1048576
        print(f"        {needed:.2f} s for 31 others; memory {before / 1048576:.1f} MiB, "
              f"{grown:+.2f} MiB", flush=True)
        # 240 MiB of answers were asked for. (A sanitizer keeps what was freed.)
        check(grown < 4 or is_sanitized(MOJIFINDER), f"the memory grew by {grown:.1f} MiB")
        for peer in crowd:
            peer.reset()
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        deaf.expect(PROMPT)
        for _ in range(20):
            deaf.expect(ALL_CJK + PROMPT)
        grown = (server.memory() - before) / 1048576
        check(grown < 4 or is_sanitized(MOJIFINDER),
              f"the memory grew by {grown:.1f} MiB in the end")


def one_who_hangs_up_in_a_long_answer(server):
    for vanish in (Peer.reset, lambda peer: peer.socket.close()):
        with Peer(server.port) as peer:
            peer.send(b"cjk\n" * 5)
            peer.expect(dialogue("cjk")[:100_000])
            vanish(peer)
        server.out.wait_for(f"^Close {peer.name}\\.$")
    with Peer(server.port) as peer:
        peer.send(b"digit nine\n")
        peer.expect(dialogue("digit nine"))


def nothing_is_lost_when_the_server_stops():
    with Server() as server, Peer(server.port, receive_buffer=8192) as reader, \
            Peer(server.port) as idle:
        idle.expect(PROMPT)
        reader.send(b"cjk\n")
        reader.expect(dialogue("cjk")[:10_000])
        server.send_signal(signal.SIGINT)
        idle.expect_end()
        idle.socket.close()
        check(f"   To {reader.name}: 98263 results." not in server.out.lines,
              "the answer was over before the signal")
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        rest = reader.read_to_end()
        reader.socket.close()
        check(rest in (dialogue("cjk")[10_000:], dialogue("cjk")[10_000:-len(PROMPT)]),
              f"{len(rest)} bytes came instead of {len(dialogue('cjk')) - 10_000}")
        status = server.wait()
        check(status == 0, f"exit status {status}")
        check(server.out.lines[-1] == "Server shut down.", server.out.lines[-3:])
        check(f"   To {reader.name}: 98263 results." in server.out.lines, "no line for the results")


def the_server_says_what_is_wrong(server):
    status, out, errors = run(MOJIFINDER, "127.0.0.1", server.port)
    check(status == 1, f"exit status {status}")
    check_equal(out, "Building index.\n", "the console")
    for part in (f"127.0.0.1:{server.port}", "Address already in use", "choose another address"):
        check(part in errors, f"{errors!r} does not say {part!r}")
    status, _, errors = run(MOJIFINDER, "127.0.0.1", "telnet")
    check(status == 1 and '"telnet" is no port' in errors, f"{status}: {errors}")


def sigterm_stops_it_too():
    with Server() as server:
        server.stop(signal.SIGTERM)
        check_equal(server.out.lines[-1], "Server shut down.", "the last line")


def netcat_talks_to_it(server):
    nc = tool("nc")
    address = ("127.0.0.1", str(server.port))
    with Conversation(nc, *address) as talk:
        check_equal(talk.read_until(PROMPT), PROMPT, "nc")
        for query in ("fire", "cat face", "chess black"):
            talk.type(lines(query))
            check_equal(talk.read_until(PROMPT), NAMES.answer(query) + PROMPT, f"nc: {query}")
        talk.type(b"\x1b\n")
        server.out.wait_for(r"^ From .*: '\\x1b'$")
        talk.end_of_keys()  # nc itself waits for that
        check_equal(talk.read_to_end(), b"", "nc: the end")
    with Conversation(nc, "-N", *address) as talk:  # as in: echo 'cat face' | nc -N
        talk.type(b"fire\ncat face")
        talk.end_of_keys()
        check_equal(talk.read_to_end(), dialogue("fire", "cat face"), "a pipe into nc")
        check(talk.process.wait(DEADLINE) == 0, "nc failed")


def telnet_talks_to_it(server):
    telnet = tool("telnet")
    for terminal in (False, True):
        with Conversation(telnet, "127.0.0.1", str(server.port), terminal=terminal) as talk:
            greeting = talk.read_until(PROMPT)
            check(b"Connected to 127.0.0.1" in greeting, repr(greeting))
            for query in ("fire", "cat face", "chess black"):
                talk.type(lines(query))
                check_equal(talk.read_until(PROMPT).replace(b"\r\n", b"\n"),
                            NAMES.answer(query).replace(b"\r\n", b"\n") + PROMPT,
                            f"telnet: {query}")
            if terminal:
                talk.type(b"\x03")  # Ctrl-C: telnet sends its control bytes
            else:
                talk.type(b"\x1a")
            talk.type(b"\n")
            rest = talk.read_to_end()
            check(b"Connection closed by foreign host" in rest, repr(rest))
    # Ctrl-C of the terminal's user left a line of bytes that are no text.
    server.out.wait_for(r"^ From .*xff")


def with_server(test):
    """Runs the test with a server, which must end well after it."""
    def with_one():
        with Server() as server:
            test(server)
            server.stop()
            check(server.out.lines[-1] == "Server shut down.", server.out.lines[-3:])
    with_one.__name__ = test.__name__
    return with_one


run_tests(
    the_second_opinion_is_sound,
    the_console_tells_of_everything,
    *map(with_server, (
        each_query_gets_its_answer, queries_may_come_in_any_pieces, many_queries_at_once,
        the_last_line_needs_no_ending, an_empty_query_gets_a_prompt, invalid_text_ends_the_session,
        control_bytes_end_the_session, an_overlong_line_is_an_error, a_long_answer_is_complete,
        one_who_stops_reading_costs_nothing, one_who_hangs_up_in_a_long_answer,
        the_server_says_what_is_wrong, netcat_talks_to_it, telnet_talks_to_it)),
    nothing_is_lost_when_the_server_stops,
    sigterm_stops_it_too)
