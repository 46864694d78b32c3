"""Assets come in whole, hashed and with their licence, or not at all."""

import hashlib
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlestar.assets import entries, remove, shelf
from mlestar.assets.adding import add
from mlestar.assets.store import locked
from mlestar.errors import SettingsError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_a-secret-token"
WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "model"
    (found / "deep").mkdir(parents=True)
    (found / "weights.bin").write_bytes(WEIGHTS)
    (found / "deep" / "config.json").write_text("{}")
    return found


def left(store: Path) -> list[str]:
    """All that a store holds, but for its lock."""
    return sorted(p.relative_to(store).as_posix() for p in store.rglob("*") if p.is_file() and p.name != "lock")


# --- from here ------------------------------------------------------------------------------------


def test_a_folder_is_copied_hashed_and_noted(store, folder):
    (folder / "link.bin").symlink_to("weights.bin")
    (folder / ".git").mkdir()
    (folder / ".git" / "history").write_text("long")
    before = os.umask(0o077)
    try:
        entry = add(store, str(folder), "small-model", "MIT")
    finally:
        os.umask(before)
    assert [entry] == entries(store, verify=True)
    assert (entry.name, entry.source, entry.revision, entry.licence) == ("small-model", str(folder), "", "MIT")
    assert [f.path for f in entry.files] == ["deep/config.json", "link.bin", "weights.bin"]
    assert entry.files[2].sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert entry.bytes == 2 * len(WEIGHTS) + 2
    assert entry.date.endswith("+00:00")
    kept = shelf(store) / "small-model"
    assert (kept / "link.bin").read_bytes() == WEIGHTS
    assert stat.S_IMODE((kept / "link.bin").lstat().st_mode) == 0o444
    assert stat.S_IMODE((kept / "deep").stat().st_mode) == 0o755
    assert left(store) == ["entries/small-model.json", *(f"ready/small-model/{f.path}" for f in entry.files)]


def test_a_file_alone_and_an_unknown_licence(store, folder):
    entry = add(store, str(folder / "weights.bin"), "w")
    assert entry.licence == "unknown"
    assert [f.path for f in entry.files] == ["weights.bin"]


def test_the_same_files_have_the_same_digest(store, folder):
    first, second = add(store, str(folder), "a"), add(store, str(folder), "b")
    assert first.sha256 == second.sha256
    (folder / "deep" / "config.json").write_text("{ }")
    assert add(store, str(folder), "c").sha256 != first.sha256


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "-a", ".a", "a b", "a\n", "ä", "a" * 65])
def test_a_name_is_one_safe_word(store, folder, name):
    with pytest.raises(SettingsError, match="no name for an asset"):
        add(store, str(folder), name)
    with pytest.raises(SettingsError, match="no name for an asset"):
        remove(store, name)
    assert not store.exists()


