#!/usr/bin/env python3
"""Many peers at once, and peers that behave badly. Gets echo_server's and mojifinder's paths."""
import random
import re
import resource
import selectors
import socket
import sys
import time

from driving import DEADLINE, Peer, Program, check, check_equal, is_sanitized, run_tests, wait_until

ECHO_SERVER, MOJIFINDER = sys.argv[1:3]
MOST = 10_000  # connections; echo_server takes no more either
SPARE = 128    # descriptors for other things, in each process
BACKLOG = 128  # connections that wait to be accepted
LINE_LIMIT = 65536


class Server(Program):
    """A running echo_server, on any free port."""

    def __init__(self):
        super().__init__(ECHO_SERVER, "127.0.0.1", 0)
        self.port = int(self.err.wait_for(r"Start serving at .*:(\d+)$")[1])


def as_many_files_as_allowed():
    """Raises the limit, which children inherit; returns how many connections that makes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + SPARE
    limit = wanted if most == resource.RLIM_INFINITY else min(most, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    return min(MOST, limit - SPARE)


def echo_all(peers, text, seconds=60):
    """Sends each of the sockets its own line, and reads it back from all at once."""
    expected = {peer: b"%s %d\n" % (text, peer.fileno()) for peer in peers}
    received = dict.fromkeys(peers, b"")
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for peer, line in expected.items():
            peer.setblocking(False)
            check(peer.send(line) == len(line), "a short line was sent in part")
            selector.register(peer, selectors.EVENT_READ)
        missing = len(peers)
        while missing:
            left = end - time.monotonic()
            check(left > 0, f"{missing} of {len(peers)} peers got no echo within {seconds} s")
            for key, _ in selector.select(left):
                peer = key.fileobj
                data = peer.recv(100)
                check(data, "the server closed a connection")
                received[peer] += data
                if len(received[peer]) >= len(expected[peer]):
                    check_equal(received[peer], expected[peer], "an echo")
                    selector.unregister(peer)
                    missing -= 1


def connect_and_echo(port, count, peers):
    """Appends so many connections, each of which has echoed once.

    A few at a time: fewer than may wait to be accepted, or the system has some of them try again
    a second later."""
    while len(peers) < count:
        few = min(BACKLOG // 2, count - len(peers))
        for _ in range(few):
            peer = socket.socket()
            peers.append(peer)
            peer.settimeout(DEADLINE)
            peer.connect(("127.0.0.1", port))
        echo_all(peers[-few:], b"hello from")


def the_server_serves_on(server):
    with Peer(server.port) as peer:
        peer.send(b"still served\n")
        peer.expect(b"still served\n")


def ten_thousand_connections():
    count = as_many_files_as_allowed()
    if count < MOST:
        print(f"        {count} connections: the limit of open files allows no more")
    with Server() as server:
        the_server_serves_on(server)
        before = server.memory()
        start = time.monotonic()
        peers = []
        try:
            connect_and_echo(server.port, count, peers)
            answered = time.monotonic()
            idle = settled_memory(server, before + 4096 * count)
            echo_all(random.sample(peers, min(count, 300)), b"again from")
            echo_all(peers, b"all again from")
        finally:
            for peer in peers:
                peer.close()
        print(f"        {count} connections, connected and answered in {answered - start:.2f} s; "
              f"memory of an idle one: {(idle - before) / count:.0f} bytes", flush=True)
        the_server_serves_on(server)
        server.stop()
        accepted = sum("Accepted new connection" in line for line in server.err.lines)
        ended = sum("disconnected (peer 127.0.0.1:" in line for line in server.err.lines)
        check_equal([accepted, ended], [count + 2] * 2, "the connections in the log")


def settled_memory(server, enough):
    """The server's memory when no connection was used for a while: it gives back what it can."""
    if is_sanitized(ECHO_SERVER):
        return server.memory()
    wait_until(lambda: server.memory() < enough, f"memory below {enough} bytes", 10)
    return server.memory()


def thousand_peers_vanish():
    """At once; in the middle of a packet; with an answer on its way; with much more of it."""
    ways = (b"", b"the start of a line", b"a line\n", b"a line\n" * 5000)
    with Server() as server, Peer(server.port) as witness:
        names = []
        for i in range(1000):
            peer = Peer(server.port)
            peer.send(ways[i % len(ways)])
            if i % 8 == 2:
                peer.expect(b"a line\n")
            names.append(peer.name)
            peer.reset()
            if i % 50 == 0:  # All before it are accepted when it is served.
                the_server_serves_on(server)
                witness.send(b"are you there?\n")
                witness.expect(b"are you there?\n")
        # Ports come again: each name is to be told of as often as it was used.
        server.err.wait_for_all(f"disconnected (peer {name}," for name in names)
        the_server_serves_on(server)
        witness.socket.close()
        server.stop()
        told = sum("disconnected (peer" in line for line in server.err.lines)
        check_equal(told, 1022, "the connections whose end is in the log")
        check_equal(bad_lines(server), [], "complaints")


