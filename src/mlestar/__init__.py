"""MLE-STAR: a machine-learning engineering agent with an honest score.

    run = mlestar.solve("task-folder", budget="15m")
    run.score, run.best, run.predict(frame), run.leaderboard()

Nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlestar.api import Best, Figure, Run, open, solve
    from mlestar.errors import MleStarError
    from mlestar.estimators import MLEStarClassifier, MLEStarRegressor
    from mlestar.events import Event

_PLACES = {
    "Best": "api", "Event": "events", "Figure": "api", "MLEStarClassifier": "estimators",
    "MLEStarRegressor": "estimators", "MleStarError": "errors", "Run": "api", "open": "api", "solve": "api",
}  # fmt: skip
__all__ = [
    "Best", "Event", "Figure", "MLEStarClassifier", "MLEStarRegressor", "MleStarError", "Run", "open", "solve",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'mlestar' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"mlestar.{_PLACES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
