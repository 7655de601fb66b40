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


class Blocks(ToolTest):
    """tools/sync_snippets.py on a page with one block."""

    def setUp(self):
        super().setUp()
        self.write("README.md", "# A project\n")
        self.write("examples/x.cpp", "// [part]\n  int x;\n// [/part]\n")
        self.write("tests/package/a/CMakeLists.txt", "# [part]\nproject(a)\n# [/part]\n")
        self.write("tests/CMakeLists.txt", "examples/x_test.py")
        self.write("tests/examples/x_test.py", "plays docs/page.md")
        self.write("tests/examples/lost_test.py", "is not in CMakeLists.txt, but plays docs/page.md")
        self.write(".ci/run", "# make fun\n  make all\n")

    def check(self, language, source, block, *arguments):
        comment = f"<!-- {source} -->\n" if source else ""
        self.write("docs/page.md", f"{comment}```{language}\n{block}\n```\n")
        return self.run_tool("sync_snippets.py", *(arguments or ["--check"]))

    def assert_accounted(self, *block):
        content, output = self.check(*block)
        self.assertTrue(content, output)

    def assert_problem(self, text, *block):
        content, output = self.check(*block)
        self.assertFalse(content)
        self.assertIn(text, output)

    def test_what_is_accounted_for(self):
        self.assert_accounted("cpp", "snippet: examples/x.cpp#part", "int x;")
        self.assert_accounted("cmake", "snippet: tests/package/a/CMakeLists.txt#part", "project(a)")
        self.assert_accounted("console", "checked by: tests/examples/x_test.py", "> hello")
        self.assert_accounted("sh", "run by: .ci/run", "make all   # everything")
        self.assert_accounted("text", None, "a --- b")

    def test_no_line_before_it(self):
        for language in ("cpp", "cmake", "console", "sh"):
            self.assert_problem("no line <!-- ", language, None, "x")

    def test_a_language_that_nobody_knows(self):
        self.assert_problem("a block of python", "python", None, "x")
        self.assert_problem("a block of no language", "", None, "x")

    def test_code_that_differs(self):
        self.assert_problem("differs from the code", "cpp", "snippet: examples/x.cpp#part", "int y;")
        self.assertTrue(self.check("cpp", "snippet: examples/x.cpp#part", "int y;",
                                   "--root", str(self.root))[0])
        self.assertIn("int x;", self.read("docs/page.md"))

    def test_what_proves_nothing(self):
        self.assert_problem("proves nothing", "cmake", "snippet: examples/x.cpp#part", "int x;")
        self.assert_problem("marked [other]", "cpp", "snippet: examples/x.cpp#other", "int x;")
        self.assert_problem("no file", "cpp", "snippet: examples/y.cpp#part", "int x;")
        self.assert_problem("not by checked by", "cpp", "checked by: tests/examples/x_test.py", "x")

    def test_a_dialogue_that_no_test_plays(self):
        lost, gone = "tests/examples/lost_test.py", "tests/examples/gone_test.py"
        self.assert_problem("is no script of", "console", f"checked by: {lost}", "x")
        self.assert_problem("there is no file", "console", f"checked by: {gone}", "x")
        self.write("tests/examples/x_test.py", "plays docs/other.md")
        self.assert_problem("does not mention docs/page.md", "console",
                            "checked by: tests/examples/x_test.py", "x")

    def test_a_command_that_is_not_run(self):
        for command in ("make fun", "make al", "make all -k"):
            self.assert_problem(f"does not run '{command}'", "sh", "run by: .ci/run", command)
        self.assert_problem("is no file that CI runs", "sh", "run by: examples/x.cpp", "int x;")

    def test_a_line_that_is_not_before_a_block(self):
        self.write("README.md", "<!-- snippet: examples/x.cpp#part -->\n\ntext\n")
        self.assert_problem("must stand right before", "text", None, "x")


if __name__ == "__main__":
    unittest.main()
