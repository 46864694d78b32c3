"""The pages that are made from the code are current, and a page that is not is noticed."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def check(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, root / "scripts" / "docs.py", *arguments], capture_output=True, text=True)


def test_settings_and_command_line_are_current() -> None:
    done = check(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_old_page_is_noticed_and_mended(tmp_path: Path) -> None:
    for name in ("scripts", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    page = tmp_path / "docs" / "settings.md"
    page.write_text(page.read_text().replace("judging.accept", "judging.excuse"))
    found = check(tmp_path, "--check")
    assert found.returncode == 1
    assert "docs/settings.md" in found.stdout
    assert "judging.excuse" in page.read_text()
    assert check(tmp_path).returncode == 0
    assert check(tmp_path, "--check").returncode == 0
