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


def wait_for_answers(peers, number):
    """Waits until so many peers have been answered, and hangs up on them. Returns the others."""
    waiting, answered = set(peers), []
    end = time.monotonic() + DEADLINE
    while len(answered) < number:
        if time.monotonic() > end:
            sys.exit(f"only {len(answered)} of {number} peers were answered in {DEADLINE} s")
        readable, _, _ = select.select(waiting, [], [], 1)
        for peer in readable:
            if peer.recv(10) != b"x\n":
                sys.exit("a peer got no echo")
            answered.append(peer)
            waiting.remove(peer)
    for peer in answered:
        peer.close()
    return waiting


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
        rest = wait_for_answers(peers, FILES // 2)
        late = len(rest)
        while rest:
            rest = wait_for_answers(rest, 1)
    finally:
        server.terminate()
        server.stderr.close()
        server.wait(DEADLINE)
    print(f"{PEERS - late} peers at once, {late} more when descriptors were free again")


main(sys.argv[1])
