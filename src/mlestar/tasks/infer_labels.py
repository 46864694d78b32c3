"""Which part of the paths of training files is their label: a folder, or a part of the name between two marks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlestar.errors import TaskError
from mlestar.plain import word
from mlestar.tasks.infer_columns import per_class
from mlestar.tasks.infer_files import Findings, words
from mlestar.tasks.names import placeholders
from mlestar.tasks.patterns import MARKS, REST, read, reader

_SHOWN = 4  # values of a part, in words
_PARTS = 12  # parts of a name that are looked at
_RECURS = {True: 2, False: 5}  # files of a label, on the average, in a folder and by their names
_SYNONYMS = {"label", "class", "target", "category"}
is_number = re.compile(r"[+-]?\d+(\.\d+)?").fullmatch
PLAIN = re.compile(r"part\d+|ending")  # what parts are called that nothing names


@dataclass(frozen=True)
class Asked:
    """What is asked for: the label's column, the columns to fill, what the sample has there; and the description."""

    label: str
    answers: tuple[str, ...]
    values: frozenset[str]
    description: str

    def wants_numbers(self) -> bool:
        """Whether the sample has nothing but numbers in the one column to fill."""
        return bool(self.values) and all(is_number(value) for value in self.values)


@dataclass(frozen=True)
class _Part:
    """A part that may be the label: the pattern that tells it, and what it is in each file."""

    pattern: str
    values: tuple[str, ...]
    folder: bool = False

    def echoes(self, others: Sequence[_Part]) -> bool:
        """Whether it is all of a name but its end, and tells no more than a part of the name: `cat_photo` of `cat`."""
        told = (
            set(zip(self.values, part.values, strict=True)) for part in others if REST in placeholders(part.pattern)
        )
        return REST not in placeholders(self.pattern) and any(len(set(self.values)) == len(pairs) for pairs in told)

    def told(self) -> str:
        seen = sorted(set(self.values))
        more = ", …" if len(seen) > _SHOWN else ""
        return f"{self.pattern} ({len(seen)} values: {', '.join(repr(word(v, 40)) for v in seen[:_SHOWN])}{more})"


def label_pattern(paths: Sequence[str], home: str, asked: Asked, test: str, say: Findings) -> str:
    """The pattern that tells the label of every training file, `home` being the folder that they all lie in.

    Raises TaskError where no part of their paths, or more than one, could be it; `test` is the test files' pattern.
    """
    described = _described(paths, home, asked)
    if described is not None:
        say.evidence.append(f"label: {described.told()}, from the pattern in the description")
        return described.pattern
    parts = list(_parts(paths, home, asked.label))
    for why, fits in _reasons(asked, len(paths)):
        found = [part for part in parts if fits(part)]
        found = [part for part in found if part.folder] or [part for part in found if not part.echoes(found)]
        if len(found) == 1:
            rest = [part.told() for part in parts if part is not found[0] and _recurs(part)]
            others = f"; it could have been {', '.join(rest[:_SHOWN])}" if rest else ""
            say.evidence.append(f"label: {found[0].told()}, {why}{others}")
            return found[0].pattern
        if found:
            raise TaskError(f"{_unclear(asked)}: {' or '.join(part.told() for part in found[:_SHOWN])}. "
                            f"{_ways_out(found[0].pattern, test)}")  # fmt: skip
    raise TaskError(f"{_unclear(asked)}: none of {', '.join(part.told() for part in parts[:_SHOWN]) or 'them'} "
                    f"speaks for itself. {_ways_out(f'{home}{{{asked.label}}}/{{{REST}}}', test)}")  # fmt: skip


def _unclear(asked: Asked) -> str:
    named = f" that the sample's columns name ({', '.join(asked.answers[:_SHOWN])} …)" if len(asked.answers) > 1 else ""
    return (
        "there is no table of training rows, and it is not clear which part of the paths of their files is the label "
        f"{asked.label!r}{named}"
    )


def _ways_out(train: str, test: str) -> str:
    return (
        f'Say it in task.toml: below [[assets]] write `train = "{train}"`, with the label in its place, and '
        f'`test = "{test}"`; or write a task.py (docs/own-task.md)'
    )


def _reasons(asked: Asked, count: int) -> Iterator[tuple[str, Callable[[_Part], bool]]]:
    """What can tell the label, the strongest first: why in words, and which parts it fits."""
    if len(asked.answers) > 1:
        yield "whose values are the sample's columns", lambda part: bool(per_class(asked.answers, part.values))
        return
    spelt = {value for value in asked.values if value and not is_number(value)}
    if spelt:
        yield "which has the values of the sample", lambda part: spelt <= set(part.values)
    named = _named(asked.description)
    yield "whose values the description names", lambda part: _recurs(part) and set(map(_loose, part.values)) <= named
    yield "the only folder that recurs", lambda part: part.folder and _recurs(part)
    yield "the only part of the names that recurs", lambda part: not part.folder and _recurs(part)


def _recurs(part: _Part) -> bool:
    return 2 <= len(set(part.values)) <= len(part.values) / _RECURS[part.folder]


