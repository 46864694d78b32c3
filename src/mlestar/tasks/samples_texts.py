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
    """Sentences, a mood, and the words of that mood in the sentence; without a mood all of it is wanted."""
    rng = np.random.default_rng(5)
    plain = ["the", "day", "was", "a", "we", "so", "no", "home", "and", 'said "yes"', "it", "then\nwe", "over", "more"]
    moods = {
        "good": ["lovely", "great", "so nice", "fun!", "more"],
        "bad": ["awful", "sad", "no good", "over.", "ugly"],
    }
    cells, aims = [], []
    for row in range(rows):
        mood = ("good", "bad", "none")[row % 3]
        words = [str(word) for word in rng.choice(plain, rng.integers(4, 14))]
        said = {name: " ".join(rng.choice(moods[name], rng.integers(1, 4))) for name in moods}
        for name in moods:
            words.insert(int(rng.integers(0, len(words) + 1)), said[name])
        text = " ".join(words)
        aims.append(said.get(mood, text))
        cells.append((f"r{row}", text, mood))
    return pd.DataFrame(cells, columns=["id", "text", "mood"]), np.array(aims, dtype=object)
