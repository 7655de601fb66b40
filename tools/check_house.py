#!/usr/bin/env python3
"""Checks the rules of the house that no compiler checks.

  * A header has at most 400 lines, `#pragma once`, and no #define.
  * A header includes only what lies below it: see FLOORS.
  * Every C++ file starts with the SPDX line; nobody includes <asio.hpp>.
  * Public classes, functions and concepts have a `///` comment.
  * Every header and every test is named in the CMake files.

Prints one line for each breach, and fails if there is any. --root checks another folder.
"""
import re
import sys

from house import parser_for

# The towers, each from its lowest floor up. A header may include the lower floors of its own tower
# and every floor of the towers named in BELOW. A new header needs a place here.
# impl/x.hpp and impl/x_part.hpp hold the bodies of x.hpp, in whichever room that is, and stand on
# its floor.
FLOORS = {
    "ground": [
        ["ancillary.hpp", "bytes.hpp", "limits.hpp", "logger.hpp", "tls_info.hpp",
         "detail/stream_marks.hpp"],
        ["error.hpp"],
        ["result.hpp", "detail/stream_ancillary.hpp"],
    ],
    "message": [
        ["buffer.hpp", "framing.hpp", "converter.hpp", "detail/separator_set.hpp"],
        ["serializer.hpp", "output_queue.hpp", "text_encoding.hpp", "detail/separator_scan.hpp",
         "detail/item_scan.hpp"],
        ["serializers/struct_fields.hpp", "detail/json_document.hpp", "detail/crc32c.hpp",
         "detail/base64.hpp", "detail/holds_view.hpp", "detail/zlib_stream.hpp"],
        ["detail/pack.hpp", "serializers/json_options.hpp", "detail/cbor_check.hpp"],
        ["detail/pack_members.hpp", "detail/json_serializer.hpp"],
        ["serializers/line.hpp", "serializers/separated.hpp", "serializers/length_prefixed.hpp",
         "serializers/fixed_size.hpp", "serializers/struct.hpp", "serializers/text.hpp",
         "serializers/raw.hpp", "serializers/stapled.hpp", "serializers/varint_prefixed.hpp",
         "serializers/netstring.hpp", "serializers/cobs.hpp", "serializers/json_documents.hpp",
         "serializers/cbor_items.hpp", "serializers/message_pack_objects.hpp",
         "serializers/json.hpp", "serializers/json_choice.hpp", "serializers/json_fields.hpp",
         "serializers/cbor.hpp", "serializers/message_pack.hpp", "serializers/base64.hpp",
         "serializers/checksummed.hpp", "serializers/compressed.hpp", "serializers/digest.hpp",
         "serializers/protobuf.hpp", "serializers/tagged.hpp"],
        ["protocol.hpp"],
        ["packet_reader.hpp", "switchable_protocol.hpp"],
    ],
    "stream": [
        ["detail/peer_executor.hpp", "detail/list_node.hpp", "detail/stop_signals.hpp",
         "detail/visitors.hpp"],
        ["task.hpp", "recv_params.hpp", "clock.hpp", "detail/frame_pool.hpp",
         "detail/pending_handler.hpp", "detail/runs_here.hpp", "detail/accept_errors.hpp",
         "detail/blocking_calls.hpp", "detail/sync_loop.hpp", "detail/to_executor.hpp",
         "detail/exception_code.hpp", "detail/tls_engine.hpp", "detail/receive_deadlines.hpp",
         "detail/descriptor_messages.hpp", "detail/end_watcher.hpp"],
        ["transport.hpp", "transports/tls_context.hpp", "detail/completion.hpp",
         "detail/socket_file.hpp", "detail/event.hpp",
         "detail/generator_promise.hpp", "detail/lazy_timer.hpp", "detail/memory_pipe.hpp"],
        ["current_peer.hpp", "detail/hosted_wait.hpp"],
        ["generator.hpp", "task_group.hpp", "detail/wait_until.hpp", "detail/undisturbed.hpp",
         "detail/channel.hpp", "detail/passing_transport.hpp", "detail/socket_transport.hpp",
         "detail/tls_stream.hpp",
         "transports/memory.hpp"],
        ["connector.hpp", "run_blocking.hpp", "transports/tcp.hpp", "detail/tls_operations.hpp",
         "detail/peer_list.hpp"],
        ["transports/tcp_connector.hpp", "transports/unix.hpp", "detail/slow_peers.hpp",
         "detail/tls_listener.hpp"],
        ["transports/tls.hpp"],
        ["transports/start_tls.hpp"],
    ],
    "roof": [
        ["server_stats.hpp"],
        ["connection_context.hpp"],
        ["connection.hpp", "client_options.hpp", "server_options.hpp", "service.hpp",
         "detail/session_log.hpp"],
        ["peer.hpp", "detail/client_connection.hpp", "detail/session_owner.hpp"],
        ["handler.hpp", "peer_group.hpp"],
        ["detail/session.hpp", "detail/shard_handler.hpp"],
        ["detail/server_state.hpp"],
        ["server.hpp", "client.hpp"],
        ["serve.hpp", "server_thread.hpp", "sync_client.hpp"],
        ["server_threads.hpp"],
        ["cowire.hpp"],
    ],
    "testing": [
        ["testing/allocations.hpp", "testing/check_report.hpp", "testing/manual_clock.hpp"],
        ["testing/splits.hpp", "testing/replace_new.hpp"],
        ["detail/decoder_run.hpp"],
        ["detail/decoder_trial.hpp"],
        ["detail/decoder_checks.hpp"],
        ["detail/serializer_checks.hpp"],
        ["testing/check_serializer.hpp"],
        ["testing/fuzz.hpp"],
    ],
}
BELOW = {
    "ground": [],
    "message": ["ground"],
    "stream": ["ground"],
    "roof": ["ground", "message", "stream"],
    "testing": ["ground", "message", "stream", "roof"],
}
WITHOUT_ASIO = ["ground", "message"]
# Macros that only the preprocessor can replace: file -> names.
ALLOWED_DEFINES = {}
# Operations whose contract is the table of a concept; the customisation points of the standard library.
CONTRACT_ELSEWHERE = set("""
    serialize deserialize decode decode_end frame_limit to_wire from_wire
    get_executor async_read_some async_write_some async_wait_read try_write_some accept
    cancel shutdown_send close abort apply native_handle async_handshake async_shutdown_send handshake_error tls_info
    try_write_with async_wait_write receive_descriptors take_ancillary
    now expires_at async_wait
    make_error_code make_error_condition to_string
""".split())

