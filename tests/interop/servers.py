"""The servers under test, for the scripts in this folder: those talk to them by programs that
nobody here wrote. To be imported before `driving`, which it makes known."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "examples"))

from driving import DEADLINE, Program, check_equal, wait_until  # noqa: E402
from unicode_names import Names  # noqa: E402

ECHO_SERVER, ECHO_CLIENT, MOJIFINDER = sys.argv[1:4]
NAMES = Names()
PROMPT = b"?> "
# More than 4 MB, in lines that differ, so that an exchange is noticed.
BULK = b"".join(b"%07d " % i + b"x" * (i % 300) + b"\n" for i in range(28_000))


class EchoServer(Program):
    """A running echo_server: on any free port, or at `unix:PATH` or `unix:@NAME`."""

    def __init__(self, address=None):
        super().__init__(ECHO_SERVER, *([address] if address else ["127.0.0.1", 0]))
        place = self.err.wait_for(r"Start serving at (.*)$")[1]
        self.port = None if address else int(place.rpartition(":")[2])

    def stop_well(self):
        """It ends without having complained of anything."""
        self.stop()
        complaints = [line for line in self.err.lines if not line.startswith("cowire info: ")]
        check_equal(complaints, [], "the complaints")

    def wait_for_ends(self, number):
        """Waits until so many more connections have ended."""
        for _ in range(number):
            self.err.wait_for("disconnected")


class Mojifinder(Program):
    """A running mojifinder, on any free port."""

    def __init__(self):
        super().__init__(MOJIFINDER, "127.0.0.1", 0)
        self.port = int(self.out.wait_for(r"^Serving on 127\.0\.0\.1:(\d+)\.")[1])

    def stop_well(self):
        self.stop()
        check_equal(self.err.lines, [], "the complaints")


def unix_servers():
    """Yields an echo_server at a path, and one with an abstract name: (server, address)."""
    with tempfile.TemporaryDirectory() as folder:
        for address in (f"{folder}/echo.sock", f"@{folder}/echo"):
            with EchoServer(f"unix:{address}") as server:
                yield server, address


def dialogue(*queries):
    """mojifinder's prompts and answers from the first prompt to the last."""
    return PROMPT + b"".join(NAMES.answer(query) + PROMPT for query in queries)


def pipe(data, *command):
    """What a program prints that is given the data and then the end of its input."""
    done = subprocess.run([str(part) for part in command], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=DEADLINE, check=False)
    return done.stdout


def pipe_all(inputs, *command):
    """The same for many at once: returns the outputs."""
    running = [subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in inputs]
    try:
        for process, data in zip(running, inputs):
            process.stdin.write(data)  # All are connected, or will be, before the first one ends.
            process.stdin.flush()
        return [process.communicate(timeout=DEADLINE)[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()


def listening_port(process):
    """The port that a program listens on, when it does."""
    found = []

    def look():
        with open("/proc/net/tcp", encoding="ascii") as table:
            listeners = [fields for fields in map(str.split, list(table)[1:]) if fields[3] == "0A"]
        files = process_files(process.pid)
        found.extend(int(fields[1].split(":")[1], 16) for fields in listeners
                     if f"socket:[{fields[9]}]" in files)
        return found

    wait_until(look, "a listening socket")
    return found[0]


def process_files(pid):
    files = []
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            files.append(str(link.readlink()))
        except FileNotFoundError:  # closed meanwhile
            pass
    return files
