#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Includes name the folder and point down only; each foreign library has its place."""

import re
import sys
from pathlib import Path

LAYERS = ("base", "tls", "net", "fs")  # a layer sees itself and those before it

# fs/main.c makes the trust that it hands down from what options_use.c gathers;
# nobody else in fs sees tls.
TRUST_IN_FS = "tls/trust.h"
TRUST_USERS = ("main.c", "options_use.c")

FOREIGN = (
    (re.compile(r"fuse.*\.h$"), lambda f: f.parts[0] == "fs", "only in fs/"),
    (re.compile(r"gnutls/"), lambda f: f.parts[0] == "tls", "only in tls/"),
    (re.compile(r"libconfig\.h$"), lambda f: f == Path("fs/config.c"), "only in fs/config.c"),
)
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def complaint(path, quote, name):
    for pattern, allowed, where in FOREIGN:
        if pattern.match(name) and quote == "<":
            return None if allowed(path) else f"<{name}> belongs {where}"
    if quote == "<":
        return None
    layer, target = path.parts[0], name.split("/")[0]
    if target not in LAYERS or "/" not in name:
        return f'"{name}" does not name its folder'
    if LAYERS.index(target) > LAYERS.index(layer):
        return f'"{name}" is a layer above'
    if layer == "fs" and target == "tls" and (name != TRUST_IN_FS or path.name not in TRUST_USERS):
        return f'"{name}": fs/ includes net and base ({TRUST_IN_FS} only in {TRUST_USERS})'
    return None


def main():
    root = Path(sys.argv[1])
    bad = files = 0
    for layer in LAYERS:
        for path in sorted((root / layer).glob("*.[ch]")):
            files += 1
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                said = found and complaint(path.relative_to(root), *found.groups())
                if said:
                    bad += 1
                    print(f"{path.relative_to(root)}:{number}: {said}")
    if not files:
        sys.exit(f"no C files below {root}")
    print(f"{files} files, {bad} includes out of place")
    sys.exit(bad != 0)


if __name__ == "__main__":
    main()