MAX_LINES = 400
SPDX = "// SPDX-License-Identifier: BSL-1.0"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
PLACES = {name: (tower, floor)
          for tower, floors in FLOORS.items()
          for floor, names in enumerate(floors)
          for name in names}


def header_of(name):
    """Returns the header whose bodies an impl/ file holds; any other header is its own."""
    if not name.startswith("impl/"):
        return name
    stem = name.removeprefix("impl/").removesuffix(".hpp")
    for candidate in (stem, stem.rpartition("_")[0]):
        for room in ("", "detail/", "serializers/", "transports/"):
            if f"{room}{candidate}.hpp" in PLACES:
                return f"{room}{candidate}.hpp"
    return name


def place_of(name):
    """Returns (tower, floor) of a header, or None."""
    return PLACES.get(header_of(name))


def may_include(name, other):
    here, there = place_of(name), place_of(other)
    if header_of(name) == header_of(other):
        return True
    return there[0] in BELOW[here[0]] or (there[0] == here[0] and there[1] < here[1])


def check_header(name, lines, report):
    if len(lines) > MAX_LINES:
        report(MAX_LINES + 1, f"{len(lines)} lines; at most {MAX_LINES}: a class too many?")
    if "#pragma once" not in lines:
        report(2, "#pragma once is missing")
    place = place_of(name)
    if place is None:
        report(1, "has no floor: give it one in tools/check_house.py")
    for number, line in enumerate(lines, 1):
        define = re.match(r"\s*#\s*define\s+(\w+)", line)
        if define and define[1] not in ALLOWED_DEFINES.get(name, ()):
            report(number, f"#define {define[1]}: write a constant, a function or a template")
        include = INCLUDE.match(line)
        if not include:
            continue
        quote, path = include.groups()
        if quote == '"' and not path.startswith("cowire/"):
            report(number, f'"{path}" must be written as "cowire/..."')
        if place is None:
            continue
        if path.startswith("asio/") and place[0] in WITHOUT_ASIO:
            report(number, f"<{path}>: the {place[0]} tower does without Asio")
        if path.startswith("cowire/"):
            other = path.removeprefix("cowire/")
            if place_of(other) is None:
                report(number, f"{path} has no floor")
            elif not may_include(name, other):
                report(number, "includes upward or sideways: {} (floor {} of {}) is not below "
                       "floor {} of {}".format(path, *reversed(place_of(other)), *reversed(place)))


