"""Small made tasks that ask for text: words that are inflected, and pieces of texts (see `samples`)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlestar.ports import Array


def inflected(rows: int) -> tuple[pd.DataFrame, Array]:
    """Words and what is wanted of each; two of three classes of nouns change their vowel, prefixes of verbs move."""
    rng = np.random.default_rng(4)
    cells, aims = [], []
    for row in range(rows):
        stem = "".join(rng.choice(["b", "fr", "kl", "st", "m", "gl"]) + rng.choice(["a", "o", "u", "ei"]) for _ in "ab")
        if row % 2:
            last, number = rng.choice(["nd", "rg", "ft"]), rng.choice(["SG", "PL"])
            lemma, tags = (stem + last).capitalize(), f"N;{number}"
            aims.append(lemma if number == "SG" else _plural(lemma, last))
        else:
            prefix, tense = rng.choice(["", "up", "off"]), rng.choice(["PRS;1", "PRS;2", "PST"])
            lemma, tags = f"{prefix}{stem}ten", f"V;{tense}"
            ending = {"PRS;1": "te", "PRS;2": "test", "PST": "tete"}[str(tense)]
            aims.append(f"{stem}{ending} {prefix}".strip())
        cells.append((f"r{row}", lemma, tags))
    return pd.DataFrame(cells, columns=["id", "lemma", "tags"]), np.array(aims, dtype=object)


def _plural(lemma: str, last: str) -> str:
    changed = max(lemma.rfind(vowel) for vowel in "aou")
    if last == "ft" or changed < 1:
        return f"{lemma}en"
    vowel = {"a": "ä", "o": "ö", "u": "ü"}[lemma[changed]]
    return f"{lemma[:changed]}{vowel}{lemma[changed + 1 :]}{'e' if last == 'nd' else 'er'}"


def pieces(rows: int) -> tuple[pd.DataFrame, Array]:
    """Sentences, a mood, and the words of that mood in the sentence; a neutral one is wanted whole, as it is."""
    rng = np.random.default_rng(5)
    plain = ["the", "day", "was", "a", "we", "went", "so,", "home", "and", 'said "yes"', "it", "then\nwe", "over"]
    moods = {"good": ["lovely", "great", "so nice", "fun!"], "bad": ["awful", "sad", "no good", "ugly."], "none": []}
    cells, aims = [], []
    for row in range(rows):
        mood = str(rng.choice(list(moods)))
        words = [str(word) for word in rng.choice(plain, rng.integers(4, 14))]
        said = [str(word) for word in rng.choice(moods[mood], rng.integers(1, 3))] if mood != "none" else []
        at = int(rng.integers(0, len(words)))
        text = " ".join([*words[:at], *said, *words[at:]])
        aims.append(" ".join(said) or text)
        cells.append((f"r{row}", text, mood))
    return pd.DataFrame(cells, columns=["id", "text", "mood"]), np.array(aims, dtype=object)
