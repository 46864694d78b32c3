"""An invented run: a journal of any length, written through the store in the shape and size of a real run's.

The unit is one outer step of the method: an ablation, a look, four attempts of which two see all folds; 50 steps,
21 notes and records, a script per attempt and predictions per execution.
"""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from mlestar.journal.store import Store
from mlestar.records import Ablated, Attempt, Effect, Judged, Letter, Member, Outcome, Plan, Score, Target, Tried
from mlestar.workbench import Execution

UNIT = 50  # steps of an outer step
OUTER = 40  # outer steps of a branch
FOLDS = (1, 1, 5, 5)  # of each attempt
FACTS: dict[str, Any] = {
    "name": "invented", "state": "running", "settings": {"brain": "playbook"},
    "task_facts": {"direction": "max", "metric": "accuracy", "split": "random"},
}  # fmt: skip
PROFILE = {f"column-{i}": {"kind": "number", "missing": 0.01 * i, "examples": [0.5 * i] * 8} for i in range(60)}
ROWS = 300 * 3 * 8  # bytes of the predictions of a fold


def create(run: Path, steps: int, threads: int = 1) -> Store:
    """A run of so many steps, a multiple of UNIT, still being driven."""
    store = Store.create(run, FACTS)
    go(store, range(steps // UNIT), threads)
    return store


def go(store: Store, units: range, threads: int = 1, known: bool = False) -> None:
    """Play outer steps, side by side; `known` ones must not be played again."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda unit: Unit(store, unit, known).play(), units):
            pass


class Unit:
    """One outer step. The same number always asks and answers the same."""

    def __init__(self, store: Store, number: int, known: bool) -> None:
        self._store, self._known = store, known
        self._at = f"branch-{number // OUTER}/refine/{number % OUTER}"
        self._random = random.Random(number)
        self._number = number

    def play(self) -> None:
        """All of it, in the order of a run."""
        at, script = self._at, self._script("start")
        self._decide(at, "fits", "variants", "unhurried")
        self._ask(f"{at}/ablate/ablation", script)
        effects = []
        for i, cell in enumerate(("features", "model", "target", "post")):
            self._execute(f"{at}/ablate/{cell}/fold-{i % 2}", script + f"# without {cell}")
            effects.append(Effect(cell, 0.01 * i, 0.005 * i, 0.015 * i))
            self._store.note(f"{at}/ablate", f"ablation: without {cell} the score is worse by {0.01 * i:+.5f}")
        self._store.publish(f"{at}/ablate", Ablated(at, tuple(effects)))
        target = Target("model", "its effect stands out of the noise")
        self._step(f"{at}/target-chooser", "brain", {"effects": effects, "profile": PROFILE}, Target, lambda: target)
        self._ask(f"{at}/look/analyst", script)
        self._execute(f"{at}/look/look", script + "# look")
        for inner, folds in enumerate(FOLDS):
            self._attempt(f"{at}/inner/{inner}", folds)

    def _attempt(self, at: str, folds: int) -> None:
        self._decide(at, "fits", "plan/fits", "slow")
        script = self._script(at)
        self._ask(f"{at}/planner", script)
        self._ask(f"{at}/coder", script)
        values = []
        for fold in range(folds):
            values.append(self._execute(f"{at}/fold-{fold}", script))
            if fold == 1:
                self._step(f"{at}/others-fit", "decide", {}, bool, lambda: True)
        score = Score(sum(values) / folds, 0.004, "max", tuple(range(folds)), tuple(values))
        plan = Plan("try a booster of other depth: deeper trees under a stronger penalty", "model", "deep-trees")
        self._store.note(at, f"deep-trees: {score}, 4.5 s")
        digest = self._store.save(script.encode())
        self._store.publish(at, Tried("deep-trees", "deep-trees", digest, (), score, None, folds == 1, 4.5))
        self._store.note(at, f"plan for `model`, not taken: {plan.text}")
        self._store.publish(at, Attempt(at, "model", plan, score, -0.001, False, 4.5))

    def _decide(self, at: str, *names: str) -> None:
        self._step(f"{at}/heard", "decide", {}, tuple[Letter, ...], tuple)
        for name in names:
            self._step(f"{at}/{name}", "decide", {}, bool, lambda: True)

    def _script(self, name: str) -> str:
        return f"# %% {name}\n" + "".join(f"x_{i} = features(train, {i})\n" for i in range(150))

    def _ask(self, address: str, script: str) -> None:
        asked = {"profile": PROFILE, "script": script, "seed": 7}
        self._step(address, "brain", asked, str, lambda: script[:2000])

    def _execute(self, address: str, script: str) -> float:
        view = address.rpartition("/")[2]
        value = 0.7 + 1e-5 * self._number + self._random.gauss(0, 0.02)
        salt = self._random.randbytes(8)
        replicates = tuple(self._random.gauss(value, 0.01) for _ in range(200))

        def play() -> Execution:
            blob = self._store.save(salt * (ROWS // 8))
            judged = Judged(None, value, 300, replicates, (), (Member("submission", value, blob),))
            printed = "fitting\n" * 40
            return Execution(Outcome("ok", 4.5, 310.0, printed, "", ("train.csv", "test.csv")), judged)

        self._step(address, "execute", {"script": script, "view": view}, Execution, play)
        return value

    def _step(self, address: str, verb: Any, inputs: Any, returns: Any, play: Callable[[], Any]) -> None:
        self._store.step(address, verb, inputs, returns, _paid_again if self._known else play)


def _paid_again() -> NoReturn:
    raise AssertionError("a recorded step was played again")


def one(store: Store, address: str) -> None:
    """One more execution, as a page sees it."""
    outcome = Execution(Outcome("ok", 1.0, opened=("train.csv",)), Judged(None, 0.5, 300))
    store.step(f"{address}/fold-0", "execute", {}, Execution, lambda: outcome)
    score = Score(0.5, 0.01, "max", (0,), (0.5,))
    store.publish(address, Tried("seen", "seen", store.save(b"x = 1"), (), score, None, False, 1.0))
