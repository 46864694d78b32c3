"""What wins, for a profile: the parts of `prompts/advice.md` whose headings hold."""

from __future__ import annotations

from string import Template

from mlestar.brains.playbook.assemble import RELATIVE
from mlestar.brains.playbook.conditions import has
from mlestar.brains.spoken.quoting import code, template
from mlestar.records import Profile

SMALL, LARGE = 3_000, 50_000  # rows
_RANK = {"auc", "gini", "spearman", "precision"}
_ABSOLUTE = {"mae", "mape", "smape", "mase", "absolute"}


def advice(profile: Profile) -> str:
    """The advice that fits the task, as one list."""
    text = template("advice")
    parts = [part.partition("\n") for part in text.removeprefix("## ").split("\n## ")]
    wanted = _headings(profile)
    chosen = "\n".join(body.strip() for head, _, body in parts if head.strip() in wanted)
    patterns = ", ".join(code(asset.train) for asset in profile.assets)
    return Template(chosen).substitute(rows=str(profile.rows), patterns=patterns)


def _headings(profile: Profile) -> set[str]:
    """The headings that hold for a profile."""
    words = set(profile.metric.replace("@", "_").split("_"))
    relative = any(word in profile.metric for word in RELATIVE)
    value, labels = profile.predicts == "value", profile.predicts in ("label", "ranking")
    probability = profile.predicts == "probability"
    shares = profile.class_shares
    holds = {
        "always": True,
        "small": profile.rows < SMALL,
        "large": profile.rows > LARGE,
        "texts": has(profile, "texts"),
        "lists": has(profile, "lists"),
        "row_files": bool(profile.assets),
        "images": any(asset.kind == "image" for asset in profile.assets),
        "groups": profile.split.startswith("group"),
        "time": profile.split.startswith(("time", "horizon")) or profile.kind == "forecast",
        "several targets": len(profile.target) > 1,
        "rmsle": value and relative,
        "mae": value and bool(words & _ABSOLUTE),
        "rmse": value and not relative and bool(words & {"rmse", "mse", "r2"}),
        "rank": probability and bool(words & _RANK),
        "probabilities": probability and not words & _RANK,
        "labels": labels,
        "imbalance": bool(shares) and min(shares) * len(shares) < 0.5,
    }
    return {heading for heading, held in holds.items() if held}
