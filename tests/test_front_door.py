"""What a newcomer meets first: the package's face, its pages, its verbs, its sizes and directions."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mlestar import config, overview
from mlestar.cli import app
from mlestar.errors import UsageError
from mlestar.journal.store import Store

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "mlestar"
TASKS = ROOT.parent / "shared" / "tasks"
HEAVY = {"pandas", "sklearn", "scipy", "pyarrow", "lightgbm", "xgboost", "catboost"}
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "dev").glob("*.md"),
    *(ROOT / "benchmarks").glob("*.md"),
]
VERBS = ["setup", "demo", "example", "test", "check", "fmt", "bench-tasks", "bench-playbook", "bench-ablation",
         "bench-overhead", "docs", "clean"]  # fmt: skip
CALL = """
import sys
sys.argv = ["mle-star", *sys.argv[1:]]
import mlestar
try:
    if sys.argv[1:]:
        from mlestar.cli import main
        main()
except SystemExit as end:
    assert not end.code, end.code
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    """The top-level modules that a call of `mle-star` imports; without arguments, that `import mlestar` does."""
    done = subprocess.run([sys.executable, "-c", CALL, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_the_package_has_a_small_face() -> None:
    face = "import mlestar; print(*[n for n in dir(mlestar) if n[0] != '_']); assert mlestar.__doc__"
    done = subprocess.run([sys.executable, "-c", face], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) <= 20


def test_importing_imports_nothing_that_takes_time() -> None:
    assert not imported() & {*HEAVY, "numpy", "pydantic", "typer", "rich"}


def test_importing_asking_for_help_and_showing_a_run_are_light(tmp_path: Path) -> None:
    Store.create(tmp_path / "run", {"name": "a task", "state": "running"}).close()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    for arguments in [(), ("--help",), ("show", str(tmp_path / "run")), ("show", str(tmp_path / "run"), "--json")]:
        assert not imported(*arguments) & HEAVY, arguments
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert spent < 4 * 1.0  # the bar is 0.3 s each; a busy machine must not fail the tests


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^(`{3,}).*?^\1$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).exists()]
    assert not missing


def test_the_front_pages_are_there() -> None:
    names = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs/algorithm.md", "dev/LOG.md", ".ci/run"]
    assert [name for name in names if not (ROOT / name).is_file()] == []


def test_the_readme_names_only_commands_and_verbs_that_exist() -> None:
    text = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md"))
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")  # test_docs.py sees to it that it is current
    commands = set(re.findall(r"^## `mle-star (\w+)", page, re.MULTILINE))
    assert {"run", "show"} <= commands
    assert set(re.findall(r"mle-star ([a-z]+) ", text)) <= commands
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= set(VERBS)


def test_the_makefile_has_the_verbs() -> None:
    for verb in VERBS:
        done = subprocess.run(["make", "--dry-run", verb], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", ["scripts/setup.sh", ".ci/run"])
def test_shell_scripts_parse(script: str) -> None:
    done = subprocess.run(["bash", "-n", ROOT / script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("name", "most"), [("algorithm.py", 200), ("lab.py", 300)])
def test_the_method_stays_short(name: str, most: int) -> None:
    assert len((SOURCE / name).read_text(encoding="utf-8").splitlines()) <= most


def test_files_stay_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    nouns = SOURCE / "records.py"  # one page of definitions; cutting it in two would hide half of them
    assert [str(path) for path, length in lengths.items() if length > 300 and path != nouns] == []


def test_directions_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not TASKS.is_dir(), reason="the measuring tasks are no part of the repository")
def test_the_source_knows_no_measuring_task() -> None:
    names = {path.parent.name.lower() for path in TASKS.glob("*/meta.json")}
    assert names
    told = names | {name.replace("-", "_") for name in names}
    texts = {
        path: path.read_text(encoding="utf-8", errors="replace").lower() for path in SOURCE.rglob("*") if path.is_file()
    }
    assert [(str(path), name) for path, text in texts.items() for name in told if name in text] == []


def test_runs_are_looked_for_where_one_says_and_nothing_found_says_where_it_looked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    app(["runs"], standalone_mode=False)
    assert f"no runs in {tmp_path / 'runs'}; name runs, or the folders" in capsys.readouterr().out
    with pytest.raises(UsageError, match=rf"no runs in {tmp_path / 'runs'}; .*`mle-star ui FOLDER …`"):
        app(["ui"], standalone_mode=False)
    for name in ("some/a", "some/b", "other"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "journal.db").touch()
    assert set(overview.find(Path("some"))) == {Path("some/a"), Path("some/b")}
    assert overview.find(Path("other")) == [Path("other")]


@pytest.mark.parametrize("text", ["15", " 15 ", "1.5"])
def test_a_small_budget_needs_a_unit(text, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"no unit; write {text.strip()}s for seconds, or {text.strip()}m for minutes"):
        config.load(budget=text)
    with pytest.raises(UsageError, match="no unit"):
        config.load([f"budget={text}"])
    assert config.load(budget="15m").budget == 900
    assert config.load(budget="90").budget == 90
    assert config.load(budget=15).budget == 15, "a number of Python's or of TOML is seconds"
    assert config.load(["limits.seconds=15"]).limits.seconds == 15, "where the name says the unit"
