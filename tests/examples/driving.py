"""What the scripts in this folder share: programs and peers whose every wait has a deadline.

A script's test functions are called by run_tests(); each gets what it needs as arguments and says
what is wrong by check(), or by a Failure.
"""
import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import traceback

DEADLINE = 30  # seconds, for one wait
WATCHDOG = 170  # seconds, for a whole script: a little less than ctest gives it

REPORTS_OF_SANITIZERS = re.compile(
    r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|runtime error:")


class Failure(Exception):
    """Something is not as it should be."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def check_equal(seen, expected, what):
    """Compares text or bytes, and shows where they part."""
    if seen == expected:
        return
    at = 0
    while at < min(len(seen), len(expected)) and seen[at] == expected[at]:
        at += 1
    start = max(0, at - 40)
    raise Failure(f"{what}: {len(seen)} long, {len(expected)} expected; they part at {at}:\n"
                  f"  seen     {seen[start:at + 80]!r}\n  expected {expected[start:at + 80]!r}")


def wait_until(condition, what, seconds=DEADLINE):
    """Polls a condition that no file descriptor tells of."""
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.005)  # between two looks


class Console:
    """The lines that a program prints to one of its outputs, read as they come."""

    def __init__(self, stream):
        self.lines = []
        self._stream = stream
        self._seen = 0  # lines that wait_for() has passed
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self._stream:
            with self._changed:
                self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def wait_for(self, pattern, seconds=DEADLINE):
        """Returns the match of the next line that has the pattern; the lines before are passed."""
        end = time.monotonic() + seconds
        with self._changed:
            while True:
                while self._seen < len(self.lines):
                    self._seen += 1
                    found = re.search(pattern, self.lines[self._seen - 1])
                    if found:
                        return found
                left = end - time.monotonic()
                check(left > 0 and not self._ended,
                      f"no line /{pattern}/ {'before the end' if self._ended else 'in time'}; "
                      f"the last ones: {self.lines[-5:]}")
                self._changed.wait(left)

    def wait_for_all(self, texts, seconds=DEADLINE):
        """Waits until each text is in a line, in any order."""
        missing, at, end = set(texts), 0, time.monotonic() + seconds
        while missing:
            with self._changed:
                new, at = self.lines[at:], len(self.lines)
                if not new:
                    left = end - time.monotonic()
                    check(left > 0 and not self._ended,
                          f"{len(missing)} texts are missing, such as {min(missing)!r}")
                    self._changed.wait(left)
            for line in new:
                missing -= {text for text in missing if text in line}

    def rest(self):
        """All lines, when the program has ended."""
        self._thread.join(DEADLINE)
        check(not self._thread.is_alive(), "the output does not end: a child holds it?")
        return self.lines


class Program:
    """A program under test. Killed and reaped at the end of the `with` block."""
    running = set()

    def __init__(self, *command):
        self.command = [str(part) for part in command]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        Program.running.add(self)
        self.out = Console(self.process.stdout)
        self.err = Console(self.process.stderr)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.process.kill()
        self.process.wait()
        Program.running.discard(self)
        with contextlib.suppress(Failure):
            self.out.rest()
            self.err.rest()
        if kind is not None:
            print(f"  {' '.join(self.command)} printed last:")
            for line in self.out.lines[-10:] + self.err.lines[-10:]:
                print("  |", line[:300])
        self.process.stdout.close()
        self.process.stderr.close()

    def send_signal(self, number):
        check(self.process.poll() is None, f"it ended before it got {number.name}")
        self.process.send_signal(number)

    def wait(self, seconds=DEADLINE):
        """Returns the exit status; the consoles are complete then."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.command[0]} does not end within {seconds} s") from None
        self.out.rest()
        if any(map(REPORTS_OF_SANITIZERS.search, self.err.rest())):
            raise Failure("a sanitizer reports:\n" + "\n".join(self.err.lines))
        return status

    def stop(self, number=signal.SIGINT, seconds=DEADLINE):
        """Ends a server in an orderly way."""
        self.send_signal(number)
        status = self.wait(seconds)
        check(status == 0, f"exit status {status} after {number.name}: {self.err.lines[-5:]}")

    def open_files(self):
        """What its descriptors stand for: a list of paths, `socket:[inode]` and the like."""
        folder, names = f"/proc/{self.process.pid}/fd", []
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                names.append(os.readlink(f"{folder}/{number}"))
        return names

    def memory(self):
        """The resident memory in bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024


def run(*command, seconds=DEADLINE):
    """Runs a program to its end; returns (exit status, its output, its errors) as text."""
    with Program(*command) as program:
        status = program.wait(seconds)
    return status, "".join(f"{line}\n" for line in program.out.lines), "\n".join(program.err.lines)


def is_sanitized(program):
    """Whether a sanitizer is built in: memory is no measure then."""
    with open(program, "rb") as file:
        code = file.read()
    return b"__asan_" in code or b"__tsan_" in code


def tool(name):
    """The path of a program of the system that a test needs."""
    path = shutil.which(name)
    check(path, f"{name} is not installed: scripts/test.sh installs it")
    return path


class Conversation:
    """A client program that we type into, through a terminal or a pipe."""

    def __init__(self, *command, terminal=False):
        command = [str(part) for part in command]
        if terminal:
            self._keys, slave = pty.openpty()
            attributes = termios.tcgetattr(slave)
            attributes[3] &= ~termios.ECHO
            termios.tcsetattr(slave, termios.TCSANOW, attributes)
            self.process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT, start_new_session=True,
                                            preexec_fn=_take_terminal)
            os.close(slave)
        else:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT)
            self._keys = self.process.stdin.fileno()
        self._output = self.process.stdout.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if self.process.stdin:
            self.process.stdin.close()
        else:
            os.close(self._keys)

    def type(self, keys):
        os.write(self._keys, keys)

    def end_of_keys(self):
        self.process.stdin.close()

    def read_until(self, ending):
        """Reads on until all that was printed ends so; returns what is new."""
        return self._read(lambda data: data.endswith(ending), f"no {ending!r}")

    def read_some(self):
        """Reads what was printed, at least one byte."""
        return self._read(len, "nothing")

    def read_to_end(self):
        return self._read(lambda data: False, "no end", to_end=True)

    def _read(self, enough, what, to_end=False):
        data, end = b"", time.monotonic() + DEADLINE
        while not enough(data):
            ready, _, _ = select.select([self._output], [], [], max(0, end - time.monotonic()))
            check(ready, f"{what} in time, but {data[-200:]!r}")
            more = os.read(self._output, 1 << 16)
            if not more and to_end:
                return data
            check(more, f"{what} before the end, but {data[-200:]!r}")
            data += more
        return data


def _take_terminal():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Peer:
    """A client's end of a TCP connection."""

    def __init__(self, port, receive_buffer=None, host="127.0.0.1"):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE)
        self.socket.connect((host, port))
        self.name = "{}:{}".format(*self.socket.getsockname())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.settimeout(DEADLINE)
        self.socket.sendall(data)

    def _receive(self, size, end):
        left = end - time.monotonic()
        check(left > 0, f"{self.name}: the deadline passed, although bytes come")
        self.socket.settimeout(left)
        try:
            return self.socket.recv(min(size, 1 << 20))
        except TimeoutError:
            raise Failure(f"{self.name}: nothing came before the deadline") from None

    def expect(self, expected, seconds=DEADLINE):
        """Reads as many bytes as expected, and compares them."""
        end, view, at = time.monotonic() + seconds, memoryview(expected), 0
        while at < len(expected):
            try:
                data = self._receive(len(expected) - at, end)
            except Failure:
                data = b""
            if data and view[at:at + len(data)] == data:
                at += len(data)
                continue
            before = bytes(view[max(0, at - 40):at])
            check_equal(before + data, before + bytes(view[at:at + max(len(data), 40)]),
                        f"{self.name}, {at} bytes after the start"
                        + ("" if data else ", where nothing more came"))

    def expect_end(self, seconds=DEADLINE):
        data = self._receive(100, time.monotonic() + seconds)
        check(data == b"", f"{self.name}: the end was expected, and {data!r} came")

    def read_to_end(self, seconds=DEADLINE):
        end, parts = time.monotonic() + seconds, []
        while data := self._receive(1 << 20, end):
            parts.append(data)
        return b"".join(parts)

    def send_end(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Vanishes: the other side sees a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def _watch():
    print(f"The watchdog: not ready after {WATCHDOG} s", flush=True)
    for program in list(Program.running):
        program.process.kill()
        program.process.wait()
    os._exit(2)


def run_tests(*tests):
    """Calls the functions; ends the script with status 1 if one fails."""
    watchdog = threading.Timer(WATCHDOG, _watch)
    watchdog.daemon = True
    watchdog.start()
    failed = 0
    for test in tests:
        start = time.monotonic()
        try:
            test()
        except Exception as error:  # each failure of a test, whatever it is
            failed += 1
            where = traceback.extract_tb(error.__traceback__)
            place = next((f for f in reversed(where) if f.filename != __file__), where[-1])
            print(f"FAILED  {test.__name__}, line {place.lineno}: "
                  f"{'' if isinstance(error, Failure) else type(error).__name__ + ': '}{error}",
                  flush=True)
        else:
            print(f"ok      {test.__name__} ({time.monotonic() - start:.2f} s)", flush=True)
    watchdog.cancel()
    for program in list(Program.running):  # A test that failed has left it.
        program.process.kill()
        program.process.wait()
    sys.exit(f"{failed} of {len(tests)} tests failed" if failed else 0)
