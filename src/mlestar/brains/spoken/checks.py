"""What is wrong with code before it costs a job: each complaint says where, and what to do instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from itertools import chain

from mlestar import plain, scripts
from mlestar.brains.playbook import calls, spots
from mlestar.brains.spoken.blocks import BadAnswer
from mlestar.brains.spoken.cells import ENTRIES

MOST_COMPLAINTS = 6
_LEAVERS = {"sys.exit", "os._exit", "exit", "quit", "os.abort"}
_READERS = re.compile(r"(open|Path|glob|listdir|walk|scandir|imread|load|loadtxt|genfromtxt|fromfile|read_\w+)$")
_OUTSIDE = re.compile(r"(/|~|\.\./|[A-Za-z]:[\\/])[^\s]+")
_FAMILY_MODULES = {"lightgbm", "xgboost", "catboost", "torch", "tensorflow", "keras"}
_SKLEARN_MODELS = {
    "ensemble", "linear_model", "svm", "neighbors", "naive_bayes", "neural_network", "gaussian_process",
    "kernel_ridge", "tree", "discriminant_analysis", "cross_decomposition", "isotonic",
}  # fmt: skip
_SIDE = re.compile(r"(Classifier|Regressor|CV)$")
# Libraries that the harness looks for, by the module that must be there: asked for without it, a job is lost.
_PROBED = {
    "torch": "torch", "torchvision": "torch", "timm": "torch", "transformers": "transformers", "tabpfn": "torch",
    "sentence_transformers": "transformers", "lightgbm": "lightgbm", "xgboost": "xgboost", "catboost": "catboost",
    "statsmodels": "statsmodels", "umap": "umap",
}  # fmt: skip


def complaints(script: str, packages: tuple[str, ...] = (), extra: frozenset[str] = frozenset()) -> list[str]:
    """All that is wrong with a composable script; `extra` names are known besides its own."""
    unparsed = [f"cell `{c.name}`{wrong}" for c in scripts.parse(script).cells if (wrong := broken(c.source))]
    if unparsed:
        return unparsed
    found = scripts.problems(script)
    found += [f"`{name}` is used and nothing defines it" for name in sorted(spots.unknown_names(script) - extra)]
    return [*found, *calls.misfits(script), *too_early(script), *rules(script, packages)]


def check_plain(script: str, packages: tuple[str, ...] = ()) -> None:
    """The same for a script that need not be composable, such as an analysis."""
    wrong = broken(script)
    refuse([f"the script{wrong}"] if wrong else [])
    refuse(rules(script, packages))


def refuse(complaints: list[str]) -> None:
    """Raise BadAnswer for complaints, if there are any."""
    if not complaints:
        return
    more = len(complaints) - MOST_COMPLAINTS
    lines = [f"- {plain.word(text, 300)}" for text in complaints[:MOST_COMPLAINTS]]
    lines += [f"- and {more} more"] if more > 0 else []
    raise BadAnswer("\n".join(["The code cannot be taken:", *lines, "Send the whole answer again, mended."]))


def broken(source: str) -> str:
    """Why Python would not compile a source, ` line 3: …`; empty when it would."""
    wrong = scripts.complaint(source)
    if wrong:
        return wrong
    try:
        compile(source, "cell", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f", line {getattr(error, 'lineno', None) or 1}: {plain.word(getattr(error, 'msg', error))}"
    return ""


def unfit(cells: Mapping[str, str]) -> list[str]:
    """What is wrong with a brain's own cells by themselves: syntax, star imports, functions in another's place."""
    found = []
    for name, source in cells.items():
        wrong = broken(source)
        if wrong:
            found.append(f"cell `{name}`{wrong}")
            continue
        starred = any(_starred(n) for n in ast.walk(scripts.parsed(source)) if isinstance(n, ast.ImportFrom))
        names, needed = scripts.defined(source), ENTRIES.get(name)
        if source and needed not in (None, "fit_predict", *names) and not spots.joined(source):
            found.append(f"cell `{name}` must define `{needed}`")
        strays = [e for c, e in ENTRIES.items() if c != name and e in names]
        found += [f"`{e}` is defined in cell `{name}`: it belongs into its own cell" for e in strays]
        found += [f"cell `{name}`: import names, not `*`"] if starred else []
    return found


def _starred(node: ast.ImportFrom) -> bool:
    return any(alias.name == "*" for alias in node.names)


def too_early(script: str) -> list[str]:
    """Names that a cell reads while it is imported and that only a later cell defines."""
    cells = scripts.parse(script).cells
    every = {name for cell in cells for name in scripts.defined(cell.source)}
    known: set[str] = set()
    found = []
    for cell in cells:
        known |= scripts.defined(cell.source) | _imported(cell.source)
        late = sorted((_read_at_once(scripts.parsed(cell.source)) & every) - known)
        found += [
            f"cell `{cell.name}` reads `{name}` at import, before the cell that defines it; define it in this cell"
            for name in late
        ]
    return found


def _read_at_once(tree: ast.AST) -> set[str]:
    """Names read when a module is imported: all but those inside functions."""
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            outer = [*decorators, *node.args.defaults, *filter(None, node.args.kw_defaults)]
            found |= {n.id for part in outer for n in ast.walk(part) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        else:
            found |= _read_at_once(node)
    return found


def _imported(source: str) -> set[str]:
    nodes = [n for n in ast.walk(scripts.parsed(source)) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return {(alias.asname or alias.name).split(".")[0] for node in nodes for alias in node.names}


def rules(script: str, packages: tuple[str, ...]) -> list[str]:
    """Calls that leave the interpreter, files outside of the job's folder, libraries that are not there."""
    found = [text for cell in scripts.parse(script).cells for text in _calls(cell)]
    return found + _missing(scripts.parsed(script), packages)


