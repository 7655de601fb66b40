#!/usr/bin/env python3
"""Peers that reset, vanish, read a byte at a time, or never finish what they say: the servers go
on, their memory and descriptors come back, and the log says what it should. Gets the paths of
echo_server, ftp_server and mojifinder."""
import os
import socket
import sys
import time

from driving import (DEADLINE, Peer, Program, check, check_equal, is_sanitized, run_tests,
                     wait_until)
from unicode_names import Names

ECHO_SERVER, FTP_SERVER, MOJIFINDER = sys.argv[1:4]
READY = b"220 Service ready for new user.\r\n"
GONE = b"421 Service not available, closing control connection.\r\n"
SLACK = 4 << 20  # bytes of memory that do not count

# For the servers: what they free goes back to the system, instead of into pools of malloc's whose
# size depends on chance. It is the servers that are measured.
os.environ["MALLOC_MMAP_THRESHOLD_"] = os.environ["MALLOC_TRIM_THRESHOLD_"] = "16384"


class Server(Program):
    """A running server, on any free port, that has served somebody; remembers what it held then."""

    def __init__(self, program):
        super().__init__(program, "127.0.0.1", 0)
        console = self.out if program == MOJIFINDER else self.err
        self.port = int(console.wait_for(r"(?:Serving on|Start serving at) .*?:(\d+)\.?(?: |$)")[1])
        self.sanitized = is_sanitized(program)
        self.goes_on()
        self.files = None
        self.remember()

    def goes_on(self):
        """Somebody else is served, quickly."""
        with Peer(self.port) as peer:
            if self.command[0] == MOJIFINDER:
                peer.send(b"digit nine\n")
                peer.expect(b"?> U+0039\t9\tDIGIT NINE\r\n", seconds=10)
            elif self.command[0] == FTP_SERVER:
                peer.send(b"noop\r\n")
                peer.expect(READY + b"200 Command okay.\r\n", seconds=10)
            else:
                peer.send(b"served\n")
                peer.expect(b"served\n", seconds=10)

    def remember(self):
        self.nobody_is_connected()
        self.files = sorted(self.open_files())
        self.before = self.memory()

    def nobody_is_connected(self):
        if self.files is None:  # The first time: all but one of the sockets listen.
            wait_until(lambda: len([f for f in self.open_files() if "socket" in f]) == 1, "closed")
        else:
            wait_until(lambda: len(self.open_files()) == len(self.files), "closed")

    def has_given_everything_back(self):
        self.goes_on()
        self.nobody_is_connected()
        check_equal(sorted(self.open_files()), self.files, "the open files")
        if not self.sanitized:  # They keep what was freed.
            wait_until(lambda: self.memory() < self.before + SLACK,
                       f"memory below {self.before} + {SLACK} bytes, it is {self.memory()}")

    def stop_well(self):
        """It says of each connection that it came and went, and has nothing to complain of."""
        self.stop()
        if self.command[0] == MOJIFINDER:
            check_equal(self.err.lines, [], "the complaints")
            return
        came = sum("Accepted new connection" in line for line in self.err.lines)
        went = sum("disconnected (peer" in line for line in self.err.lines)
        check_equal([went], [came], "the connections whose end is in the log")
        complaints = [line for line in self.err.lines if not line.startswith("cowire info: ")]
        check_equal(complaints, [], "the complaints")


def vanish_by_reset(peer):
    peer.reset()


def vanish_by_end(peer):
    """Closes: a FIN, or a reset if there is something that was not read."""
    peer.socket.close()


def vanish_by_halves(peer):
    """Says that it has nothing more to say, and then vanishes without reading."""
    peer.send_end()
    peer.reset()


WAYS = (vanish_by_reset, vanish_by_end, vanish_by_halves)


def at_every_point(program, sent, received):
    """Vanishes after each byte that is sent, and after each byte that is received."""
    with Server(program) as server:
        for vanish in WAYS:
            for count in range(len(sent) + 1):
                peer = Peer(server.port)
                peer.send(sent[:count])
                vanish(peer)
            for count in range(len(received) + 1):
                peer = Peer(server.port)
                peer.send(sent)
                peer.expect(received[:count])
                vanish(peer)
            server.goes_on()
        server.has_given_everything_back()
        server.stop_well()


def reset_at_every_point_of_an_echo():
    at_every_point(ECHO_SERVER, b"one\ntwo words\n\nlast\n", b"one\ntwo words\n\nlast\n")


def reset_at_every_point_of_an_ftp_conversation():
    at_every_point(FTP_SERVER, b"NOOP\r\nhello\r\nUSER\r\nQUIT\r\n",
                   READY + b"200 Command okay.\r\n500 Syntax error, command unrecognized.\r\n"
                   b"501 Syntax error in parameters or arguments.\r\n"
                   b"221 Service closing control connection.\r\n")


def reset_at_many_points_of_a_long_answer():
    answer = b"?> " + Names().answer("cjk")
    with Server(MOJIFINDER) as server:
        for round_number in range(3):
            for vanish in WAYS:
                for count in (0, 1, 3, 4, 100, 4096, 65_536, 1_000_000, len(answer)):
                    peer = Peer(server.port)
                    peer.send(b"cjk\n")
                    peer.expect(answer[:count])
                    vanish(peer)
            if round_number == 0:
                server.remember()  # The first round: it has seen long answers.
        server.has_given_everything_back()
        server.stop_well()


