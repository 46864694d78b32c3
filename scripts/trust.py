"""Writes the table of docs/trust.md: every attack of the hostile suite, behind every wall, as root and as a user.

    sudo python scripts/trust.py

Needs root, to be an ordinary user as well. Takes some minutes. Where there is no wall, what would hurt the
machine is not tried.
"""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

from mlestar.testing.hostile import attacks
from mlestar.testing.hostile.local import ordinary

PAGE = Path(__file__).resolve().parents[1] / "docs" / "trust.md"
BEGIN, END = "<!-- made by scripts/trust.py -->\n", "<!-- end -->"
RUNS = [("bubblewrap", False), ("bubblewrap", True), ("landlock", False), ("landlock", True), ("none", False)]


def column(wall: str, as_user: bool) -> dict[str, dict[str, object]]:
    """Verdicts by attack, from a process of its own."""
    command = [sys.executable, "-m", "mlestar.testing.hostile.local", wall]
    print(" ".join(command[2:]), "as a user" if as_user else "as root", flush=True)
    done = subprocess.run(ordinary(command) if as_user else command, stdout=subprocess.PIPE, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {f"{row['kind']} {row['name']}": row for row in rows}


def cell(row: dict[str, object]) -> str:
    """A verdict in one or two words."""
    if row["held"]:
        how = str(row["how"])
        return (
            "refused"
            if how.startswith(("refused", "ended: ok", "ended: exception"))
            else how.replace("ended: ", "ended, ")
        )
    return "not tried" if row["how"] == "not tried" else "**got through**"


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("scripts/trust.py needs root: it runs the suite as root and as an ordinary user")
    columns = [column(*run) for run in RUNS]
    titles = [f"{wall}, {'user' if as_user else 'root'}" for wall, as_user in RUNS]
    lines = [f"| class | attack | {' | '.join(titles)} |", "| --- " * (len(titles) + 2) + "|"]
    for attack in attacks():
        found = [cell(rows[f"{attack.kind} {attack.name}"]) for rows in columns]
        lines.append(f"| {attack.kind} | {attack.name} | {' | '.join(found)} |")
    held = [sum(bool(row["held"]) for row in rows.values()) for rows in columns]
    lines.append(f"| **all** | **{len(attacks())}** | {' | '.join(f'**{count} held**' for count in held)} |")
    bwrap = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    made = f"{date.today()}, Linux {os.uname().release} ({os.uname().machine}), {bwrap}, `python scripts/trust.py`\n\n"
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    PAGE.write_text(before + BEGIN + made + "\n".join(lines) + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