def bad_lines(server):
    return [line for line in server.err.lines if not line.startswith("cowire info: ")]


def a_reset_in_the_middle_of_a_packet():
    with Server() as server:
        for sent in (b"unfinished", b"done\nunfinished", b"x" * 50_000):
            peer = Peer(server.port)
            peer.send(sent)
            if b"\n" in sent:
                peer.expect(b"done\n")
            server.err.wait_for(f"Accepted new connection \\(peer {peer.name},")
            peer.reset()
            server.err.wait_for(f"disconnected \\(peer {peer.name},")
            the_server_serves_on(server)
        server.stop()
        check_equal(bad_lines(server), [], "complaints")


def an_http_request_is_lines():
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
    with Server() as server:
        with Peer(server.port) as peer:
            peer.send(request)
            peer.expect(request)
        the_server_serves_on(server)
        server.stop()


def a_line_over_the_limit():
    with Server() as server:
        with Peer(server.port) as peer:
            peer.send(b"y" * LINE_LIMIT + b"\n")  # the longest
            peer.expect(b"y" * LINE_LIMIT + b"\n")
        for sent in (b"x" * (LINE_LIMIT + 1) + b"\n", b"GET /" + b"x" * 300_000):
            peer = Peer(server.port)
            offend(peer, sent)
            line = server.err.wait_for(f"^cowire error: .*\\(peer {peer.name},.*").group()
            for part in (f"limit {LINE_LIMIT} bytes", 'first bytes "'):
                check(part in line, f"{line!r} does not say {part!r}")
            server.err.wait_for(f"disconnected \\(peer {peer.name},")
            peer.socket.close()
            the_server_serves_on(server)
        check(any("looks like an HTTP request" in line for line in server.err.lines),
              "the log does not say what the bytes look like")
        server.stop()


def garbage():
    chance = random.Random(21)
    with Server() as server:
        for size in (1, 1000, 100_000, 1_000_000):
            with Peer(server.port) as peer:  # lines of garbage, each under the limit, come back
                data = chance.randbytes(size).replace(b"\r", b"r") + b"\n"
                data = b"\n".join(data[i:i + 60_000] for i in range(0, len(data), 60_000))
                echo_while_sending(peer, data)
            peer = Peer(server.port)  # one line of it
            name = peer.name
            offend(peer, chance.randbytes(size).replace(b"\n", b"n"))
            peer.reset()
            server.err.wait_for(f"disconnected \\(peer {name},")
            the_server_serves_on(server)
        server.stop()


def offend(peer, data):
    """Sends what the server may answer by cutting the connection."""
    try:
        peer.send(data)
    except (ConnectionResetError, BrokenPipeError):
        pass


def echo_while_sending(peer, data):
    for start in range(0, len(data), 100_000):
        part = data[start:start + 100_000]
        peer.send(part)
        whole = data[:start + len(part)].rfind(b"\n") + 1
        before = data[:start].rfind(b"\n") + 1
        peer.expect(data[before:whole])


def mojifinder_serves_on_too():
    with Program(MOJIFINDER, "127.0.0.1", 0) as server:
        port = int(server.out.wait_for(r"^Serving on .*:(\d+)\.")[1])
        names = []
        for i in range(200):
            peer = Peer(port)
            peer.send((b"", b"cat fa", b"cat face\n", b"cjk\n", b"GET / HTTP/1.1\r\n\r\n")[i % 5])
            if i % 5 == 3:
                peer.expect(b"?> U+")
            names.append(peer.name)
            peer.reset()
        server.out.wait_for_all(f"Close {name}." for name in names)
        with Peer(port) as peer:
            peer.send(b"black star\n")
            peer.expect("?> U+2605\t★\tBLACK STAR\r\n".encode())
        server.stop()
        check_equal(server.err.lines, [], "complaints")
        crowd = [line for line in server.out.lines if re.match(r"Close 127\.0\.0\.1:\d+\.$", line)]
        check_equal(len(crowd), 201, "the peers whose end is told")


run_tests(ten_thousand_connections, thousand_peers_vanish, a_reset_in_the_middle_of_a_packet,
          an_http_request_is_lines, a_line_over_the_limit, garbage, mojifinder_serves_on_too)
