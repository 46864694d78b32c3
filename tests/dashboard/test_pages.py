"""The live pages in a browser: a run is watched, stopped, resumed, hinted; thousands of steps; foreign text is text."""

import resource
import shutil
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.conftest import SMALL
from tests.growing import evaluated, execution, score

from mlestar.dashboard import Server
from mlestar.journal.mail import Mail
from mlestar.journal.store import Store
from mlestar.memo import Execution
from mlestar.overview import show
from mlestar.records import Attempt, Outcome, Plan, Tried

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def serve():
    """Serve runs and give the address; all servers end with the test."""
    made = []

    def call(*places):
        server = Server(places, 0)
        thread = threading.Thread(target=server.serve)
        thread.start()
        made.append((server, thread))
        return server.address

    yield call
    for server, thread in made:
        server.stop()
        thread.join()


class Page:
    """A page that remembers what went wrong on it, and whom it asked."""

    def __init__(self, browser, width=1280, scheme="light"):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.context.set_default_timeout(120_000)  # the machine may be slow
        self.page = self.context.new_page()
        self.wrong, self.asked = [], []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def accessible(self):
        """No serious complaint of axe; nothing is cut off."""
        from axe_core_python.sync_playwright import Axe

        found = Axe().run(self.page)["violations"]
        assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []
        width = self.page.viewport_size["width"]
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width

    def sound(self, address):
        """The page is accessible; no complaint in the console; nobody else was asked."""
        self.accessible()
        assert self.wrong == []
        assert all(url.startswith((address, "data:")) for url in self.asked)
        self.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_each_page_is_sound(browser, serve, growing, width, scheme):
    evaluated(growing, "start", 0.5)
    here = "branch-0/refine/0/inner/0"
    evaluated(growing, here, 0.6, ("start",))
    growing.publish(here, Attempt(here, "model", Plan(EVIL, "model"), score(0.6), 0.1, True, 1.0))
    printed = Execution(Outcome("ok", 1.0, output=EVIL), execution(0.7).judged)
    growing.step("branch-0/init/candidate/0/fold-0", "execute", {}, Execution, lambda: printed)
    digest = growing.save(EVIL.encode())
    growing.publish("branch-0/init/candidate/0", Tried(EVIL, EVIL, digest, (), score(0.7), None, False, 1.0))
    growing.note("start", f"found by somebody: {EVIL} (https://evil.example, today)")
    address = serve(growing.run)
    one = Page(browser, width, scheme)
    one.page.goto(address)
    one.accessible()
    one.page.get_by_role("link", name="run").click()
    one.page.wait_for_selector("#time svg")
    one.page.get_by_role("treeitem", name="candidate/0").click()
    one.page.wait_for_selector("#panel:not([hidden]) pre", state="attached")
    assert EVIL in one.page.locator("#panel pre").first.text_content()
    assert EVIL in one.page.locator("#notes").text_content()
    assert one.page.title() != "taken"
    one.sound(address)


def test_the_tree_is_walked_by_keys(browser, serve, growing):
    evaluated(growing, "start", 0.5)
    for i in range(3):
        evaluated(growing, f"branch-0/init/candidate/{i}", 0.6)
    one = Page(browser)
    one.page.goto(serve(growing.run) + "runs/run")
    one.page.wait_for_selector("[role=tree] [tabindex='0']")
    order = []
    for _ in range(30):
        one.page.keyboard.press("Tab")
        order.append(one.page.evaluate("document.activeElement.dataset.id ?? document.activeElement.textContent"))
    wanted = ["All runs", "Score over time", "What was tried", "Report", "Stop", "Send", "start"]
    assert [each for each in order if each in wanted][: len(wanted)] == wanted
    one.page.focus("[role=tree] [tabindex='0']")
    focused = "document.activeElement.dataset.id"
    init, first = "branch-0/init", "branch-0/init/candidate/0"
    walk = (("ArrowDown", "start"), ("ArrowDown", init), ("ArrowLeft", init), ("End", init), ("ArrowRight", init),
            ("ArrowRight", first), ("ArrowUp", init), ("Home", "start"))  # fmt: skip
    for key, wanted in walk:
        one.page.keyboard.press(key)
        assert one.page.evaluate(focused) == wanted, key
    one.page.keyboard.press("End")
    one.page.keyboard.press("Enter")
    one.page.wait_for_selector("#panel:not([hidden])")
    one.page.keyboard.press("Escape")
    assert one.page.evaluate(focused) == "branch-0/init/candidate/2"


