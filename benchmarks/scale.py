"""How cost grows with the length of a run, and with the places of a cluster: benchmarks/scale.md.

    python benchmarks/scale.py growth [--steps 100 1000 10000 100000] [--scratch FOLDER]
    python benchmarks/scale.py cluster [--slots 1 2 4 8 16 32]

benchmarks/scale.json is the source of the tables. Invented runs (made_run.py) are written through the real store; the
cluster is the tests', on loopback in a network of its own, and its jobs wait instead of computing.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import common
import made_run
import psutil

from mlestar.executors.ray.executor import Needs, RayExecutor
from mlestar.journal.checksums import read_mark
from mlestar.journal.store import Store
from mlestar.records import Job, Judged, Limits
from mlestar.workbench import Execution

sys.path.insert(0, str(common.HERE.parent))
from tests.cluster import Cluster

PLACE = common.HERE / "scale.json"
MEMORY = Path("/dev/shm")  # where no write waits for a disk
EVENTS = 5
UNITS = 10  # outer steps that are written for a pace
WAIT = 2.0  # seconds that a job of the cluster waits
ROUNDS = 5  # jobs of each slot
READERS = {
    "show": ("show",), "show --json": ("show", "--json"), "report --html": ("report", "--html"),
    "report --json": ("report", "--json"),
}  # fmt: skip
ABOUT = """An invented run (`benchmarks/made_run.py`) is written through the real store: for every 50 steps there are 21
notes and records, 14 KB of scripts and 18 blobs. Each cell is *wall s / processor s / peak MiB* of a process of its
own, start and imports included; the machine had other work, so the processor's seconds are the ones to compare.
**writing**: steps a second when the run is that long, each commit on the disk. **open**: the store, which checks every
row. **replay**: all known steps asked again, with their notes and records, as `resume` does; the brain and the
executor are not asked. **first**: the shell of a run's page, then its tree, from a server that has just started,
while the run is being written; **event**: from a step's commit until the page's story has it, the median of five."""


WAITING = """Jobs that wait two seconds instead of computing, five for each slot, each a journal step on the disk, sent
to a cluster of one node with 32 places on the same two cores (after as many jobs that do nothing, so that Ray's workers
are there). **efficiency**: what the jobs waited over slots times wall. **driver**, **machine**: processor seconds a job
of the driver, and of everything on the machine (Ray, sandboxes, interpreters). **MiB**: the driver's peak."""


# --- parts, each in a process of its own -----------------------------------------------------------


def fill(run: Path, steps: int) -> common.Row:
    """Write the run, in memory."""
    with cost() as taken:
        made_run.create(run, steps).close()
    return taken


def opening(run: Path, steps: int) -> common.Row:
    """Open and close the store."""
    with cost() as taken:
        Store.open(run).close()
    return taken


