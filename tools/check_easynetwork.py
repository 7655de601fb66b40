#!/usr/bin/env python3
"""Checks that docs/easynetwork.md is whole, and that the tests it names exist.

Its tables have a row for each behaviour of EasyNetwork:

    | H3 | in EasyNetwork | same | in cowire | `name of a test` |

  * The numbers of each letter are complete, see EXPECTED, and each stands there once.
  * The third column is `same`, `differs` or `not there`.
  * The last one names tests in backticks: a TEST_CASE, CONTRACT_TEST or TEST_CASE_TEMPLATE in
    tests/**/*.cpp whose own name begins with the row's number, as "H3:" or "D1, H3:". Beside such
    a test it may name a script of tests/examples, or a case of tests/compile/must_not_compile.
    Without one there must be a reason: for `same` in the last column, in plain words; else there
    or in the fourth.
  * The other way round, each number that a test's name begins with is that of a row, which names
    the test, or else the list at the end of the page does:

    - H3: `name of a test`, `name of another test`

Prints one line for each problem, and fails if there is any. --root checks another folder. --update
writes the list at the end of the page first.
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
FILES = re.compile(r"tests/(?:examples/\w+\.py|compile/must_not_compile/\w+\.cpp)")
LIST_HEADING = "## Further tests"
LISTED = re.compile(r"^- ([A-Z]\d+): (.*)$")
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
    names = NAMED.findall(last)
    for name in names:
        if name in tests:
            if number not in numbers_of(name):
                report(f"{PAGE}:{line}: {number}: the name of {name!r} does not begin with it")
        elif not FILES.fullmatch(name) or not (root / name).is_file():
            report(f"{PAGE}:{line}: {number}: there is no test {name!r}")
    if names and not any(name in tests for name in names):
        report(f"{PAGE}:{line}: {number} names files only, and no test case")
    has_reason = has_words(last) or (verdict != "same" and has_words(cowire))
    if not NAMED.search(last) and not has_reason:
        report(f"{PAGE}:{line}: {number} has neither a test nor a reason")


def has_words(cell):
    return re.search(r"\w", cell) is not None


def numbers_of(name):
    """Returns the numbers that a test's name begins with."""
    label = LABEL.match(name)
    return label[0].split(", ") if label else []


def further_tests(rows, tests, report):
    """Returns the list of the tests that no row names: number -> names, as they should stand."""
    named = {number: NAMED.findall(cells[3]) for _, number, cells in rows}
    further = {number: [] for number in named}
    for name, place in tests.items():
        for number in numbers_of(name):
            if number not in named:
                report(f"{place}: {PAGE} has no row {number}, with which {name!r} begins")
            elif name not in named[number]:
                further[number].append(name)
    return {number: names for number, names in further.items() if names}


def check_list(text, further, tests, report):
    """Compares the list at the end of the page with what it should be."""
    listed = {}
    for line in text.partition(LIST_HEADING)[2].splitlines():
        entry = LISTED.match(line)
        if entry:
            listed[entry[1]] = NAMED.findall(entry[2])
    remedy = f"run {sys.argv[0]} --update"
    for number in sorted(set(listed) | set(further)):
        there, wanted = listed.get(number, []), further.get(number, [])
        for name in wanted:
            if name not in there:
                report(f"{tests[name]}: neither row {number} of {PAGE} nor its list names {name!r}: "
                       f"name it in the row, or {remedy}")
        for name in there:
            if name not in wanted:
                report(f"{PAGE}: {LIST_HEADING[3:]}: {number}: {name!r} is no such test, or in its "
                       f"row already: {remedy}")


def with_list(text, further):
    """Returns the page with that list at its end."""
    start, _, _ = text.partition(LIST_HEADING)
    entries = [f"- {number}: " + ", ".join(f"`{name}`" for name in names)
               for number, names in further.items()]
    return (f"{start.rstrip()}\n\n{LIST_HEADING}\n\nMore of the same behaviours. This list is written "
            f"by `tools/check_easynetwork.py --update`.\n\n" + "\n".join(entries) + "\n")


def main():
    parser = parser_for(__doc__)
    parser.add_argument("--update", action="store_true",
                        help="write the list of further tests at the end of the page")
    arguments = parser.parse_args()
    root = arguments.root
    problems = []
    if not (root / PAGE).is_file():
        sys.exit(f"there is no {root / PAGE}")
    rows = rows_of(root / PAGE, problems.append)
    tests = tests_in(root)
    check_numbers(rows, problems.append)
    for row in rows:
        check_row(root, row, tests, problems.append)
    further = further_tests(rows, tests, problems.append)
    page = (root / PAGE).read_text(encoding="utf-8")
    if arguments.update:
        page = with_list(page, further)
        (root / PAGE).write_text(page, encoding="utf-8")
    check_list(page, further, tests, problems.append)

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
