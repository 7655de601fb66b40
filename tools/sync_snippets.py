#!/usr/bin/env python3
"""Keeps the C++ in README.md and docs/ equal to code that is compiled.

In a document:                                    In a file of examples/, tests/ or benchmarks/:

    <!-- snippet: examples/x.cpp#handler -->          // [handler]
    ```cpp                                            ...code...
    ...code...                                        // [/handler]
    ```

Without arguments, rewrites the documents. With --check, fails if one would change. In both cases
it fails if a ```cpp block has no such line before it, or if the line names nothing.
"""
import argparse
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = ("examples/", "tests/", "benchmarks/")
SNIPPET = re.compile(r"^\s*<!--\s*snippet:\s*([^#\s]+)#([\w-]+)\s*-->\s*$")
MARKER = re.compile(r"^\s*// \[(/?)([\w-]+)\]\s*$")
FENCE = re.compile(r"^(\s*)(`{3,}|~{3,})\s*([\w+]*)")


class SnippetError(Exception):
    """A mistake of the author, with the place."""


def code_between_markers(path, name):
    """Returns the lines between `// [name]` and `// [/name]`, without markers, moved to the left."""
    if not path.startswith(SOURCES):
        raise SnippetError(f"{path} is not compiled: take code from {', '.join(SOURCES)}")
    if not (ROOT / path).is_file():
        raise SnippetError(f"there is no file {path}")
    found, inside = [], None
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
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
        raise SnippetError(f"{path}: // [/{name}] is missing")
    if len(found) != 1:
        raise SnippetError(f"{path}: {len(found)} places are marked // [{name}], there must be one")
    return textwrap.dedent("\n".join(found[0])).strip("\n").split("\n")


def synced(document, errors):
    """Returns the document's text with every snippet replaced by the code it names."""
    out, wanted, fence = [], None, None
    where = document.relative_to(ROOT)
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        opening = FENCE.match(line)
        if fence:
            closes = line.strip().startswith(fence["mark"]) and not line.strip(" `~")
            if closes or not fence["replaced"]:
                out.append(line)
            if closes:
                fence = None
            continue
        out.append(line)
        if opening:
            indent, mark, language = opening.groups()
            fence = {"mark": mark, "replaced": False}
            if language in ("cpp", "c++"):
                if wanted is None:
                    errors.append(f"{where}:{number}: no <!-- snippet: path#name --> before this block")
                else:
                    try:
                        code = code_between_markers(*wanted)
                        out += [(indent + text).rstrip() for text in code]
                        fence["replaced"] = True
                    except SnippetError as error:
                        errors.append(f"{where}:{number}: {error}")
            wanted = None
            continue
        snippet = SNIPPET.match(line)
        if snippet:
            wanted = snippet.groups()
        elif line.strip():
            if wanted is not None:
                errors.append(f"{where}:{number}: a snippet line must stand right before its block")
            wanted = None
    if fence:
        errors.append(f"{where}: the last fenced block does not end")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if out of date")
    check = parser.parse_args().check

    errors = []
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for document in filter(pathlib.Path.is_file, documents):
        errors_before = len(errors)
        text = synced(document, errors)
        if len(errors) > errors_before or text == document.read_text(encoding="utf-8"):
            continue
        if check:
            errors.append(f"{document.relative_to(ROOT)}: differs from the code; "
                          "run tools/sync_snippets.py")
        else:
            document.write_text(text, encoding="utf-8")
            print(f"updated {document.relative_to(ROOT)}")
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