def replay(run: Path, steps: int) -> common.Row:
    """Ask for every known step again."""
    with Store.open(run) as store, cost() as taken:
        made_run.go(store, range(steps // made_run.UNIT), known=True)
    return taken


def pace(run: Path, steps: int, threads: int, more: int) -> common.Row:
    """Write more steps on the disk: `more` are there beyond `steps`."""
    first = (steps + more) // made_run.UNIT + made_run.OUTER
    with Store.open(run) as store:
        before = read_mark(run)
        with cost() as taken:
            made_run.go(store, range(first, first + UNITS), threads)
        return taken | {"steps": UNITS * made_run.UNIT, "writes": read_mark(run) - before}


def page(run: Path, steps: int) -> common.Row:
    """Watch the run's page while it is written."""
    with Store.open(run) as store, served(run) as (process, address):
        base = f"/runs/{run.name}"
        found: common.Row = {}
        for name, path in {"shell": base, "story": f"{base}/story.json"}.items():
            begun = time.perf_counter()
            found[f"{name} bytes"] = len(get(address, path))
            found[name] = time.perf_counter() - begun
        used, seconds = psutil.Process(process.pid), []
        before = sum(used.cpu_times()[:2])
        for number in range(EVENTS):
            seconds.append(visible(store, address, base, f"branch-9/init/candidate/{number}"))
        found |= {"first cpu": before, "event": statistics.median(seconds)}
        return found | {"event cpu": (sum(used.cpu_times()[:2]) - before) / EVENTS, "mb": peak(process.pid)}


def visible(store: Store, address: str, base: str, step: str) -> float:
    """Seconds from a step's commit until an event was sent and the story that it announces has the step."""
    stream = connection(address)
    stream.request("GET", f"{base}/events")
    lines = iter(stream.getresponse().readline, b"")
    seen = next(line for line in lines if line.startswith(b"data:"))
    made_run.one(store, step)
    begun = time.perf_counter()
    for line in lines:
        if line.startswith(b"data:") and line != seen and step.encode() in get(address, f"{base}/story.json"):
            break
    stream.close()
    return time.perf_counter() - begun


@contextmanager
def served(run: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`mle-star ui`: its process and address."""
    command = [common.TOOL, "ui", run, "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[0]
        finally:
            process.terminate()


def connection(address: str) -> http.client.HTTPConnection:
    """To a server, with patience."""
    return http.client.HTTPConnection(urlsplit(address).netloc, timeout=600)


def get(address: str, path: str) -> bytes:
    """The body at a path."""
    asked = connection(address)
    asked.request("GET", path)
    body = asked.getresponse().read()
    asked.close()
    return body


def waiting(run: Path, slots: int) -> common.Row:
    """Jobs that wait, on a cluster that is there."""
    executor = RayExecutor("", slots, Needs(0, 100, {}))
    view = run.with_suffix(".view")
    view.mkdir()

    def job(number: int, seconds: float) -> Execution:
        limits, folder = Limits(60, 500), run.with_suffix(f".{number}")
        script = f"import time\ntime.sleep({seconds})"
        return Execution(executor.run(Job(f"wait/{number}", script, str(view), str(folder), limits)), Judged("none"))

    with Store.create(run, made_run.FACTS) as store, ThreadPoolExecutor(slots) as pool:
        assert all(done.outcome.ok for done in pool.map(job, range(slots), [0.0] * slots))
        busy, before = sum(psutil.cpu_times()[:3]), read_mark(run)
        with cost() as taken:
            steps = [(f"wait/{n}", "execute", {}, Execution, lambda n=n: job(n, WAIT)) for n in range(slots * ROUNDS)]
            assert all(done.outcome.ok for done in pool.map(lambda step: store.step(*step), steps))
        taken |= {"busy": sum(psutil.cpu_times()[:3]) - busy, "writes": read_mark(run) - before}
    executor.close()
    return taken | {"jobs": slots * ROUNDS}


@contextmanager
def cost() -> Iterator[common.Row]:
    """What a block takes in this process: wall and processor seconds, and the process's peak MiB so far."""
    taken: common.Row = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield taken
    taken |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "mb": peak(os.getpid())}


def peak(pid: int) -> float:
    """The peak resident MiB of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


PARTS: dict[str, Callable[..., common.Row]] = {
    "fill": fill, "opening": opening, "replay": replay, "pace": pace, "page": page,
    "waiting": waiting,
}  # fmt: skip


# --- growth ----------------------------------------------------------------------------------------


def growth(steps: int, scratch: Path) -> common.Row:
    """All measures of a run of so many steps."""
    run = scratch / f"run-{steps}"
    scratch.mkdir(parents=True, exist_ok=True)
    found: common.Row = {"key": f"growth {steps}", "steps": steps}
    draft = MEMORY / f"mle-star-scale-{os.getpid()}"
    try:
        found["fill"] = part("fill", draft, steps)
        shutil.copytree(draft, run)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    found["journal mb"] = (run / "journal.db").stat().st_size / 2**20
    found["blobs mb"] = sum(file.stat().st_blocks * 512 for file in run.rglob("blobs/*/*")) / 2**20
    for name in ("opening", "replay"):
        found[name] = part(name, run, steps)
    for name, words in READERS.items():
        more = [str(scratch / "page.html")] if words[-1] == "--html" else []
        found[name] = commanded([common.TOOL, words[0], run, *words[1:], *more], scratch / "output")
    found["page"] = part("page", run, steps)
    found["pace 1"] = part("pace", run, steps, 1, 0)
    found["pace 8"] = part("pace", run, steps, 8, UNITS * made_run.UNIT)
    return found | {"date": str(date.today()), "machine": common.machine()}


def clustered(slots: list[int]) -> list[common.Row]:
    """Throughput for each number of slots."""
    cluster, rows = Cluster(), []
    try:
        cluster.head(0)
        cluster.worker("node", max(slots))
        for count in slots:
            command = [sys.executable, __file__, "part", "waiting", str(cluster.home / f"run-{count}"), str(count)]
            done = cluster.run(command, seconds=600)
            assert done.returncode == 0, done.stderr[-2000:]
            line = next(line for line in done.stdout.splitlines() if line.startswith("{"))  # Ray prints there too
            print(f"{count} slots: {line}", flush=True)
            found = {"key": f"cluster {count}", "slots": count, **json.loads(line)}
            rows.append(found | {"date": str(date.today()), "machine": common.machine()})
    finally:
        cluster.close()
    return rows


def part(name: str, run: Path, steps: int, *more: int) -> common.Row:
    """One of PARTS, in a process of its own."""
    command = [sys.executable, __file__, "part", name, str(run), str(steps), *map(str, more)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(f"{steps} {name}: {done.stdout.strip()}", flush=True)
    return dict(json.loads(done.stdout))


def commanded(command: list[str | Path], output: Path) -> common.Row:
    """What a command takes, from its start to its end."""
    begun = time.perf_counter()
    with output.open("w") as file, subprocess.Popen(command, stdout=file) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    taken = {"wall": time.perf_counter() - begun, "cpu": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss / 1024}
    print(f"{command[1]}: {taken}", flush=True)
    return taken


def told(taken: common.Row) -> str:
    """A cell: wall / processor / memory."""
    return f"{taken['wall']:.2f} / {taken['cpu']:.2f} / {taken['mb']:.0f}"


def render(rows: list[common.Row]) -> str:
    """The page."""
    grown = sorted((row for row in rows if row["key"].startswith("growth ")), key=lambda row: row["steps"])
    writing = [
        [
            f"{r['steps']:,}", *(round(r[p]["steps"] / r[p]["wall"]) for p in ("pace 1", "pace 8")),
            *(round(r[p]["writes"] / r[p]["wall"]) for p in ("pace 1", "pace 8")),
            f"{1000 * r['fill']['cpu'] / r['steps']:.2f}", f"{r['journal mb']:.1f}", f"{r['blobs mb']:.1f}", r["date"],
        ]
        for r in grown
    ]  # fmt: skip
    reading = [
        [f"{r['steps']:,}", told(r["opening"]), told(r["replay"]), f"{1e6 * r['replay']['wall'] / r['steps']:.0f}",
         *(told(r[name]) for name in READERS)]
        for r in grown
    ]  # fmt: skip
    pages = [
        [f"{r['steps']:,}", *(f"{r['page'][key]:.2f}" for key in ("shell", "story", "first cpu", "event", "event cpu")),
         f"{r['page']['story bytes'] / 2**20:.2f}", round(r["page"]["mb"])]
        for r in grown
    ]  # fmt: skip
    tables = {
        "Writing": (["steps", "steps/s, 1 thread", "8 threads", "commits/s, 1 thread", "8 threads",
                     "processor ms a step", "journal MiB", "blobs MiB", "date"], writing),
        "Reading": (["steps", "open", "replay", "replay µs a step", *READERS], reading),
        "The page": (["steps", "first: shell s", "tree s", "processor s", "event s", "processor s an event",
                      "story MiB", "server MiB"], pages),
    }  # fmt: skip
    places = [
        [r["slots"], r["jobs"], f"{r['wall']:.1f}", round(3600 * r["jobs"] / r["wall"]),
         f"{r['jobs'] * WAIT / r['wall'] / r['slots']:.2f}", f"{r['cpu'] / r['jobs']:.3f}",
         f"{r['busy'] / r['jobs']:.2f}", round(r["mb"]), f"{r['writes'] / r['wall']:.0f}", r["date"]]
        for r in sorted((row for row in rows if row["key"].startswith("cluster ")), key=lambda row: row["slots"])
    ]  # fmt: skip
    head = [
        "slots",
        "jobs",
        "wall s",
        "jobs an hour",
        "efficiency",
        "driver s",
        "machine s",
        "MiB",
        "commits/s",
        "date",
    ]
    parts = ["# Scale", "Made by `benchmarks/scale.py`; every number was measured by it.", "## Growth", ABOUT]
    parts += [text for title, (top, lines) in tables.items() for text in (f"### {title}", common.table(top, lines))]
    parts += ["## A cluster", WAITING, common.table(head, places)]
    parts += [(common.HERE / "scale-notes.md").read_text(encoding="utf-8").strip()]
    return "\n\n".join([*parts, "\n".join(sorted({row["machine"] for row in rows}))]) + "\n"


def main() -> None:
    """Measure and write the page."""
    if sys.argv[1:2] == ["part"]:
        name, run, *numbers = sys.argv[2:]
        print(json.dumps(PARTS[name](Path(run), *map(int, numbers))))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    grow = verbs.add_parser("growth", help="how cost grows with the steps of a run")
    grow.add_argument("--steps", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    grow.add_argument("--scratch", type=Path, default=common.scratch("scale"), help="where the runs go")
    places = verbs.add_parser("cluster", help="how many jobs an hour a driver keeps going")
    places.add_argument("--slots", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    verbs.add_parser("render", help="only write the tables again")
    options = parser.parse_args()
    for steps in options.steps if options.verb == "growth" else ():
        common.write(PLACE, [growth(steps, options.scratch)], "key", render)
    if options.verb != "growth":
        common.write(PLACE, clustered(options.slots) if options.verb == "cluster" else [], "key", render)


if __name__ == "__main__":
    main()
