#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every option that the program knows, and every other name of it, is in the man page."""

import re
import subprocess
import sys
from pathlib import Path


def plain(roff):
    """The words of a page without its font changes and escapes."""
    text = re.sub(r"\\f(\[[^]]*\]|.)", " ", roff)
    return text.replace(r"\-", "-").replace(r"\_", "_").replace(r"\&", "")


def main():
    binary, page = sys.argv[1], Path(sys.argv[2])
    out = subprocess.run([binary, "--print-options"], capture_output=True, text=True, check=True)
    names = [name for line in out.stdout.splitlines() for name in line.split()]
    if len(names) < 10:
        sys.exit(f"{binary} --print-options printed only {names}")
    text = plain(page.read_text())
    missing = [name for name in names
               if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]
    print(f"{len(names)} names, not in {page.name}: {' '.join(missing) or 'none'}")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
