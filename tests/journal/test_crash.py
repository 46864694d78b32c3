import subprocess
import sys
from pathlib import Path

from mlestar.journal.store import Store

DRIVER = """
import os, random, signal, sys, time
from pathlib import Path
from mlestar.journal.store import Store

run, diary = Path(sys.argv[1]), Path(sys.argv[2])

def write(line):
    with diary.open("a") as file:
        file.write(line + chr(10))

def play(store, number):
    write(f"launched {number}")
    time.sleep(0.002)
    return store.save(f"blob {number}".encode() * 100)

def work():
    with Store.open(run) as store:
        for number in range(60):
            digest = store.step(f"s/{number}", "execute", number, str, lambda: play(store, number))
            write(f"recorded {number}")
            assert store.load(digest) == f"blob {number}".encode() * 100

Store.create(run, {}).close()
dice = random.Random(0)
for kill in range(15):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    time.sleep(dice.uniform(0.0, 0.12))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    write("killed")
work()
"""


def test_killed_fifteen_times_nothing_recorded_is_paid_again(tmp_path: Path) -> None:
    run, diary = tmp_path / "run", tmp_path / "diary"
    subprocess.run([sys.executable, "-c", DRIVER, str(run), str(diary)], check=True, timeout=900)
    recorded, launched, again = set(), [], 0
    for line in diary.read_text().splitlines():
        word, _, number = line.partition(" ")
        if word == "launched":
            assert number not in recorded
            again += number in launched
            launched.append(number)
        elif word == "recorded":
            recorded.add(number)
    assert len(recorded) == 60
    assert again <= 15
    with Store.open(run) as store:
        digests = [store.step(f"s/{n}", "execute", n, str, lambda: "never played") for n in range(60)]
        assert [store.load(digest)[:8] for digest in digests] == [f"blob {n}blob"[:8].encode() for n in range(60)]
