#!/usr/bin/env python3
"""Lets redis-cli and redis-benchmark, the real ones, talk to redis_server. Gets its path."""
import subprocess
import sys

from driving import (DEADLINE, Conversation, Peer, Program, check, check_equal, run, run_tests,
                     tool)

REDIS_SERVER = sys.argv[1]

REQUESTS = (b"*1\r\n$4\r\nPING\r\n" b"*2\r\n$4\r\nping\r\n$2\r\nhi\r\n"
            b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$7\r\n\r\n\x00*1\r\n\r\n" b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
            b"GET b\r\n" b"INCR n\r\n" b"\r\n" b"INCR n\n" b"DEL a n b\r\n" b"INCR n\r\n"
            b"SET n 9223372036854775807\r\n" b"INCR n\r\n" b"SET n x1\r\n" b"INCR n\r\n"
            b"SET n\r\n" b"HGET a b\r\n" b"QUIT\r\n" b"PING\r\n")
REPLIES = (b"+PONG\r\n" b"$2\r\nhi\r\n" b"+OK\r\n" b"$7\r\n\r\n\x00*1\r\n\r\n" b"$-1\r\n" b":1\r\n"
           b":2\r\n" b":2\r\n" b":1\r\n" b"+OK\r\n" b"-ERR increment or decrement would overflow\r\n"
           b"+OK\r\n" b"-ERR value is not an integer or out of range\r\n"
           b"-ERR wrong number of arguments for 'SET' command\r\n"
           b"-ERR unknown command 'HGET'\r\n" b"+OK\r\n")


class Server(Program):
    """A running redis_server, on any free port."""

    def __init__(self):
        super().__init__(REDIS_SERVER, "127.0.0.1", 0)
        self.port = int(self.err.wait_for(r"Start serving at .*:(\d+)$")[1])


def with_server(test):
    """Runs the test with a server of its own, which must end well after it."""
    def with_one():
        with Server() as server:
            test(server)
            server.stop()
    with_one.__name__ = test.__name__
    return with_one


def redis_cli(server, *arguments, typed=None):
    """What redis-cli prints."""
    command = [tool("redis-cli"), "-p", str(server.port), *arguments]
    done = subprocess.run(command, input=typed, capture_output=True, timeout=DEADLINE, check=False)
    check_equal(done.stderr, b"", f"the errors of {arguments}")
    return done.stdout


def commands_of_redis_cli(server):
    for arguments, output in [
            (("PING",), b"PONG\n"), (("ECHO", "hello world"), b"hello world\n"),
            (("SET", "key", "two\r\nlines"), b"OK\n"), (("GET", "key"), b"two\r\nlines\n"),
            (("GET", "none"), b"\n"), (("INCR", "n"), b"1\n"), (("INCR", "n"), b"2\n"),
            (("INCR", "key"), b"ERR value is not an integer or out of range\n\n"),
            (("DEL", "key", "n", "none"), b"2\n"), (("GET", "key"), b"\n"),
            (("NOSUCH",), b"ERR unknown command 'NOSUCH'\n\n")]:
        check_equal(redis_cli(server, *arguments), output, f"redis-cli {' '.join(arguments)}")


def redis_cli_in_a_terminal(server):
    with Conversation("env", "TERM=dumb", tool("redis-cli"), "--no-raw", "-p", server.port,
                      terminal=True) as cli:
        prompt = f"127.0.0.1:{server.port}> ".encode()
        cli.read_until(prompt)  # It has asked for COMMAND by now.
        for typed, answer in [(b'SET greeting "good day"\n', b"OK"),
                              (b"GET greeting\n", b'"good day"'), (b"GET none\n", b"(nil)"),
                              (b"INCR n\n", b"(integer) 1"),
                              (b"INCR greeting\n", b"(error) ERR value is not an integer")]:
            cli.type(typed)
            seen = cli.read_until(prompt)
            check(answer in seen, f"{typed!r} is answered {seen!r}")


def thousands_of_commands_piped_by_redis_cli(server):
    typed = b"".join(b"SET key%d value%d\r\n" % (i, i) for i in range(5000))
    output = redis_cli(server, "--pipe", typed=typed)
    check(b"errors: 0, replies: 5000" in output, f"redis-cli --pipe says {output!r}")
    check_equal(redis_cli(server, "GET", "key4999"), b"value4999\n", "the last one")


def redis_benchmark_pipelines(server):
    status, output, _ = run(tool("redis-benchmark"), "-p", server.port, "-t", "set,get,incr", "-n",
                            "2000", "-c", "10", "-P", "50", "-q", "--csv")
    check(status == 0, f"redis-benchmark ends with {status}")
    for name in ("SET", "GET", "INCR"):
        check(f'"{name}"' in output, f"{name} is missing in {output!r}")
    check_equal(redis_cli(server, "INCR", "counter:__rand_int__"), b"2001\n", "all were counted")


def requests_may_come_in_any_pieces(server):
    with Peer(server.port) as peer:
        peer.send(REQUESTS)
        check_equal(peer.read_to_end(), REPLIES, "all at once")
    with Peer(server.port) as peer:
        peer.send(b"DEL n\r\n")
        peer.expect(b":1\r\n")
        for i in range(len(REQUESTS) - len(b"PING\r\n")):
            peer.send(REQUESTS[i:i + 1])
        check_equal(peer.read_to_end(), REPLIES, "one byte at a time")


def what_is_no_command_is_said_and_the_end(server):
    for sent, detail in [(b"*x\r\n", b"invalid multibulk length"),
                         (b"*1\r\n+PING\r\n", b"expected '$', got '+'"),
                         (b"*1\r\n$-5\r\n", b"invalid bulk length"),
                         (b"*1\r\n$9223372036854775807\r\n", b"the command is too large"),
                         (b"x" * 600_000, b"the command is too large")]:
        with Peer(server.port) as peer:
            peer.send(b"PING\r\n" + sent + b"PING\r\n")
            check_equal(peer.read_to_end(),
                        b"+PONG\r\n-ERR Protocol error: " + detail + b"\r\n", f"{sent[:30]!r}")
    check_equal(redis_cli(server, "PING"), b"PONG\n", "another peer")


run_tests(*map(with_server, [
    commands_of_redis_cli, redis_cli_in_a_terminal, thousands_of_commands_piped_by_redis_cli,
    redis_benchmark_pipelines, requests_may_come_in_any_pieces,
    what_is_no_command_is_said_and_the_end]))