def _named(description: str) -> set[str]:
    """All words and pairs of words of a text, and the numbers of its ranges (`0 to 9`)."""
    single = [_loose(text) for text in re.findall(r"[^\W_]+", description)]
    pairs = {before + after for before, after in pairwise(single)}
    spans = re.findall(r"\b(\d{1,4})\s*(?:-|–|to|through|…|\.\.+)\s*(\d{1,4})\b", description)
    return {*single, *pairs, *(str(n) for low, high in spans for n in range(int(low), int(high) + 1))}


def numbered(labels: Sequence[str], asked: Asked) -> dict[str, str]:
    """The number that stands for each label, where the sample wants numbers and all labels are words; {} = unknown.

    From the description (`1 = dog`, `dog (1)`), or of two labels from the column to fill (`is_dog`).
    """
    if not asked.wants_numbers() or any(is_number(label) for label in labels):
        return {}
    found: dict[str, str] = {}
    for label in labels:
        name, text = re.escape(label), asked.description
        after = re.search(rf"\b{name}\b[`'\"]?\s*(?:=|:|\(|->|→|is\b|as\b)\s*[`'\"]?(\d+)\b", text, re.I)
        before = re.search(rf"\b(\d+)[`'\"]?\s*(?:=|:|->|→|is|for|means)\s*(?:an? |the )?[`'\"]?{name}\b", text, re.I)
        if told := before or after:
            found[label] = told[1]
        elif len(labels) == 2 and set(words(label)) <= set(words(asked.label)):
            found[label] = "1"
    found = {label: number for label, number in found.items() if int(number) <= len(labels)}  # others count files
    if len(labels) == 2 and len(found) == 1 and set(found.values()) <= {"0", "1"}:
        (known, number), (other,) = *found.items(), set(labels) - set(found)
        found = {known: number, other: "1" if number == "0" else "0"}
    numbers = sorted(map(int, found.values()))
    return found if numbers in ([*range(len(labels))], [*range(1, len(labels) + 1)]) else {}


def _loose(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


def _parts(paths: Sequence[str], home: str, label: str) -> Iterator[_Part]:
    """All parts that every file has and that are not the same everywhere, folders first; twins once."""
    seen: set[tuple[str, ...]] = set()
    for pattern, folder in _patterns([path[len(home) :] for path in paths], label):
        cells = read(home + pattern, paths)
        place = reader(home + pattern)[1].index(label)
        values = tuple(row[place] for row in cells if row is not None)
        if len(values) == len(paths) and len(set(values)) > 1 and values not in seen:
            seen.add(values)
            yield _Part(home + pattern, values, folder)


def _patterns(below: Sequence[str], label: str) -> Iterator[tuple[str, bool]]:
    """Patterns for each folder of a path, then for each part of the name, from its start and from its end."""
    depths = {path.count("/") for path in below}
    for depth in range(min(depths)):
        yield "".join(f"{{part{n + 1}}}/" for n in range(depth)) + f"{{{label}}}/{{{REST}}}", True
    if len(depths) > 1:
        return
    (depth,) = depths
    above = "".join(f"{{part{n + 1}}}/" for n in range(depth))
    stem = below[0].rpartition("/")[2].rpartition(".")[0]
    pieces = re.split(f"([{re.escape(MARKS)}]+)", stem)
    marks = pieces[1::2]
    for place in range(min(len(marks), _PARTS)):
        before = "".join(f"{{part{depth + n + 1}}}{marks[n]}" for n in range(place))
        yield f"{above}{before}{{{label}}}{marks[place]}{{{REST}}}", False
    for place in range(len(marks) - 1, max(-1, len(marks) - 1 - _PARTS), -1):
        after = "".join(f"{marks[n]}{{part{depth + n + 1}}}" for n in range(place + 1, len(marks)))
        yield f"{above}{{{REST}}}{marks[place]}{{{label}}}{after}.{{ending}}", False
    if marks:  # labels may hold marks themselves: new_york_12.png
        yield f"{above}{{{label}}}{marks[-1]}{{part{depth + 1}}}.{{ending}}", False


def _described(paths: Sequence[str], home: str, asked: Asked) -> _Part | None:
    """The pattern that the description writes, such as `{digit}_{speaker}_{take}.wav`, if it is that of all files."""
    wanted = _SYNONYMS if asked.label.lower() in _SYNONYMS else {asked.label.lower()}
    above = "".join(f"{{part{n + 1}}}/" for n in range(paths[0][len(home) :].count("/")))
    for text in re.findall(r"[^\s`'\"|,;:/]+\.\w{2,5}\b", asked.description):
        stem = re.sub(r"[^\w .-]", "", text).rpartition(".")[0]
        pieces = re.split(f"([{re.escape(MARKS)}]+)", stem)
        named = [{piece.lower(), *words(piece)} for piece in pieces]
        labels = [place for place in range(0, len(pieces), 2) if wanted & named[place]]
        if len(labels) != 1 or len(pieces) < 3:
            continue
        pieces[labels[0]] = asked.label
        name = "".join(f"{{{piece}}}" if not place % 2 else piece for place, piece in enumerate(pieces))
        pattern = f"{home}{above}{name}.{{ending}}"
        cells = read(pattern, paths)
        place = reader(pattern)[1].index(asked.label)
        values = tuple(row[place] for row in cells if row is not None)
        if len(values) == len(paths) and len(set(values)) > 1:
            return _Part(pattern, values)
    return None
