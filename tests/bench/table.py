# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benchmark prints: lines as they come; or at the end one JSON object, or Markdown."""

import json

PEERS = ("rclone", "curl", "lftp")


class Table:
    """form: None, "json" or "markdown". failed: whether a row of ours failed; one that is over
    its budget is told, and has not failed."""

    def __init__(self, form, stamp):
        self.form, self.failed = form, False
        self.all = {"stamp": stamp, "rows": [], "notes": []}
        self.rtt = None

    def say(self, text):
        if not self.form:
            print(text, flush=True)

    def note(self, text):
        self.all["notes"].append(text)
        self.say(text)

    def fail(self, text):
        self.failed = True
        self.note(text)

    def line(self, entry, text):
        """A row of another kind."""
        self.all["rows"].append(entry)
        self.say(text)

    def head(self, args, line, columns=True):
        self.rtt = line.rtt / 1000
        self.all |= {"rtt_ms": line.rtt, "mbit": line.mbit, "loss": line.loss, "link": line.how}
        self.note(f"{self.all['stamp']}: {line.rtt:g} ms, {line.mbit:g} Mbit/s, {line.loss:g} % "
                  f"loss ({line.how}); ProFTPD, TLS, session reuse demanded")
        if args.peers:
            self.note("rclone, curl and lftp: a ProFTPD with NoSessionReuseRequired; "
                      "curl's and lftp's times have their login in them")
        if not columns:
            return
        peers = "".join(f"{name:>9}" for name in PEERS) if args.peers else ""
        self.say(f"\n{'row':13} {'':36} {'floor':>9} {'budget':>6} {'rtt':>7} {'s':>7} "
                 f"{'MB/s':>6}{peers}")

    def row(self, row, found):
        ours = found["ftpsfs"]
        entry = {"name": row.name, "what": row.what, "floor": row.floor, "budget": row.budget,
                 **self.figures(ours)}
        entry["over"] = "rtt" in entry and entry["rtt"] > row.budget + self.slack(row)
        entry["peers"] = {name: self.figures(found[name]) for name in PEERS if name in found}
        self.all["rows"].append(entry)
        text = f"{row.name:13} {row.what:36} {row.floor:>9} {row.budget:>6} "
        if "error" in entry:
            self.failed = True
            text += f"FAIL {entry['error']}"
        else:
            rate = f"{entry['mb_s']:6.1f}" if entry["mb_s"] else f"{'':6}"
            text += f"{entry['rtt']:7.1f} {entry['seconds']:7.3f} {rate}"
        for name in PEERS:
            if name in entry["peers"]:
                figures = entry["peers"][name]
                text += f"{figures['rtt']:9.1f}" if "rtt" in figures else f"{'FAIL':>9}"
                if "error" in figures:
                    self.all["notes"].append(f"{row.name}, {name}: {figures['error']}")
            elif entry["peers"]:
                text += f"{'-':>9}"
        self.say(text + ("  OVER" if entry["over"] else ""))

    @staticmethod
    def slack(row):
        """Local work takes time, too: it may be one round trip's where none is allowed."""
        return 1 if row.budget == 0 else 0

    def figures(self, outcome):
        if "error" in outcome:
            return outcome
        seconds = outcome["seconds"]
        return {"seconds": round(seconds, 4), "rtt": round(seconds / self.rtt, 2),
                "mb_s": round(outcome["bytes"] / seconds / 1e6, 1)}

    def end(self):
        over = [row["name"] for row in self.all["rows"] if row.get("over")]
        failed = [row["name"] for row in self.all["rows"] if "error" in row]
        if self.all["rows"] and self.rtt:
            text = f"{len(self.all['rows'])} rows, over budget: {' '.join(over) or 'none'}"
            self.note(text + (f"; failed: {' '.join(failed)}" if failed else ""))
        for note in self.all["notes"]:
            if ": " in note and note.split(",")[0] in [row["name"] for row in self.all["rows"]]:
                self.say(note)
        if self.form == "json":
            print(json.dumps(self.all, indent=1))
        elif self.form == "markdown":
            self.print_markdown()

    def print_markdown(self):
        """The table of HACKING.md."""
        peers = [name for name in PEERS if any(name in row["peers"] for row in self.all["rows"])]
        print(*self.all["notes"], "", sep="\n")
        print("|", " | ".join(("work", "budget", "ftpsfs", *peers)), "|")
        print("|---" * (3 + len(peers)) + "|")
        for row in self.all["rows"]:
            seen = [row, *(row["peers"].get(name, {}) for name in peers)]
            cells = [str(one.get("rtt", "fails" if "error" in one else "-")) for one in seen]
            cells[0] = f"**{cells[0]}**" if row["over"] else cells[0]
            print("|", " | ".join((row["what"], str(row["budget"]), *cells)), "|")
