#!/usr/bin/env python3
"""Reads what spdlog_echo_server logs. Gets its path."""
import re
import sys

from driving import Peer, Program, check, check_equal, run_tests, wait_until

SERVER = sys.argv[1]
LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \[server\] \[(\w+)\] (.*)$")


def session(level):
    """Two conversations with a server that logs from this level on. Returns the log as pairs
    (level, text), in which peers are `first` and `second`, and what the server printed."""
    with Program(SERVER, "127.0.0.1", 0, *level) as server:
        port = listening_port(server)
        with Peer(port) as first:
            first.send(b"hello\n\x01\"two\"\n")
            first.expect(b"hello\n\x01\"two\"\n")
        with Peer(port) as second:
            second.send(b"one\ncrash\n")
            second.expect(b"one\n")
            try:
                second.expect_end()
            except ConnectionResetError:
                pass  # A crash resets.
        server.stop()
        log = []
        for line in server.err.lines:
            found = LINE.match(line)
            check(found, f"not a line of spdlog's: {line!r}")
            text = found[2].replace(first.name, "first").replace(second.name, "second")
            log.append((found[1], text.replace(f":{port}", ":port")))
        return log, server.out.lines


def listening_port(server):
    """Asks the system, since the log may be silent."""
    found = []

    def look():
        files = server.open_files()
        with open("/proc/net/tcp", encoding="ascii") as table:
            for fields in map(str.split, list(table)[1:]):
                if fields[3] == "0A" and f"socket:[{fields[9]}]" in files:  # 0A: it listens
                    found.append(int(fields[1].split(":")[1], 16))
        return found

    wait_until(look, "a listening socket")
    return found[0]


START = ("info", "Start serving at 127.0.0.1:port")
CRASH = ("error", "Exception occurred during processing of request peer=second connection=2 "
                  r'packet=2 error="a \"crash\"\nwas asked for"')


def of_connection(log, number):
    return [(level, text) for level, text in log if f"connection={number}" in text]


def all_fields_are_there():
    log, out = session(["debug"])
    check(START in log, f"no start: {log}")
    check_equal(of_connection(log, 1), [
        ("info", "Accepted new connection peer=first connection=1"),
        ("debug", 'echo "hello" peer=first connection=1'),
        ("debug", r'echo "\x01\"two\"" peer=first connection=1'),
        ("info", "disconnected peer=first connection=1 packet=2")], "the first connection")
    check_equal(of_connection(log, 2), [
        ("info", "Accepted new connection peer=second connection=2"),
        ("debug", 'echo "one" peer=second connection=2'),
        ("debug", 'echo "crash" peer=second connection=2'),
        CRASH,
        ("info", "disconnected peer=second connection=2 packet=2")], "the second connection")
    check_equal(out, ["4 debug texts were made."], "the console")


def debug_records_cost_nothing_when_they_are_off():
    log, out = session([])  # info
    check(START in log and CRASH in log, f"something is missing: {log}")
    check_equal([level for level, _ in log if level == "debug"], [], "debug records")
    check_equal(out, ["0 debug texts were made."], "the console")


def only_what_is_worse_is_logged():
    for level in ("warning", "error"):
        log, _ = session([level])
        check_equal(log, [CRASH], level)
    for level in ("critical", "off"):
        log, _ = session([level])
        check_equal(log, [], level)


run_tests(all_fields_are_there, debug_records_cost_nothing_when_they_are_off,
          only_what_is_worse_is_logged)
