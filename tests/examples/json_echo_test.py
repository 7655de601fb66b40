#!/usr/bin/env python3
"""Drives json_echo_server and json_echo_client. Gets their paths, in that order."""
import json
import socket
import sys

from driving import Peer, Program, check, check_equal, run, run_tests

SERVER, CLIENT = sys.argv[1:3]

VALUES = ["null", "true", "0", "-1", "1.5", '""', '"text"', "[]", "{}", "[[]]", "[1]", "[[1],[2]]",
          '[null,true,"x",{"a":[1,2,{"b":null}]}]', '{"a":1,"b":{"c":[]}}', '"grüß dich 🐈"',
          '"\\n\\t\\u0000\\"\\\\"', "18446744073709551615", "-9223372036854775808",
          "[" * 64 + "]" * 64, '"' + "x" * 65534 + '"']

NOT_JSON = [b"", b" ", b"{", b"{]", b"hello", b"'a'", b"1 2", b"[1,]", b"{1:2}", b"nul", b'"\xff"',
            b'"\xc3', b'"\x01"', b'"\\ud800"', b"NaN", b"\x00"]
TOO_DEEP = [b"[" * 65 + b"]" * 65, b"[" * 65536, b'{"a":' * 9000]
BAD = {
    **dict.fromkeys(NOT_JSON, "parse error"), b"1e999": "number overflow",
    **dict.fromkeys(TOO_DEEP, "nested deeper than 64"),
    b'"' + b"x" * 65535 + b'"': "limit 65536 bytes", b"1" * 1_000_000: "limit 65536 bytes",
    b"[" + b"1e9," * 16000 + b"1]": "limit 65536 bytes",  # Longer when it is written again.
    b"GET / HTTP/1.1": "looks like an HTTP request",
}


class Server(Program):
    """A running json_echo_server, on any free port."""

    def __init__(self):
        super().__init__(SERVER, "127.0.0.1", 0)
        self.port = int(self.err.wait_for(r"Start serving at .*:(\d+)$")[1])

    def stop_well(self):
        self.stop()
        complaints = [line for line in self.err.lines if not line.startswith("cowire info: ")]
        check_equal(complaints, [], "the complaints")


def read_line(peer):
    line = b""
    while not line.endswith(b"\n"):
        data = peer.socket.recv(1 << 20)
        check(data, f"the end after {line[-100:]!r}")
        line += data
    return line


def values_are_echoed():
    with Server() as server, Peer(server.port) as peer:
        for value in VALUES:
            peer.send(value.encode() + b"\n")
            check_equal(json.loads(read_line(peer)), json.loads(value), value[:100])
        peer.send(b' { "a" : [ 1 , 2 ] }\r\n')  # Telnet's ending is white space in JSON.
        peer.expect(b'{"a":[1,2]}\n')
        sent = b"".join(value.encode() + b"\n" for value in VALUES)
        peer.send(sent)  # pipelined
        received = b""
        while received.count(b"\n") < len(VALUES):
            received += read_line(peer)
        check_equal([json.loads(line) for line in received.splitlines()],
                    [json.loads(value) for value in VALUES], "all at once")
        short = b'{"a":[1,"x\\ny"]}\nnull\n'
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in short:
            peer.send(bytes([byte]))
        peer.expect(short)
        peer.socket.close()
        server.stop_well()


def bad_lines_are_answered_and_the_connection_goes_on():
    with Server() as server, Peer(server.port) as peer:
        for line, reason in BAD.items():
            peer.send(line + b"\n[1]\n")
            answer, _, rest = read_line(peer).partition(b"\n")
            answer = json.loads(answer)
            check(list(answer) == ["error"] and reason in answer["error"],
                  f"{line[:100]!r} is answered {answer}")
            check_equal(rest or read_line(peer), b"[1]\n", f"what follows {line[:100]!r}")
        peer.send(b"null\n{\"cut")
        peer.send_end()
        check_equal(peer.read_to_end(), b"null\n", "what a cut line gets")
        peer.socket.close()
        server.stop_well()


def client_and_server_understand_each_other():
    with Server() as server:
        status, out, errors = run(CLIENT, "127.0.0.1", server.port)
        check_equal((status, out, errors), (0, '> {"hello":"world"}\n< {"hello":"world"}\n', ""),
                    "the exchange")
        status, out, errors = run(CLIENT, "127.0.0.1", server.port, *VALUES)
        check((status, errors) == (0, ""), f"{status} {errors}")
        lines = out.splitlines()
        check_equal([line[2:] for line in lines[::2]], [line[2:] for line in lines[1::2]], "answers")
        check_equal([json.loads(line[2:]) for line in lines[::2]], [json.loads(v) for v in VALUES],
                    "values")
        server.stop_well()


def client_says_what_is_wrong():
    status, _, errors = run(CLIENT, "127.0.0.1", 1, "{")
    check(status == 1 and errors.startswith("json_echo_client: ") and "parse error" in errors,
          f"{status}: {errors}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Program(CLIENT, "127.0.0.1", listener.getsockname()[1]) as client:
            listener.settimeout(30)
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(30)
                check_equal(connection.recv(18, socket.MSG_WAITALL), b'{"hello":"world"}\n', "it")
                connection.sendall(b"what?\n")
            status = client.wait()
            errors = "\n".join(client.err.lines)
    for part in ("parse error", 'first bytes "what?', "check that both sides"):
        check(status == 1 and part in errors, f"{status}: {errors!r} does not say {part!r}")


run_tests(values_are_echoed, bad_lines_are_answered_and_the_connection_goes_on,
          client_and_server_understand_each_other, client_says_what_is_wrong)
