# SPDX-License-Identifier: BSL-1.0
"""What the tools in this folder share."""

import argparse
import pathlib


def parser_for(doc):
    """A parser of arguments that knows --root."""
    parser = argparse.ArgumentParser(description=doc,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=lambda path: pathlib.Path(path).resolve(),
                        default=pathlib.Path(__file__).resolve().parent.parent,
                        help="the folder of the project")
    return parser
