#!/usr/bin/env python3
"""Runs background_server, whose path it gets."""
import sys

from driving import check, check_equal, run, run_tests

BACKGROUND_SERVER = sys.argv[1]


def expect(result, status, out):
    seen_status, seen_out, errors = result
    check_equal(seen_out, out, "the output")
    check(seen_status == status, f"exit status {seen_status}, errors: {errors}")
    check(bool(errors) == bool(status), f"errors: {errors!r}")


def three_questions_get_three_answers():
    for _ in range(3):
        expect(run(BACKGROUND_SERVER), 0, "one -> eno\ntwo -> owt\nthree -> eerht\n")


def any_questions_are_answered():
    long = "x" * 65536
    expect(run(BACKGROUND_SERVER, "", "a b", long), 0, f" -> \na b -> b a\n{long} -> {long}\n")


def what_is_no_line_is_refused():
    result = run(BACKGROUND_SERVER, "fine", "two\nlines")
    expect(result, 1, "fine -> enif\n")
    check(result[2].startswith("background_server: "), f"who says it: {result[2]!r}")


run_tests(three_questions_get_three_answers, any_questions_are_answered,
          what_is_no_line_is_refused)
