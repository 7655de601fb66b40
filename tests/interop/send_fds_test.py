#!/usr/bin/env python3
"""Python's socket.send_fds and recv_fds: open files to and from descriptors_server, whose path it
gets."""
import contextlib
import os
import pathlib
import socket
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "examples"))

from driving import DEADLINE, Program, check, check_equal, run_tests, wait_until  # noqa: E402

SERVER = sys.argv[1]
MOST = 8  # what the server takes with one request
TEXTS = [b"one\n", b"", b"x" * 100_000]


class Client:
    """Requests with files, answers perhaps with some."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect("\0" + address[1:] if address.startswith("@") else address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, request, files=()):
        """The request in one piece, with which the files go."""
        numbers = [file.fileno() for file in files]
        check_equal(socket.send_fds(self.socket, [request], numbers), len(request), "what is sent")

    def receive(self):
        """Returns one line, and the descriptors that came with it."""
        data, files = b"", []
        while not data.endswith(b"\n"):
            more, numbers, flags, _ = socket.recv_fds(self.socket, 1 << 16, 253)
            files += numbers
            check(more, f"the end, after {data!r}")
            check(not flags & socket.MSG_CTRUNC, "some descriptors were lost")
            data += more
        check_equal(data.count(b"\n"), 1, "the number of answers")
        return data[:-1].decode(), files

    def ask(self, request, files=()):
        """An answer with which nothing comes."""
        self.send(request, files)
        text, came = self.receive()
        check_equal(came, [], "descriptors")
        return text


@contextlib.contextmanager
def opened(*texts):
    """Files without a name, that have these contents."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(buffering=0)) for _ in texts]
        for file, text in zip(files, texts):
            file.write(text)
        yield files


class Server(Program):
    """A running descriptors_server, at `unix:PATH` or `unix:@NAME`."""

    def __init__(self, address):
        super().__init__(SERVER, f"unix:{address}")
        self.err.wait_for(r"Start serving at ")
        with Client(address) as first:
            check_equal(first.ask(b"sizes\n"), "", "no files")
        self.err.wait_for(r"disconnected")
        self.idle = sorted(self.open_files())

    def stop_well(self):
        """It has closed every file that it was given, and complained of nothing."""
        wait_until(lambda: sorted(self.open_files()) == self.idle, "the files to be closed")
        self.stop()
        complaints = [line for line in self.err.lines if not line.startswith("cowire info: ")]
        check_equal(complaints, [], "the complaints")


def on_each_address(test):
    """Calls a test with a server at a path, and with one that has an abstract name."""
    def run():
        with tempfile.TemporaryDirectory() as folder:
            for address in (f"{folder}/files.sock", f"@{folder}/files"):
                with Server(address) as server, Client(address) as client:
                    test(server, client)
                    client.socket.close()
                    server.stop_well()
    run.__name__ = test.__name__
    return run


@on_each_address
def files_go_there(_, client):
    with opened(*TEXTS) as files:
        check_equal(client.ask(b"sizes\n", files), "4 0 100000", "three files")
        check_equal(client.ask(b"sizes\n", files[2:]), "100000", "one file")
        check_equal(client.ask(b"sizes\n", files[:1] * MOST), " ".join("4" * MOST), "as many as go")
    check_equal(client.ask(b"sizes\n"), "", "none")


@on_each_address
def a_file_comes_back(_, client):
    with opened(*TEXTS) as files:
        client.send(b"join\n", files)
        text, came = client.receive()
    check_equal(text, str(sum(map(len, TEXTS))), "the size")
    check_equal(len(came), 1, "the number of descriptors")
    with open(came[0], "rb") as joined:
        check_equal(joined.read(), b"".join(TEXTS), "the contents")


@on_each_address
def pipelined_requests_keep_their_files(_, client):
    with opened(*(b"x" * size for size in range(1, 6))) as files:
        for number in range(5):
            client.send(b"sizes\n", files[:number])
        answers = b""
        while answers.count(b"\n") < 5:
            answers += client.socket.recv(1 << 16)
    check_equal(answers, b"\n1\n1 2\n1 2 3\n1 2 3 4\n", "the answers")


@on_each_address
def a_request_in_pieces(_, client):
    """The files of all pieces belong to the packet."""
    with opened(b"12", b"123") as files:
        client.send(b"si", files[:1])
        check_equal(client.ask(b"zes\n", files[1:]), "2 3", "two files")


@on_each_address
def too_many_files(_, client):
    """The request is refused with a clear error, and the connection is good for more."""
    with opened(b"1") as files:
        for number in (MOST + 1, 253):
            text = client.ask(b"sizes\n", files * number)
            check(text.startswith("error: ") and "descriptors" in text and "receive_descriptors"
                  in text, f"{number} files: {text!r}")
        check_equal(client.ask(b"sizes\n", files), "1", "the next request")


@on_each_address
def what_is_no_file(_, client):
    reading, writing = os.pipe()
    with open(reading, "rb") as pipe, open(writing, "wb"):
        check_equal(client.ask(b"sizes\n", [pipe]), "error: not a file", "a pipe")
        check_equal(client.ask(b"what?\n", [pipe]), "error: ask for sizes or join", "nonsense")


@on_each_address
def files_of_a_request_that_is_never_finished(server, client):
    """The server closes them: see stop_well()."""
    with opened(b"1") as files:
        client.send(b"siz", files * 3)
        wait_until(lambda: len(server.open_files()) > len(server.idle) + 1, "the files")


run_tests(files_go_there, a_file_comes_back, pipelined_requests_keep_their_files,
          a_request_in_pieces, too_many_files, what_is_no_file,
          files_of_a_request_that_is_never_finished)