# --- documentation -----------------------------------------------------------

def without_comments_and_strings(lines):
    """Returns the lines with comments and literals blanked, so that braces can be counted."""
    text = "\n".join(lines)
    pattern = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'"""
                         r"""|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*""", re.S | re.M)
    blank = lambda match: re.sub(r"[^\n]", " ", match[0])
    return pattern.sub(blank, text)


def declarations(lines):
    """Yields (first line, last line, text, scope) of the declarations that users can see.

    The scope is the number of the line where the enclosing class or namespace begins.
    """
    text = without_comments_and_strings(lines)
    scopes = [("namespace", "public", 0, "")]
    statement, first, line, nested = "", 1, 1, 0
    for char in text + "\n":
        kind, access, scope, class_name = scopes[-1]
        if char == "\n":
            line += 1
        if not statement.strip():
            statement, first = "", line
        visible = (kind == "namespace" or kind == "class") and access == "public"
        if char in "([":
            nested += 1
        elif char in ")]":
            nested -= 1
        if kind == "body":
            scopes += [("body", "", line, "")] if char == "{" else []
            scopes = scopes[:-1] if char == "}" else scopes
        elif char == "{" and (nested or re.search(r"requires\s*(\([^{]*\)\s*)?$", statement)):
            nested += 1  # part of an expression
        elif char == "}" and nested:
            nested -= 1
        elif char == "{":
            head = re.sub(r"template\s*<[^{;]*?>\s*(?=\w)", "", statement).strip()
            named = re.match(r"(?:inline\s+)?namespace\s*([\w:]*)|"
                             r"(?:class|struct|union)\b[^(]*?(\w+)\s*(?:<[^{]*>)?\s*(?:final\s*)?(?::[^:].*)?$",
                             head, re.S)
            if named and head.startswith(("namespace", "inline namespace")):
                hidden = not named[1] or named[1].endswith("detail") or access == "private"
                scopes.append(("namespace", "private" if hidden else "public", line, ""))
            else:
                if visible:
                    yield first, line, statement, (scope, class_name)
                if named:
                    default = "private" if head.startswith("class") else "public"
                    default = "private" if not visible else default
                    scopes.append(("class" if visible else "hidden", default, line, named[2]))
                else:
                    scopes.append(("body", "", line, ""))
            statement = ""
            continue
        elif char == "}":
            scopes.pop()
            statement = ""
            continue
        elif nested == 0 and char == ";":
            if visible:
                yield first, line, statement + ";", (scope, class_name)
            statement = ""
            continue
        elif char == ":" and re.fullmatch(r"\s*(public|private|protected)\s*", statement):
            if kind == "class":
                scopes[-1] = (kind, statement.strip(), scope, class_name)
            statement = ""
            continue
        if kind != "body":
            statement += char


