#!/usr/bin/env python3
"""The terminal session in README.md is what mojifinder really answers. Gets mojifinder's path."""
import pathlib
import re
import socket
import subprocess
import sys

DEADLINE = 20  # seconds, for every wait


def session_of_readme():
    """Returns the queries of the transcript, and the text from the first prompt to the last."""
    readme = pathlib.Path(__file__).resolve().parents[2] / "README.md"
    transcript = re.search(r"```console\n(\$ telnet.*?)```", readme.read_text("utf-8"), re.S)[1]
    text = transcript[transcript.index("?> "):].rstrip("\n")
    return re.findall(r"^\?> (.+)$", text, re.M), text


def main(mojifinder):
    queries, expected = session_of_readme()
    if len(queries) < 2:
        sys.exit("README.md: the transcript has no queries")
    server = subprocess.Popen([mojifinder, "127.0.0.1", "0"], stdout=subprocess.PIPE)
    try:
        server.stdout.readline()
        port = int(re.search(rb":(\d+)\.", server.stdout.readline())[1])
        with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as peer:
            stream = peer.makefile("rwb")
            seen = ""
            for query in queries + [""]:
                seen += stream.read(3).decode()
                if not query:
                    break
                stream.write(query.encode() + b"\r\n")
                stream.flush()
                seen += query + "\n"
                while not seen.endswith(" found\n"):
                    seen += stream.readline().decode().replace("\r\n", "\n")
    finally:
        server.kill()
        server.wait(DEADLINE)
    if seen.rstrip() != expected.rstrip():
        sys.exit(f"README.md shows\n{expected}\nbut mojifinder answers\n{seen}")
    print(f"The transcript in README.md is right: {len(queries)} queries")


main(sys.argv[1])