def thousand_peers_connect_and_vanish():
    """Several times: what a crowd costs, the next one uses again."""
    with Server(ECHO_SERVER) as server:
        for number in range(4):
            for i in range(1000):
                peer = Peer(server.port)
                if i % 4 == 1:
                    peer.send(b"the start of a line")
                elif i % 4 == 2:
                    peer.send(b"a line\n" * 100)
                WAYS[i // 4 % len(WAYS)](peer)
                if i % 50 == 49:  # No more of them than may wait to be accepted.
                    server.goes_on()
            if number == 0:
                server.remember()
        server.has_given_everything_back()
        server.stop_well()


def thousand_peers_vanish_at_once():
    with Server(ECHO_SERVER) as server:
        for number in range(3):
            crowd = []
            for _ in range(20):
                crowd += [Peer(server.port) for _ in range(50)]
                server.goes_on()
            for i, peer in enumerate(crowd):
                peer.send(b"a line\n" * 1000 if i % 2 else b"half a line")
            for i, peer in enumerate(crowd):
                WAYS[i % len(WAYS)](peer)
            if number == 0:
                server.goes_on()
                server.remember()
        server.has_given_everything_back()
        server.stop_well()


def one_who_reads_a_byte_at_a_time():
    cjk = Names().answer("cjk")
    with Server(MOJIFINDER) as server:
        with Peer(server.port, receive_buffer=1) as slow:  # 1: as small as the system makes it
            slow.send(b"cjk\ndigit nine\n")
            slow.expect(b"?> ")
            start = time.monotonic()
            for at in range(100_000):
                byte = slow.socket.recv(1)
                if byte != cjk[at:at + 1]:
                    check_equal(byte, cjk[at:at + 1], f"byte {at}")
                if at % 10_000 == 0:
                    server.goes_on()
            if not server.sanitized:
                grown = server.memory() - server.before
                check(grown < SLACK // 4, f"{grown} bytes more while 4 MB wait to be read")
            check(time.monotonic() - start < DEADLINE, "the others waited for it")
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            slow.expect(cjk[100_000:] + b"?> " + Names().answer("digit nine") + b"?> ")
        server.has_given_everything_back()
        server.stop_well()


class NeverFinished:
    """Servers with peers that begin a packet and never end it. They are given up after 30 s: the
    other tests use that time."""
    DRIP = 0.2  # seconds between two bytes of one who is slow, but never silent

    def __init__(self):
        self.echo = Server(ECHO_SERVER)
        self.ftp = Server(FTP_SERVER)
        self.silent = [Peer(self.echo.port) for _ in range(300)]
        for i, peer in enumerate(self.silent):
            peer.send(b"x" * (1, 60_000)[i % 2])
        if not self.echo.sanitized:
            wait_until(lambda: self.echo.memory() > self.echo.before + 2 * SLACK,
                       "so much memory that its return can be seen")
        self.ftp_peer = Peer(self.ftp.port)
        self.ftp_peer.send(b"NOOP\r\nNO")
        self.ftp_peer.expect(READY + b"200 Command okay.\r\n")
        self.dripping = Peer(self.echo.port)
        self.dripping.send(b"x")
        self.started = time.monotonic()

    def check(self):
        dripped = drip(self.dripping, self.DRIP)
        needed = time.monotonic() - self.started
        check(needed > 25, f"given up after {needed:.1f} s")
        print(f"        {dripped} bytes of a line were dripped in {needed:.1f} s", flush=True)
        for peer in self.silent:
            check_equal(peer.read_to_end(), b"", "what one gets who never finished a line")
        check_equal(self.ftp_peer.read_to_end(), GONE, "what FTP says")
        warned = [(self.echo, peer.name) for peer in [*self.silent, self.dripping]]
        for server, name in [*warned, (self.ftp, self.ftp_peer.name)]:
            lines = [line for line in server.err.lines if f"(peer {name}," in line]
            warnings = [line for line in lines if line.startswith("cowire warning: ")]
            check(len(warnings) == 1 and "connection ended" in warnings[0]
                  and "frame_timeout" in warnings[0], f"{name}: {lines}")
        for peer in [*self.silent, self.ftp_peer, self.dripping]:
            peer.socket.close()
        for server in (self.echo, self.ftp):
            server.has_given_everything_back()
            server.stop()


def drip(peer, pause):
    """Sends a byte, again and again, until the other side has had enough; returns how many."""
    count, end = 1, time.monotonic() + 2 * DEADLINE
    peer.socket.settimeout(pause)
    while True:
        check(time.monotonic() < end, "nobody minds")
        try:
            check_equal(peer.socket.recv(1), b"", "an answer to half a line")
            return count
        except TimeoutError:
            peer.socket.send(b"x")
            count += 1


never_finished = []


def packets_are_begun():
    never_finished.append(NeverFinished())


def packets_are_never_finished():
    never_finished.pop().check()


run_tests(packets_are_begun, reset_at_every_point_of_an_echo,
          reset_at_every_point_of_an_ftp_conversation, reset_at_many_points_of_a_long_answer,
          thousand_peers_connect_and_vanish, thousand_peers_vanish_at_once,
          one_who_reads_a_byte_at_a_time, packets_are_never_finished)