def needs_comment(text, class_name):
    text = re.sub(r"\s+", " ", text).strip()
    if not re.match(r"[\w\[~:]", text):
        return False  # the rest of a declaration with braces inside, or nothing
    if re.match(r"friend|static_assert|extern|requires\b|template ?<>|using\b|namespace\b", text):
        return False
    bare = re.sub(r"^template ?<.*?> ?(?=class|struct|union|enum)", "", text)
    if re.fullmatch(r"(class|struct|union|enum( class)?) [\w:]+( : [\w:]+)?;", bare):
        return False  # only declared here
    if re.search(r"= ?(default|delete);?$|\boverride\b|\) ?->[^;]*;$|~\w+ ?\(|operator(=|==|<=>) ?\(",
                 text):
        return False
    called = re.search(r"(\w+) ?\(", text)
    if called and called[1] in CONTRACT_ELSEWHERE:
        return False
    if not class_name and re.search(r"\w(<.*>)?::~?\w+ ?\(", text.split("(")[0] + "("):
        return False  # the body of a function that is documented where it is declared
    if not class_name:
        return True
    # In a class, what the class comment and the name say is enough for constructors, data members
    # and observers: functions without parameters that change nothing.
    return not (called is None or called[1] == class_name
                or re.search(r"\( ?\) ?(const|&&)", text))


def check_comments(lines, report):
    documented_until = {}
    for first, last, text, (scope, class_name) in declarations(lines):
        before = lines[first - 2].strip() if first > 1 else ""
        documented = (before.startswith("///") or documented_until.get(scope) == first - 1
                      or any("///<" in line for line in lines[first - 1:last]))
        if documented:
            documented_until[scope] = last
        elif needs_comment(text, class_name):
            summary = re.sub(r"\s+", " ", text).strip()
            report(first, f"no /// comment: {summary[:70]}")


# --- everything --------------------------------------------------------------

def main():
    root = parser_for(__doc__).parse_args().root
    breaches = []

    def reporter(path):
        return lambda number, text: breaches.append(f"{path.relative_to(root)}:{number}: {text}")

    def listed_in(cmake_file, path, name):
        file = root / cmake_file
        listed = file.is_file() and re.search(rf"^\s*{re.escape(name)}\s*\)?$", file.read_text(), re.M)
        if not listed:
            reporter(path)(1, f"is not named in {cmake_file}")

    headers = sorted((root / "include/cowire").rglob("*.hpp"))
    for path in headers:
        name = path.relative_to(root / "include/cowire").as_posix()
        lines = path.read_text(encoding="utf-8").splitlines()
        check_header(name, lines, reporter(path))
        if not name.startswith(("detail/", "impl/")):
            check_comments(lines, reporter(path))
        listed_in("cmake/CowireHeaders.cmake", path, path.relative_to(root).as_posix())

    sources = [path for folder in ("include", "tests", "examples", "benchmarks")
               for path in sorted((root / folder).rglob("*")) if path.suffix in (".hpp", ".cpp")]
    for path in sources:
        lines = path.read_text(encoding="utf-8").splitlines()
        must_not_compile = path.parent.name == "must_not_compile"
        if SPDX not in lines[:2 if must_not_compile else 1]:
            reporter(path)(1, f"the first line must be {SPDX}")
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*#\s*include\s*<asio\.hpp>", line):
                reporter(path)(number, "<asio.hpp> is slow to compile: include the parts you use")
        if must_not_compile:
            listed_in("tests/compile/CMakeLists.txt", path, path.stem)
        elif path.name.endswith("_test.cpp"):
            listed_in("tests/CMakeLists.txt", path, path.relative_to(root / "tests").as_posix())

    for breach in breaches:
        print(breach)
    print(f"{len(headers)} headers, {len(sources)} files, {len(breaches)} breaches of house rules")
    return 1 if breaches or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