def test_a_run_is_watched_stopped_resumed_and_hinted(browser, serve, task, tool, tmp_path):
    run = tmp_path / "run"
    started = subprocess.Popen([str(tool), "run", str(task), "--out", str(run), "--seed", "1", *SMALL],
                               stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
    address = serve(tmp_path)
    one = Page(browser)
    page = one.page
    for _ in range(6000):
        if (run / "journal.db").exists():
            break
        time.sleep(0.1)
    page.goto(f"{address}runs/run")
    page.wait_for_selector("[data-address=start]", timeout=600_000)
    page.fill("#text", "the colour matters")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("will hear it").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("will leave when").wait_for()
    started.wait(timeout=600)
    page.get_by_text("interrupted:").wait_for(timeout=600_000)
    before = show(run).jobs
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("done: expect").wait_for(timeout=600_000)
    assert show(run).state == "done"
    assert show(run).jobs > before
    assert [letter.body for letter in Mail(run).letters("steer")] == ["the colour matters"]
    page.wait_for_selector(".delivered")
    page.get_by_role("link", name="Report").click()
    page.get_by_role("heading", name="Score over time").wait_for()
    one.sound(address)


def test_thousands_of_steps_are_shown_at_once_and_memory_stays_flat(browser, serve, tmp_path):
    facts = {"name": "t", "state": "running", "settings": {"brain": "playbook"}, "task_facts": {"direction": "max"}}
    with Store.create(tmp_path / "large", facts) as store:
        grow(store, 5_000)
        address = serve(tmp_path)
        one = Page(browser)
        begun = time.monotonic()
        one.page.goto(f"{address}runs/large")
        one.page.wait_for_selector("[role=treeitem]")
        told = one.page.evaluate("performance.getEntriesByType('paint').map(p => p.startTime)")
        assert 0 < min(told) < 5_000  # 0.13 to 0.51 s were seen beside other work
        assert time.monotonic() - begun < 30
        with httpx.Client(base_url=address, timeout=60) as client:
            sizes = []
            for i in range(12):
                evaluated(store, f"branch-9/init/candidate/{i}", 0.5)
                client.get("/runs/large/story.json")
                sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
        assert sizes[-1] - sizes[4] < 60_000_000  # bytes
        one.context.close()


def grow(store, count):
    """Many attempts at once: what a journal holds of them, without a disk's pace for each."""
    script = store.save(b"x = 1")
    store._db.execute("PRAGMA synchronous = OFF")
    for i in range(count):
        here = f"branch-0/refine/{i // 50}/inner/{i % 50}"
        store.step(f"{here}/fold-0", "execute", {"at": here}, Execution, lambda: execution(0.5))
        store.publish(here, Tried("name", "s", script, (), score(0.5 + i / 1e5), None, False, 1.0))


def test_what_is_new_is_on_the_page_within_a_second(browser, serve, growing):
    evaluated(growing, "start", 0.5)
    one = Page(browser)
    address = serve(growing.run)
    one.page.goto(f"{address}runs/run")
    one.page.wait_for_selector("[data-address=start]")
    one.page.get_by_text("running, this page is up to date").wait_for()
    evaluated(growing, "branch-0/init/candidate/0", 0.7)
    written = time.monotonic()
    one.page.wait_for_selector("[data-address='branch-0/init/candidate/0']")
    assert time.monotonic() - written < 8  # about 0.4 s on a machine at rest
    one.sound(address)
