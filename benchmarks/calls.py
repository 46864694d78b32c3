"""Calls and tokens of the whole method at the paper's loop sizes, by role, beside the paper's own count.

    python benchmarks/calls.py [--out DIR]

The model is the test server on loopback with the rule-based answers of tests/answering.py: it knows few ideas, so it
says how often and with how much text a model is asked, not how good one is.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from common import HERE, ROOT, TOOL, machine

from mlestar.journal import queries
from mlestar.records import Breadths
from mlestar.report import costs
from mlestar.testing.llm_server import LlmServer

sys.path.insert(0, str(ROOT))
from tests.answering import answer

SIZE = Breadths(candidates=4, branches=2, outer=4, inner=4, rounds=5)  # the defaults, as in the paper
GIVEN = ["run", "demo/task", "--brain", "openai:any", "--seed", "1"]


def main() -> None:
    """Run the demo's task without a budget, and write calls.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp()))
    run = parser.parse_args().out / "run"
    subprocess.run([sys.executable, ROOT / "demo" / "make_task.py", ROOT / "demo" / "task"], check=True)
    with LlmServer(answer) as server:
        more = ["--out", str(run), "--set", f"llm.base_url={server.openai}"]
        env = {**os.environ, "OPENAI_API_KEY": "none"}
        subprocess.run([TOOL, *GIVEN, *more], cwd=ROOT, env=env, check=True)
        asked = len(server.asked)
    usage = queries.usage(run)
    rows = [costs.HEAD, ["---"] * len(costs.HEAD), *map(costs.cells, [*usage, costs.total(usage)])]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    command = f"mle-star {' '.join(GIVEN)}"
    head = f"""# Calls at the paper's loop sizes

{date.today()}, {machine()}. `python benchmarks/calls.py`:
`{command}` at T 4, K 4, L 2, M 4, R 5 against the test server, whose own count is {asked} requests.
"""
    foot = f"""
The paper's agents would make about {costs.paper_calls(SIZE)} calls before any repair. The model of the tests knows
few ideas and stops early; one with more is asked for more plans.
"""
    text = f"{head}\n{table}\n{foot}"
    (HERE / "calls.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
