#!/usr/bin/env python3
"""Accounts for each fenced block of README.md, CONTRIBUTING.md and docs/: it is what is run.

A block's language says how:

  cpp, cmake   is cut from a file that is compiled, or that a consumer of the package is built by.
  console      what a program shows: is cut from a test that plays it, or checked by a script.
  sh           is cut from a script that CI runs, or its commands stand in a file of CI.
  text         is a picture; one that shows what a program prints may be cut from a test.

The line before a block says where:

    In a document:                                    In a file, as // [handler] or # [handler]:

    <!-- snippet: examples/x.cpp#handler -->          // [handler]
    ```cpp                                            ...code...
    ...code...                                        // [/handler]
    ```
    <!-- checked by: tests/examples/x_test.py -->     a test of ctest that mentions the document
    <!-- run by: .ci/run -->                          has each command of the block

Without arguments, rewrites the blocks that are cut. With --check, fails if one would change. In both
cases it fails if a block has another language, no such line before it, or one that names nothing.
"""
import re
import sys
import textwrap

from house import parser_for

# Where a block of a language may be cut from.
SOURCES = {
    "cpp": r"(?:examples|tests|benchmarks)/.*\.[ch]pp",
    "cmake": r"tests/package/.*/CMakeLists\.txt",
    "console": r"tests/.*\.cpp",
    "sh": r"(?:scripts|tests/package)/.*\.sh",
    "text": r"tests/.*\.cpp",
}
RUNNERS = r"\.ci/run|\.github/workflows/\w+\.yml|scripts/\w+\.sh"
# The lines that may account for a block of a language; the first is what to write.
WAYS = {"cpp": ["snippet"], "cmake": ["snippet"], "console": ["snippet", "checked by"],
        "sh": ["run by", "snippet"], "text": ["snippet"]}
NEEDS_NONE = ("text",)
SOURCE_LINE = re.compile(r"^\s*<!--\s*(snippet|checked by|run by):\s*([^#\s]+)(?:#([\w-]+))?\s*-->\s*$")
MARKER = re.compile(r"^\s*(?://|#) \[(/?)([\w-]+)\]\s*$")
FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([^\s`]*)")


class SnippetError(Exception):
    """A mistake of the author, with the place."""


def code_between_markers(root, path, name, language):
    """Returns the lines between `// [name]` and `// [/name]`, without markers, moved to the left."""
    if not name:
        raise SnippetError(f"which part of {path}? Write {path}#name")
    if not re.fullmatch(SOURCES[language], path):
        raise SnippetError(f"{path} proves nothing: a {language} block is cut from a file like "
                           f"{SOURCES[language]}")
    if not (root / path).is_file():
        raise SnippetError(f"there is no file {path}")
    found, inside = [], None
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
        marker = MARKER.match(line)
        if marker and marker[2] == name:
            if bool(marker[1]) != (inside is not None):
                raise SnippetError(f"{path}:{number}: unexpected {line.strip()}")
            if marker[1]:
                found.append(inside)
            inside = None if marker[1] else []
        elif inside is not None and not marker:
            inside.append(line.rstrip())
    if inside is not None:
        raise SnippetError(f"{path}: [/{name}] is missing")
    if len(found) != 1:
        raise SnippetError(f"{path}: {len(found)} places are marked [{name}], there must be one")
    return textwrap.dedent("\n".join(found[0])).strip("\n").split("\n")


def check_checked(root, path, document):
    """A script that ctest runs, and that speaks of the document."""
    if not (root / path).is_file():
        raise SnippetError(f"there is no file {path}")
    listed = (root / "tests/CMakeLists.txt").read_text(encoding="utf-8")
    if not path.endswith(".py") or path.removeprefix("tests/") not in listed:
        raise SnippetError(f"{path} is no script of tests/CMakeLists.txt")
    if document not in (root / path).read_text(encoding="utf-8"):
        raise SnippetError(f"{path} does not mention {document}")


def check_run(root, path, block):
    """Each command of the block stands in a file of CI."""
    if not re.fullmatch(RUNNERS, path) or not (root / path).is_file():
        raise SnippetError(f"{path} is no file that CI runs: {RUNNERS}")
    lines = (root / path).read_text(encoding="utf-8").splitlines()
    code = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    for line in block:
        command = re.sub(r"(?:^|\s)#.*", "", line).strip()
        if command and not re.search(rf"(?<![\w./-]){re.escape(command)}(?![\w./-])", code):
            raise SnippetError(f"{path} does not run {command!r}")


def accounted(root, document, language, source, block):
    """Returns the code that the block should be, or nothing if it is not cut from anything."""
    if language not in WAYS:
        raise SnippetError(f"a block of {language or 'no language'}: it is one of "
                           f"{', '.join(WAYS)}, see tools/sync_snippets.py")
    if source is None:
        if language in NEEDS_NONE:
            return None
        raise SnippetError(f"no line <!-- {WAYS[language][0]}: ... --> before this block")
    way, path, name = source
    if way not in WAYS[language]:
        raise SnippetError(f"a {language} block is accounted for by {' or '.join(WAYS[language])}, "
                           f"not by {way}")
    if way == "snippet":
        return code_between_markers(root, path, name, language)
    if way == "checked by":
        check_checked(root, path, document)
    else:
        check_run(root, path, block)
    return None


def synced(root, document, errors):
    """Returns the document's text with every snippet replaced by the code it names."""
    out, source, fence = [], None, None
    where = str(document.relative_to(root))
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        opening = FENCE.match(line)
        if fence:
            if not line.strip().startswith(fence["mark"]) or line.strip(" `~"):
                fence["block"].append(line)
                continue
            block = fence["block"]
            try:
                code = accounted(root, where, fence["language"], source, block)
                if code is not None:
                    block = [(fence["indent"] + text).rstrip() for text in code]
            except SnippetError as error:
                errors.append(f"{where}:{fence['line']}: {error}")
            out += [*block, line]
            fence = source = None
            continue
        out.append(line)
        if opening:
            indent, mark, language = opening.groups()
            fence = {"mark": mark, "indent": indent, "language": language, "line": number,
                     "block": []}
            continue
        if source:
            errors.append(f"{where}:{number}: a line <!-- {source[0]}: ... --> must stand right "
                          "before its block")
        found = SOURCE_LINE.match(line)
        source = found.groups() if found else None
    if fence:
        errors.append(f"{where}: the last fenced block does not end")
    return "\n".join(out) + "\n"


def main():
    parser = parser_for(__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if out of date")
    arguments = parser.parse_args()
    root = arguments.root

    errors = []
    documents = [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").rglob("*.md"))]
    for document in (path for path in documents if path.is_file()):
        errors_before = len(errors)
        text = synced(root, document, errors)
        if len(errors) > errors_before or text == document.read_text(encoding="utf-8"):
            continue
        if arguments.check:
            errors.append(f"{document.relative_to(root)}: differs from the code; "
                          "run tools/sync_snippets.py")
        else:
            document.write_text(text, encoding="utf-8")
            print(f"updated {document.relative_to(root)}")
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
