"""Runs inside a job, in front of its script, where fitted models are kept or taken: it wraps `fit`.

It stands alone, like prelude.py. `models/`, where there is one, holds what an earlier job left; with `room`, this job
leaves its own in `kept/`. A fit is known by the digest of the estimator as it was and of all that it was given: of a
known one the state after it is loaded. What cannot be told apart for sure is fitted as usual. Only the outermost fit
counts, of classes of four libraries. `fits.json` tells what became of them; a script can forge it all.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import pickle
import sys
import threading
from importlib import import_module
from importlib.machinery import PathFinder
from types import FunctionType, ModuleType
from typing import Any

LIBRARIES = ("sklearn", "lightgbm", "xgboost", "catboost")
THREADS = frozenset(("n_jobs", "thread_count", "nthread", "num_threads"))
_PLAIN = frozenset((str, int, float, bool, bytes, type(None)))


class Unsure(Exception):
    """Something that may mean another thing in another job."""


class Keeper:
    """`room` is how many bytes of models this job may leave in `kept/`."""

    def __init__(self, room: int) -> None:
        self.known, self.kept, self.told = map(os.path.abspath, ("models", "kept", "fits.json"))
        self.room, self.process = room, os.getpid()
        self.counts = {"fits": 0, "taken": 0, "kept": 0, "left": 0}
        self.outermost = threading.Lock()

    def wrapped(self, fit: Any) -> Any:
        @functools.wraps(fit)
        def wrapper(estimator: Any, *given: Any, **named: Any) -> Any:
            if not self.outermost.acquire(blocking=False):
                return fit(estimator, *given, **named)
            try:
                return self.fit(fit, estimator, given, named)
            finally:
                self.outermost.release()

        return wrapper

    def fit(self, fit: Any, estimator: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        try:
            parts = _parts(estimator)
            before = _given(parts, given, named)
            key = _digest(parts, (before, _versions(), [(type(part), _state(part)) for part in parts]))
        except Exception:
            return self.inner(fit, estimator, given, named)
        self.counts["fits"] += 1
        if self.take(key, parts):
            self.counts["taken"] += 1
            return estimator
        drawn = _drawn()
        found = fit(estimator, *given, **named)
        if self.room and found is estimator and drawn == _drawn():
            self.keep(key, parts, before, given, named)
        return found

    def inner(self, fit: Any, estimator: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A fit of something unsure: only those within it count, if there are any."""
        before = self.counts["fits"]
        self.outermost.release()
        try:
            return fit(estimator, *given, **named)
        finally:
            self.outermost.acquire()
            if self.counts["fits"] == before:
                self.counts["fits"] += 1

    def take(self, key: str, parts: list[Any]) -> bool:
        """Give the parts the states that they had after the same fit; whether there are such."""
        try:
            with open(os.path.join(self.known, key), "rb") as file:
                states = _Reader(file, parts).load()
        except Exception:
            return False  # nobody kept it, or it cannot be read here
        before = [dict(vars(part)) for part in parts]
        try:
            for part, state in zip(parts, states, strict=True):
                _set(part, state)
        except Exception:
            for part, old in zip(parts, before, strict=True):
                vars(part).clear()
                vars(part).update(old)
            return False
        return True

    def keep(self, key: str, parts: list[Any], before: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Write the states of the parts, unless the fit changed what it was given, or there is no room."""
        name = os.path.join(self.kept, f"{key}.{os.getpid()}")
        try:
            if before != _given(parts, given, named):
                return
            os.makedirs(self.kept, exist_ok=True)
            with open(name, "wb") as file:
                bounded = _Bounded(file, self.room)
                _Writer(bounded, parts).dump([_state(part) for part in parts])
            os.replace(name, os.path.join(self.kept, key))
            self.room -= bounded.written
            self.counts["kept"] += 1
        except Exception:
            self.counts["left"] += 1
            if os.path.exists(name):
                os.unlink(name)

    def tell(self) -> None:
        if os.getpid() == self.process:
            with open(self.told, "w") as file:
                json.dump(self.counts, file)


class _Bounded:
    """A file that takes only so many bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self.file, self.room, self.written = file, room, 0

    def write(self, data: Any) -> None:
        self.written += memoryview(data).nbytes
        if self.written > self.room:
            raise Unsure("no room")
        self.file.write(data)


class _Writer(pickle.Pickler):
    """Of the parts only numbers are written: whoever holds one of them holds it after loading, too."""

    def __init__(self, file: Any, parts: list[Any]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.numbers = {id(part): number for number, part in enumerate(parts)}

    def persistent_id(self, obj: Any) -> int | None:
        return self.numbers.get(id(obj))


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any, parts: list[Any]) -> None:
        super().__init__(file)
        self.parts = parts

    def persistent_load(self, pid: Any) -> Any:
        return self.parts[pid]


def _parts(estimator: Any) -> list[Any]:
    """The estimator and those that it was made of, which a fit may change in place."""
    parts = [estimator]
    for _, value in sorted(estimator.get_params(deep=True).items()):
        if _is_estimator(value) and all(value is not part for part in parts):
            parts.append(value)
    return parts


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _state(part: Any) -> dict[str, Any]:
    state = part.__reduce_ex__(2)[2]
    if not isinstance(state, dict):
        raise Unsure
    return state


def _set(part: Any, state: dict[str, Any]) -> None:
    threads = {name: value for name, value in vars(part).items() if name in THREADS}
    if not type(part).__module__.startswith("catboost"):  # its state lies elsewhere, and is set as a whole
        vars(part).clear()
    getattr(part, "__setstate__", vars(part).update)(state)
    vars(part).update(threads)


def _given(parts: list[Any], given: tuple[Any, ...], named: dict[str, Any]) -> str:
    """The digest of what a fit is given and must leave as it is."""
    params = parts[0].get_params(deep=True)
    return _digest(parts, (given, named, {k: v for k, v in params.items() if not _is_estimator(v)}))


def _versions() -> list[tuple[str, str]]:
    named = [(name, getattr(sys.modules.get(name), "__version__", "")) for name in (*LIBRARIES, "numpy", "scipy")]
    return [("python", sys.version), *named]


def _drawn() -> bytes:
    """The states of the common generators: a fit that changes them is another one each time."""
    numpy, usual = sys.modules.get("numpy.random"), sys.modules.get("random")
    return pickle.dumps((numpy.get_state() if numpy else None, usual.getstate() if usual else None))


def _digest(parts: list[Any], what: Any) -> str:
    return str(_hasher()({id(part): number for number, part in enumerate(parts)}).hash(what))


@functools.cache
def _hasher() -> Any:
    base: Any = import_module("joblib.hashing").NumpyHasher  # the script's own: none of ours is here

    class Hasher(base):  # type: ignore[misc]
        """joblib's, but that it knows the parts by their numbers, and refuses what the script defines."""

        def __init__(self, numbers: dict[int, int]) -> None:
            super().__init__("blake2b")
            self.numbers = numbers

        def save(self, obj: Any) -> None:
            if type(obj) not in _PLAIN:
                number = self.numbers.get(id(obj))
                obj = _reduced(obj) if number is None else ("part", number)
            super().save(obj)

    return Hasher


def _reduced(obj: Any) -> Any:
    """The content of an object without what may differ between equals: caches, the layout of tables, threads."""
    if isinstance(obj, (type, FunctionType)):
        if obj.__module__ == "__main__":
            raise Unsure
        return obj
    if type(obj) is dict:
        return {k: v for k, v in obj.items() if k not in THREADS} if THREADS & obj.keys() else obj
    library, _, _ = type(obj).__module__.partition(".")
    if library == "pandas":
        return _table(obj)
    if library == "scipy" and getattr(obj, "format", "") in ("csr", "csc"):
        return (type(obj), obj.shape, obj.data, obj.indices, obj.indptr)
    if library == "lightgbm" and type(obj).__name__ == "_EarlyStoppingCallback":  # it begins anew with each fit
        return (type(obj), obj.stopping_rounds, obj.first_metric_only, obj.verbose, obj.min_delta)
    return obj


def _table(obj: Any) -> Any:
    pd: Any = sys.modules["pandas"]
    if isinstance(obj, pd.DataFrame):
        columns = [_column(obj.iloc[:, i]) for i in range(obj.shape[1])]
        return ("frame", type(obj), obj.columns, obj.index, columns)
    if isinstance(obj, pd.Series):
        return ("series", type(obj), obj.name, obj.index, _column(obj))
    if isinstance(obj, pd.Index) and not isinstance(obj, (pd.MultiIndex, pd.RangeIndex)):
        return ("index", type(obj), obj.name, _column(obj))
    if isinstance(obj, pd.Categorical):
        return ("categorical", obj.codes, obj.categories, obj.ordered)
    return obj


def _column(values: Any) -> Any:
    np: Any = sys.modules["numpy"]
    if type(values.dtype).__name__ == "CategoricalDtype":
        return values.array if hasattr(values, "array") else values
    if isinstance(values.dtype, np.dtype):
        return values.to_numpy()
    return (str(values.dtype), np.asarray(values, dtype=object))


class Finder:
    """Finds modules of the libraries as usual, and wraps what they define once they have been run."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] not in LIBRARIES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        loader = spec.loader if spec is not None else None
        if loader is None or not str(spec.origin if spec else "").endswith(".py"):
            return spec
        execute = loader.exec_module

        def run(module: ModuleType) -> None:
            execute(module)
            self.wrap(module)

        loader.exec_module = run  # type: ignore[method-assign]
        return spec

    def wrap(self, module: ModuleType) -> None:
        for found in list(vars(module).values()):
            if isinstance(found, type) and found.__module__ == module.__name__:
                fit = vars(found).get("fit")
                if isinstance(fit, FunctionType):
                    found.fit = self.keeper.wrapped(fit)  # type: ignore[attr-defined]


def install(room: int) -> None:
    """From now on, fits are kept and taken."""
    keeper = Keeper(room)
    sys.meta_path.insert(0, Finder(keeper))
    atexit.register(keeper.tell)
