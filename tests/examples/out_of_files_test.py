#!/usr/bin/env python3
"""A server that has no file descriptors left says so, waits, and serves those who wait when there
are some again (EMFILE at accept). Gets echo_server's path."""
import re
import resource
import select
import socket
import subprocess
import sys
import time

DEADLINE = 30  # seconds, for the whole test
FILES = 40     # descriptors that the server may have
PEERS = 60     # more than that


def answered(peers, until):
    """Returns the peers that have been answered, waiting until `until` says enough."""
    done = set()
    end = time.monotonic() + DEADLINE
    while not until(done):
        if time.monotonic() > end:
            sys.exit(f"only {len(done)} of {len(peers)} peers were answered in {DEADLINE} s")
        readable, _, _ = select.select([p for p in peers if p not in done], [], [], 1)
        for peer in readable:
            if peer.recv(10) != b"x\n":
                sys.exit("a peer got no echo")
            done.add(peer)
    return done


def main(program):
    server = subprocess.Popen(
        [program, "127.0.0.1", "0"], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES)))
    try:
        port = int(re.search(r":(\d+)$", server.stderr.readline().strip())[1])
        peers = [socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
                 for _ in range(PEERS)]
        for peer in peers:
            peer.sendall(b"x\n")
        complaint = ""
        while "accept at" not in complaint:  # It is full: one line for each try.
            complaint = server.stderr.readline()
            if not complaint:
                sys.exit("the server ended")
        if f"127.0.0.1:{port}" not in complaint or "Too many open files" not in complaint:
            sys.exit(f"the log line does not say what is wrong: {complaint}")
        first = answered(peers, lambda done: len(done) >= FILES // 2)
        for peer in first:
            peer.close()
        rest = [peer for peer in peers if peer not in first]
        answered(rest, lambda done: len(done) == len(rest))
    finally:
        server.terminate()
        server.stderr.close()
        server.wait(DEADLINE)
    print(f"{len(first)} peers at once, {len(rest)} more when descriptors were free again")


main(sys.argv[1])
