#!/usr/bin/env python3
"""Checks that docs/easynetwork.md is whole, and that the tests it names exist.

Its tables have a row for each behaviour of EasyNetwork:

    | H3 | in EasyNetwork | same | in cowire | `name of a test` |

  * The numbers of each letter are complete, see EXPECTED, and each stands there once.
  * The third column is `same`, `differs` or `not there`.
  * The last one names tests: a TEST_CASE, CONTRACT_TEST or TEST_CASE_TEMPLATE in tests/**/*.cpp, or
    a file of tests/examples, in backticks. Without one there must be a reason: for `same` in the
    last column, in plain words; else there or in the fourth.
  * What a test's name begins with, as "D1, D2:", is the number of a row.

Prints one line for each problem, and fails if there is any. --root checks another folder.
"""
import re
import sys

from house import parser_for

PAGE = "docs/easynetwork.md"
# How many behaviours there are of each letter.
EXPECTED = {"S": 16, "A": 7, "H": 16, "D": 12, "E": 13, "T": 5, "L": 8, "U": 8, "B": 5, "R": 14,
            "C": 23, "P": 11}
VERDICTS = ("same", "differs", "not there")

ROW = re.compile(r"^\|\s*([A-Z]\d+)\s*\|(.*)\|\s*$")
NAMED = re.compile(r"`([^`]*)`")
LABEL = re.compile(r"[A-Z]\d+(?:, [A-Z]\d+)*(?=:)")
TEST = re.compile(r'^[ \t]*(?:TEST_CASE|TEST_CASE_TEMPLATE|CONTRACT_TEST)\(\s*((?:"(?:\\.|[^"\\\n])*"\s*)+)',
                  re.M)
LITERAL = re.compile(r'"((?:\\.|[^"\\\n])*)"')


def rows_of(path, report):
    """Returns (line, number, cells behind the number) of each row of the tables."""
    rows = []
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = ROW.match(text)
        if not row:
            continue
        cells = [cell.strip() for cell in row[2].split("|")]
        if len(cells) == 4:
            rows.append((line, row[1], cells))
        else:
            report(f"{PAGE}:{line}: {row[1]} has {len(cells) + 1} columns, not 5")
    return rows


def tests_in(root):
    """Returns the place of each test: name -> file:line."""
    places = {}
    for path in sorted((root / "tests").rglob("*.cpp")):
        text = path.read_text(encoding="utf-8")
        for test in TEST.finditer(text):
            name = re.sub(r"\\(.)", r"\1", "".join(LITERAL.findall(test[1])))
            line = text.count("\n", 0, test.start()) + 1
            places.setdefault(name, f"{path.relative_to(root)}:{line}")
    return places


def check_numbers(rows, report):
    seen = {}
    for line, number, _ in rows:
        if number in seen:
            report(f"{PAGE}:{line}: {number} stands there twice, first in line {seen[number]}")
        seen.setdefault(number, line)
    expected = [f"{letter}{n}" for letter, count in EXPECTED.items() for n in range(1, count + 1)]
    for number in expected:
        if number not in seen:
            report(f"{PAGE}: {number} is missing")
    for number in sorted(set(seen) - set(expected)):
        report(f"{PAGE}:{seen[number]}: {number} is not expected: see EXPECTED in {sys.argv[0]}")


def check_row(root, row, tests, report):
    line, number, (_, verdict, cowire, last) = row
    if verdict not in VERDICTS:
        report(f"{PAGE}:{line}: {number}: {verdict!r} is none of {', '.join(VERDICTS)}")
    for name in NAMED.findall(last):
        is_example = name.startswith("tests/examples/") and (root / name).is_file()
        if name not in tests and not is_example:
            report(f"{PAGE}:{line}: {number}: there is no test {name!r}")
    has_reason = has_words(last) or (verdict != "same" and has_words(cowire))
    if not NAMED.search(last) and not has_reason:
        report(f"{PAGE}:{line}: {number} has neither a test nor a reason")


def has_words(cell):
    return re.search(r"\w", cell) is not None


def check_labels(rows, tests, report):
    numbers = {number for _, number, _ in rows}
    for name, place in tests.items():
        label = LABEL.match(name)
        for number in label[0].split(", ") if label else []:
            if number not in numbers:
                report(f"{place}: {PAGE} has no row {number}, with which {name!r} begins")


def main():
    root = parser_for(__doc__).parse_args().root
    problems = []
    if not (root / PAGE).is_file():
        sys.exit(f"there is no {root / PAGE}")
    rows = rows_of(root / PAGE, problems.append)
    tests = tests_in(root)
    check_numbers(rows, problems.append)
    for row in rows:
        check_row(root, row, tests, problems.append)
    check_labels(rows, tests, problems.append)

    for problem in problems:
        print(problem)
    if problems:
        return 1
    verdicts = [cells[1] for _, _, cells in rows]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS)
    print(f"{len(rows)} behaviours of EasyNetwork: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
