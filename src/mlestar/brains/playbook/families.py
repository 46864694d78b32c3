"""Model families: which a recipe belongs to, and which are strong on what kind of data.

The order rests on what is known of tables at large (Grinsztajn et al. 2022; McElfresh et al. 2023) and
of short texts (Wang and Manning 2012), not on any task. Only the order
for lists of items was measured (dev/LOG.md, 2026-11-26).
"""

from __future__ import annotations

from mlestar.brains.playbook.conditions import has, images, known_ahead, loaded
from mlestar.records import Profile, Recipe

SPECIAL = ("text", "series", "audio", "image", "pixels")  # kinds whose models are families of their own
# The first entry that is found in a recipe's name, else in its code, names the family.
_MARKS = (
    ("lightgbm", ("lightgbm", "LGBM")),
    ("xgboost", ("xgboost", "XGB")),
    ("catboost", ("catboost", "CatBoost")),
    ("hist-gradient-boosting", ("hist-gradient-boosting", "HistGradientBoosting")),
    ("forest", ("extra-trees", "random-forest", "ExtraTrees", "RandomForest")),
    ("convolution", ("unet", "residual", "Conv2d")),
    ("net", ("mlp", "convolutions", "MLPClassifier", "MLPRegressor")),
    ("gaussian-process", ("gaussian-process", "GaussianProcess")),
    ("members", ("members",)),
    ("convnet", ("convnet",)),
    ("language-models", ("language-model",)),
    ("nb-svm", ("nb-svm", "nbsvm")),
    ("linear", ("linear-svm",)),
    ("kernel", ("kernel", "svm", "SVC(", "SVR(", "KernelRidge")),
    ("neighbours", ("knn", "neighbours", "KNeighbors")),
    ("patches", ("patches",)),
    *((name, (name,)) for name in ("theta", "smoothing", "decomposition")),
    ("bayes", ("bayes", "MultinomialNB", "ComplementNB", "BernoulliNB")),
    (
        "linear",
        ("logistic", "ridge", "elastic-net", "huber", "sgd", "LogisticRegression", "Ridge", "SGD", "ElasticNet"),
    ),
)
_SMALL = 2_000
_MEDIUM = 12_000  # images that a kernel spans well
_LARGE = 50_000
_TABLE = {
    "small": ("members", "catboost", "lightgbm", "gaussian-process", "kernel", "forest", "xgboost", "linear", "net"),
    "medium": ("members", "lightgbm", "catboost", "xgboost", "forest", "net", "kernel", "linear", "neighbours"),
    "large": ("lightgbm", "xgboost", "catboost", "net", "forest", "linear"),
}
TREES = {"lightgbm", "xgboost", "catboost", "hist-gradient-boosting", "forest"}
SCALES = {"linear", "net", "kernel"}  # tags of encodings that are made for these, and tell trees nothing new
_WORDS = ("members", "nb-svm", "linear", "kernel", "language-models", "bayes", "net", "lightgbm")
_SERIES = ("members", "lightgbm", "linear", "neighbours", "decomposition", "smoothing", "theta", "net")
_AUDIO = ("members", "net", "patches", "forest", "kernel", "neighbours")
_SHORT = ("members", "theta", "smoothing", "decomposition", "linear", "neighbours", "lightgbm", "net")
_PIXELS = (
    "lightgbm",
    "convolution",
    "hist-gradient-boosting",
    "net",
    "linear",
)  # as measured on a processor
_LEARNED = 2_000  # values of all series together, from which on windows have something to learn from
_ITEMS = ("kernel", "members", "linear", "nb-svm", "bayes", "net", "lightgbm")  # which go together
_IMAGES = ("kernel", "convnet", "members", "patches", "linear")
_MANY_IMAGES = ("convnet", "members", "kernel", "patches", "linear")
_SEQUENCES: tuple[str, ...] = ("linear", "members", "rules", "lightgbm", "letters")  # `linear` are spans, where asked


def family(recipe: Recipe) -> str:
    """The family of a model recipe: by its name, else by the estimators in its code; text models are their own."""
    kind = f"{recipe.kind}:" if recipe.kind in SPECIAL else ""
    for where in (recipe.name.removeprefix(f"{recipe.kind}-"), dict(recipe.cells).get("model", "")):
        for name, marks in _MARKS:
            if any(mark in where for mark in marks):
                return kind + name
    return kind + recipe.name.removeprefix(f"{recipe.kind}-").partition("-")[0]


def suits(recipe: Recipe, metric: str) -> int:
    """1 where a recipe is written for the metric, -1 where its loss or weights serve another kind, else 0."""
    words = set(metric.split("_"))
    if "mae" in recipe.tags:
        return 1 if words & {"mae", "mape", "smape", "mase"} else -1
    if "balanced" in recipe.tags:
        return 1 if words & {"balanced", "macro", "f1"} else -1
    return int(metric.replace("_", " ") in " ".join((recipe.why.lower(), *recipe.tags)))


def quick(recipe: Recipe) -> bool:
    """Whether a model is the library's cheap first one, not a member of a family."""
    return "quick" in recipe.name.split("-")


def strength(name: str, profile: Profile) -> float:
    """How strong a family is expected to be on such data: about 1 for the best, about 0 for the weakest."""
    kind, _, plain = name.rpartition(":")
    order: tuple[str, ...]
    if kind == "series":
        order, weight = _SERIES if profile.series_count * profile.history >= _LEARNED else _SHORT, 1.0
    elif kind == "audio":
        order, weight = _AUDIO, 1.0
    elif kind == "pixels":
        order, weight = _PIXELS, 1.0
    elif profile.predicts == "text":
        order, weight = _SEQUENCES, 1.0
    elif kind == "image":
        order, weight = _IMAGES if profile.rows < _MEDIUM else _MANY_IMAGES, 1.0
    elif kind:
        order = _WORDS if has(profile, "texts") else _ITEMS
        weight = _about_text(profile)
    else:
        size = "small" if profile.rows < _SMALL else "medium" if profile.rows < _LARGE else "large"
        order = _TABLE[size]
        weight = 1.0 - 0.85 * _about_text(profile)
        if images(profile) or loaded(profile) == "audio":  # a table sees of them what a cell of columns tells
            weight *= 0.4
        if profile.time:  # of a forecast a table tells what is known ahead, and lags
            weight *= 0.85 if known_ahead(profile) else 0.5
    place = order.index(plain) if plain in order else len(order)
    return weight * (1.0 - place / (len(order) + 2))


def _about_text(profile: Profile) -> float:
    """The part of the columns that are text or lists: 1 where there is nothing else."""
    if not (has(profile, "texts") or has(profile, "lists")):
        return 0.0
    features = [c for c in profile.columns if c.name not in profile.apart and c.kind != "constant"]
    words = [c for c in features if c.kind in ("text", "list")]
    return len(words) / len(features)