def test_mistakes_have_one_message_and_leave_nothing(store, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd").mkdir()
    os.mkfifo(tmp_path / "odd" / "pipe")
    (tmp_path / "circle").mkdir()
    (tmp_path / "circle" / "again").symlink_to(tmp_path / "circle")
    for source, words in (
        (tmp_path / "nowhere", "no such folder or file"),
        (tmp_path / "empty", "holds no file"),
        (tmp_path / "odd", "no plain file"),
        (tmp_path / "circle", "link to a folder"),
        (tmp_path, "holds the store itself"),
        ("hf:only-a-model", "hf:<organisation>/<model>"),
        ("hf:../..", "hf:<organisation>/<model>"),
        ("http://example.org/w.bin", "not https"),
        ("ftp://example.org/w.bin", "not https"),
        ("https://me:a-password@example.org/w.bin", "leave name and password out"),
        ("https://", "no address"),
    ):
        with pytest.raises(SettingsError, match=words) as caught:
            add(store, str(source), "m")
        assert "a-password" not in str(caught.value)
        assert left(store) == []
    with pytest.raises(SettingsError, match="larger than"):
        add(store, str(folder), "m", most_bytes=100)
    assert left(store) == []
    add(store, str(folder), "m")
    with pytest.raises(SettingsError, match="there is one already"):
        add(store, str(folder), "m")
    assert len(entries(store, verify=True)) == 1


def test_removing(store, folder):
    assert entries(store) == []
    add(store, str(folder), "m")
    remove(store, "m")
    assert entries(store) == []
    assert left(store) == []
    with pytest.raises(SettingsError, match="no asset 'm'"):
        remove(store, "m")
    assert add(store, str(folder), "m").name == "m"


def test_what_was_changed_afterwards_is_found(store, folder):
    add(store, str(folder), "m")
    kept = shelf(store) / "m" / "weights.bin"
    kept.chmod(0o644)
    kept.write_bytes(WEIGHTS[:-1] + b"x")
    assert len(entries(store)) == 1
    with pytest.raises(SettingsError, match=r"weights\.bin is not what was added; .*assets remove m"):
        entries(store, verify=True)
    kept.unlink()
    with pytest.raises(SettingsError, match=r"weights\.bin is missing"):
        entries(store, verify=True)
    kept.symlink_to(folder / "weights.bin")
    with pytest.raises(SettingsError, match="is not what was added"):
        entries(store, verify=True)
    kept.unlink()
    kept.write_bytes(WEIGHTS)
    (kept.parent / "more").touch()
    with pytest.raises(SettingsError, match="does not belong"):
        entries(store, verify=True)


def test_a_manifest_that_says_nothing(store, folder):
    add(store, str(folder), "m")
    (store / "entries" / "m.json").write_text("[]")
    with pytest.raises(SettingsError, match="remove it"):
        entries(store)
    remove(store, "m")
    assert entries(store) == []


def test_one_at_a_time(store, folder):
    with locked(store), pytest.raises(SettingsError, match="somebody else"):
        add(store, str(folder), "m")
    assert add(store, str(folder), "m").name == "m"


def test_nothing_half_written_outlives_a_kill(store, folder):
    os.mkfifo(folder.parent / "slow")
    code = (
        "import sys; from pathlib import Path; from mlestar.assets import adding\n"
        "def stuck(path, name, draft):\n"
        "    draft.write(name, (open(sys.argv[2], 'rb').read() if i else b'x' * 999 for i in range(2)))\n"
        "adding._copy = stuck\nadding.add(Path(sys.argv[1]), sys.argv[3], 'm')\n"
    )
    slow = [sys.executable, "-c", code, str(store), str(folder.parent / "slow"), str(folder)]
    process = subprocess.Popen(slow)
    end = time.monotonic() + 300
    while not (store / "drafts" / "m").exists() and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert entries(store) == []
    assert not any(shelf(store).iterdir())
    assert add(store, str(folder), "other").name == "other"
    assert not any(path.startswith("drafts") for path in left(store))


# --- archives -------------------------------------------------------------------------------------


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, 0o4777
    return info


@pytest.mark.parametrize(("suffix", "mode"), [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.xz", "w:xz")])
def test_a_tar_is_taken_apart(store, tmp_path, suffix, mode):
    whole = tar(tmp_path / f"m.{suffix}", (member("./m", tarfile.DIRTYPE), b""), (member("./m/w.bin"), b"w"), mode=mode)
    assert [f.path for f in add(store, str(whole), "m").files] == ["m/w.bin"]
    assert stat.S_IMODE((shelf(store) / "m" / "m" / "w.bin").stat().st_mode) == 0o444


def test_a_zip_is_taken_apart_and_one_of_another_name_is_not(store, tmp_path):
    for name in ("m.zip", "m.pt"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("m/", "")
            archive.writestr("m/w.bin", "w")
    assert [f.path for f in add(store, str(tmp_path / "m.zip"), "zip").files] == ["m/w.bin"]
    assert [f.path for f in add(store, str(tmp_path / "m.pt"), "pt").files] == ["m.pt"]


@pytest.mark.parametrize(
    "evil",
    [
        member("/tmp/evil"), member("../evil"), member("a/../../evil"), member("a\nb"), member("x/" * 30 + "y"),
        member("evil", tarfile.SYMTYPE, "/etc/passwd"), member("evil", tarfile.LNKTYPE, "good"),
        member("evil", tarfile.CHRTYPE), member("evil", tarfile.FIFOTYPE), member("good"), member("good/evil"),
    ],
    ids=lambda info: f"{info.name[:20]!r} of type {info.type!r}",
)  # fmt: skip
def test_a_tar_that_leads_out_is_refused(store, tmp_path, evil):
    whole = tar(tmp_path / "evil.tar.gz", (member("good"), b"good"), (evil, b""))
    with pytest.raises(SettingsError, match=r"link|no name|twice|inside a file"):
        add(store, str(whole), "m")
    assert left(store) == []
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["/tmp/evil", "../evil", "a/../../evil", "link"])
def test_a_zip_that_leads_out_is_refused(store, tmp_path, name):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK if name == "link" else stat.S_IFREG) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(SettingsError, match=r"link|no name"):
        add(store, str(tmp_path / "evil.zip"), "m")
    assert left(store) == []


def test_a_bomb_is_ended_by_what_comes_out(store, tmp_path):
    zeros = bytes(5_000_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", zeros)
    for bomb in (tar(tmp_path / "bomb.tgz", (member("zeros"), zeros)), tmp_path / "bomb.zip"):
        with pytest.raises(SettingsError, match="larger than"):
            add(store, str(bomb), "m", most_bytes=1_000_000)
        assert left(store) == []


def test_a_header_that_claims_to_be_huge_is_not_read(store, tmp_path):
    pax = member("././@PaxHeader", tarfile.XHDTYPE)
    whole = tar(tmp_path / "pax.tar.gz", (pax, bytes(20_000_000)))
    with pytest.raises(SettingsError, match="no archive that can be read"):
        add(store, str(whole), "m")


def test_a_broken_archive(store, tmp_path):
    good = tar(tmp_path / "m.tar.gz", (member("w.bin"), os.urandom(100_000)))
    (tmp_path / "cut.tar.gz").write_bytes(good.read_bytes()[:50_000])
    (tmp_path / "text.zip").write_text("not a zip")
    (tmp_path / "text.tar").write_text("not a tar" * 100)
    for name in ("cut.tar.gz", "text.zip", "text.tar"):
        with pytest.raises(SettingsError, match="no archive that can be read"):
            add(store, str(tmp_path / name), "m")
        assert left(store) == []


# --- from the web, and from a hub ---------------------------------------------------------------------


class Web(BaseHTTPRequestHandler):
    """Answers by path: bytes, or a status, or (status, headers); notes what was asked with which token."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("authorization")))
        answer = self.server.answers.get(self.path, 404)
        status, headers = (
            (200, {}) if isinstance(answer, bytes) else answer if isinstance(answer, tuple) else (answer, {})
        )
        body = answer if isinstance(answer, bytes) else b"no"
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: self.server.cut])

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as found:
        found.answers, found.asked, found.cut = {}, [], None
        found.url = f"http://127.0.0.1:{found.server_address[1]}"
        thread = threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_a_file_by_its_address(store, server):
    server.answers["/files/w%20x.bin?key=a-secret"] = WEIGHTS
    entry = add(store, f"{server.url}/files/w%20x.bin?key=a-secret", "w")
    assert (entry.files[0].path, entry.files[0].bytes) == ("w x.bin", len(WEIGHTS))
    assert "a-secret" not in (store / "entries" / "w.json").read_text()


def test_an_archive_by_its_address_is_taken_apart(store, server, tmp_path):
    server.answers["/m.tar.gz"] = tar(tmp_path / "m.tar.gz", (member("m/w.bin"), b"w")).read_bytes()
    assert [f.path for f in add(store, f"{server.url}/m.tar.gz", "m").files] == ["m/w.bin"]
    assert left(store) == ["entries/m.json", "ready/m/m/w.bin"]


def test_what_goes_wrong_on_the_web(store, server):
    server.answers |= {
        "/gated": 403, "/ill": 500, "/circle": (302, {"location": "/circle"}), "/whole": WEIGHTS,
        "/out": (302, {"location": "http://example.org/x"}),
    }  # fmt: skip
    for path, words in (
        ("/gated", "accept its terms"), ("/ill", "status 500"), ("/none", "is not there"), ("/circle", "circles"),
        ("/out", "not https"),
    ):  # fmt: skip
        with pytest.raises(SettingsError, match=words):
            add(store, server.url + path, "m")
        assert left(store) == []
    with pytest.raises(SettingsError, match="larger than"):
        add(store, f"{server.url}/whole", "m", most_bytes=1000)
    server.cut = 500
    with pytest.raises(SettingsError, match="cannot be had"):
        add(store, f"{server.url}/whole", "m")
    assert left(store) == []
    server.shutdown()
    server.server_close()
    with pytest.raises(SettingsError, match="cannot be had"):
        add(store, f"{server.url}/whole", "m")


@pytest.fixture
def hub(server):
    """A model of two files, one of them large by the hub's reckoning."""
    sibling = {"rfilename": "sub/model.safetensors", "size": len(WEIGHTS)}
    sibling["lfs"] = {"sha256": hashlib.sha256(WEIGHTS).hexdigest(), "size": len(WEIGHTS), "pointerSize": 130}
    info = {"id": "org/tiny", "sha": COMMIT, "cardData": {"license": "apache-2.0"}, "tags": ["license:mit"],
            "siblings": [{"rfilename": "config.json", "size": 2, "blobId": "1"}, sibling], "gated": False}  # fmt: skip
    server.info = info
    server.answers["/api/models/org/tiny/revision/main?blobs=true"] = json.dumps(info).encode()
    server.answers["/api/models/org/tiny/revision/refs%2Fpr%2F1?blobs=true"] = json.dumps(info).encode()
    server.answers[f"/org/tiny/resolve/{COMMIT}/config.json"] = b"{}"
    server.answers[f"/org/tiny/resolve/{COMMIT}/sub/model.safetensors"] = WEIGHTS
    return server


def say(hub, **changes) -> None:
    hub.answers["/api/models/org/tiny/revision/main?blobs=true"] = json.dumps({**hub.info, **changes}).encode()


def test_a_model_of_a_hub(store, hub):
    told: list[str] = []
    entry = add(store, "hf:org/tiny", "tiny", hub=hub.url, token=TOKEN, tell=told.append)
    assert (entry.source, entry.revision, entry.licence) == ("hf:org/tiny", COMMIT, "apache-2.0")
    assert [f.path for f in entry.files] == ["config.json", "sub/model.safetensors"]
    assert entries(store, verify=True) == [entry]
    assert told == ["1/2 config.json", "2/2 sub/model.safetensors"]
    assert {token for _, token in hub.asked} == {f"Bearer {TOKEN}"}
    assert TOKEN not in (store / "entries" / "tiny.json").read_text()


def test_a_revision_some_of_its_files_and_a_licence_that_is_given(store, hub):
    entry = add(store, "hf:org/tiny@refs/pr/1", "t", "research only", hub=hub.url, only=["*.safetensors"])
    assert (entry.revision, entry.licence) == (COMMIT, "research only")
    assert [f.path for f in entry.files] == ["sub/model.safetensors"]
    assert {token for _, token in hub.asked} == {None}


@pytest.mark.parametrize(
    ("card", "tags", "licence"),
    [
        ({"license": ["mit", "apache-2.0"]}, [], "mit, apache-2.0"),
        ({"license": "other", "license_name": "own", "license_link": "LICENSE"}, [], "other, own, LICENSE"),
        ({}, ["license:mit", "text"], "mit"),
        (None, [], "unknown"),
    ],
)
def test_how_a_hub_says_the_licence(store, hub, card, tags, licence):
    say(hub, cardData=card, tags=tags)
    assert add(store, "hf:org/tiny", "t", hub=hub.url).licence == licence


def test_the_token_stays_with_the_hub_and_out_of_errors(store, hub):
    with ThreadingHTTPServer(("127.0.0.2", 0), Web) as other:
        other.answers, other.asked, other.cut = {"/w": WEIGHTS}, [], None
        thread = threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        elsewhere = f"http://127.0.0.2:{other.server_address[1]}/w"
        hub.answers[f"/org/tiny/resolve/{COMMIT}/config.json"] = (302, {"location": elsewhere})
        with pytest.raises(SettingsError, match="not https") as caught:
            add(store, "hf:org/tiny", "t", hub=hub.url, token=TOKEN)
        other.shutdown()
        thread.join()
    assert other.asked == []
    assert TOKEN not in str(caught.value)
    for bad in (f"{TOKEN}\n", f"{TOKEN} x", f"{TOKEN}é"):
        with pytest.raises(SettingsError, match="no token has") as caught:
            add(store, "hf:org/tiny", "t", hub=hub.url, token=bad)
        assert TOKEN not in str(caught.value)
    hub.answers.clear()
    with pytest.raises(SettingsError, match="is not there") as caught:
        add(store, "hf:org/tiny", "t", hub=hub.url, token=TOKEN)
    assert TOKEN not in str(caught.value)
    assert left(store) == []


def test_a_hub_that_lies(store, hub):
    large = hub.info["siblings"][1]
    for changes, words in (
        ({"siblings": [{**large, "size": 5}]}, "not the file"),
        ({"siblings": [{**large, "lfs": {"sha256": "0" * 64}}]}, "not the file"),
        ({"siblings": [{"rfilename": "../../evil"}]}, "no name|not there|not the file"),
        ({"siblings": []}, "has no file"),
        ({"sha": "../../x"}, "does not answer as a model hub"),
        ({"sha": None}, "does not answer as a model hub"),
    ):
        say(hub, **changes)
        with pytest.raises(SettingsError, match=words):
            add(store, "hf:org/tiny", "t", hub=hub.url)
        assert left(store) == []
    say(hub)
    hub.cut = 700
    with pytest.raises(SettingsError, match="cannot be had"):
        add(store, "hf:org/tiny", "t", hub=hub.url)
    assert left(store) == []
