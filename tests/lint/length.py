#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""length.py ROOT lines: files of at most 600 lines, functions of the program of about 60,
an SPDX line on top. length.py ROOT columns: lines of at most 100 columns, nothing behind them."""

import sys
from pathlib import Path

FILE_MAX, FUNCTION_MAX, COLUMNS_MAX = 600, 64, 100
PROGRAM = ("base", "tls", "net", "fs")
SUFFIXES = {".c", ".h", ".py", ".build", ".sh", ".ini"}
BY_NAME = ("meson.build", "dev", ".ci/run", ".clang-format")
SPDX = "SPDX-License-Identifier: GPL-2.0-or-later"


def width(line):
    return len(line.expandtabs(8))


def functions(lines):
    """(line, length) of each: in this style its braces alone stand in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start:
            yield start, number - start + 1
            start = None


def line_complaints(path, root):
    lines = path.read_text().splitlines()
    if not any(SPDX in line for line in lines[:3]) and path.name != ".clang-format":
        yield 1, "no SPDX line"
    if len(lines) > FILE_MAX:
        yield len(lines), f"{len(lines)} lines, at most {FILE_MAX}"
    if path.suffix in (".c", ".h") and path.relative_to(root).parts[0] in PROGRAM:
        for number, length in functions(lines):
            if length > FUNCTION_MAX:
                yield number, f"a function of {length} lines, at most {FUNCTION_MAX}"


def column_complaints(path, _):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if width(line) > COLUMNS_MAX:
            yield number, f"{width(line)} columns, at most {COLUMNS_MAX}"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"


def main():
    root = Path(sys.argv[1])
    complaints = {"lines": line_complaints, "columns": column_complaints}[sys.argv[2]]
    paths = [root / name for name in BY_NAME if (root / name).exists()]
    for folder in (*PROGRAM, "tests"):
        paths += (p for p in sorted((root / folder).rglob("*")) if p.suffix in SUFFIXES)
    bad = 0
    for path in paths:
        for number, said in complaints(path, root):
            bad += 1
            print(f"{path.relative_to(root)}:{number}: {said}")
    print(f"{len(paths)} files, {bad} complaints")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
