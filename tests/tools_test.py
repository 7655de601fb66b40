#!/usr/bin/env python3
"""The tools that keep the documentation true fail when they should."""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[1] / "tools"


class ToolTest(unittest.TestCase):
    """A tool that is run on a small project of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def read(self, path):
        return (self.root / path).read_text(encoding="utf-8")

    def run_tool(self, name, *arguments):
        """Returns whether the tool is content, and what it prints."""
        done = subprocess.run([sys.executable, TOOLS / name, "--root", self.root, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=60, check=False)
        return done.returncode == 0, done.stdout


class EasyNetworkTable(ToolTest):
    """tools/check_easynetwork.py on the project's own page and tests, changed in one place."""

    PAGE = "docs/easynetwork.md"

    def setUp(self):
        super().setUp()
        project = TOOLS.parent
        tests = [*project.glob("tests/**/*.cpp"), *project.glob("tests/examples/*.py")]
        for path in [project / self.PAGE, *tests]:
            self.write(path.relative_to(project), path.read_text(encoding="utf-8"))

    def check(self, *arguments):
        return self.run_tool("check_easynetwork.py", *arguments)

    def change(self, path, pattern, replacement):
        text, count = re.subn(pattern, replacement, self.read(path), count=1, flags=re.M)
        self.assertEqual(count, 1)
        self.write(path, text)

    def assert_problem(self, text):
        content, output = self.check()
        self.assertFalse(content)
        self.assertIn(text, output)

    def test_the_project_itself(self):
        self.assertEqual(self.check()[0], True, self.check()[1])

    def test_a_row_names_a_test_of_another_number(self):
        self.change(self.PAGE, r"^(\| H2 \|.*\|) `[^`]*` \|$",
                    r"\1 `H7: a request may come in pieces` |")
        self.assert_problem("H2: the name of 'H7: a request may come in pieces' does not begin")

    def test_a_row_names_a_test_that_is_not_there(self):
        self.change(self.PAGE, r"^(\| H2 \|.*\|) `[^`]*` \|$", r"\1 `H2: gone` |")
        self.assert_problem("H2: there is no test 'H2: gone'")

    def test_a_row_names_a_script_only(self):
        self.change(self.PAGE, r"^(\| H2 \|.*\|) `[^`]*` \|$",
                    r"\1 `tests/examples/echo_test.py` |")
        self.assert_problem("H2 names files only")

    def test_a_test_that_the_page_does_not_name(self):
        self.write("tests/new_test.cpp", 'TEST_CASE("H2: one more") {}\n')
        self.assert_problem("tests/new_test.cpp:1: neither row H2")
        self.assertTrue(self.check("--update")[0])
        self.assertIn("`H2: one more`", self.read(self.PAGE))
        self.assertTrue(self.check()[0])

    def test_the_list_names_a_test_that_is_gone(self):
        self.write("tests/new_test.cpp", 'TEST_CASE("H2: one more") {}\n')
        self.assertTrue(self.check("--update")[0])
        self.write("tests/new_test.cpp", "")
        self.assert_problem("Further tests: H2: 'H2: one more' is no such test")

    def test_a_test_of_a_number_that_no_row_has(self):
        self.write("tests/new_test.cpp", 'TEST_CASE("H2, H99: one more") {}\n')
        self.assert_problem("has no row H99")

    def test_a_row_is_missing(self):
        self.change(self.PAGE, r"^\| H2 \|.*\n", "")
        self.assert_problem("H2 is missing")


if __name__ == "__main__":
    unittest.main()