def _calls(cell: scripts.Cell) -> Iterator[str]:
    for node in ast.walk(scripts.parsed(cell.source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
        where = f"cell `{cell.name}`, line {node.lineno}"
        if name in _LEAVERS:
            yield f"{where}: no `{name}`; raise an exception, or let the failure show"
        if _READERS.search(name.rpartition(".")[2]):
            yield from (f"{where}: {path!r} cannot be read; {_ALLOWED}" for path in _outside(node))


_ALLOWED = "there are only `input/` and `assets/`, relative to where the script runs"


def _outside(call: ast.Call) -> Iterator[str]:
    for argument in chain(call.args, (k.value for k in call.keywords)):
        value = argument.value if isinstance(argument, ast.Constant) else None
        if isinstance(value, str) and _OUTSIDE.match(value):
            yield value


def _missing(tree: ast.AST, packages: tuple[str, ...]) -> list[str]:
    """Libraries that are imported and were looked for in vain; nothing where it is not known what is there."""
    there = {entry.partition(" ")[0] for entry in packages}
    modules = {name.split(".")[0] for node in ast.walk(tree) for name in _modules(node)}
    lacking = sorted(m for m in modules if there and _PROBED.get(m) not in (None, *there))
    return [f"`{m}` is not installed, and nothing can be installed; use what the list of packages has" for m in lacking]


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def families(script: str, cells: Mapping[str, str]) -> set[str]:
    """The model families whose estimators the `cells` of a script use, by the script's imports.

    A library of its own kind is a family (`lightgbm`), each estimator of scikit-learn is one (`Ridge`).
    """
    bound: dict[str, str] = {}
    for node in ast.walk(scripts.parsed(script)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                if root in _FAMILY_MODULES:
                    bound[alias.asname or root] = root
        elif isinstance(node, ast.ImportFrom) and node.module:
            root, _, rest = node.module.partition(".")
            for alias in node.names:
                if root in _FAMILY_MODULES:
                    bound[alias.asname or alias.name] = root
                elif root == "sklearn" and rest.split(".")[0] in _SKLEARN_MODELS and alias.name[:1].isupper():
                    bound[alias.asname or alias.name] = _SIDE.sub("", alias.name)
    read = set().union(*(scripts.used(source) for source in cells.values())) if cells else set()
    return {family for name, family in bound.items() if name in read}
