"""How hard the fuzzing tries: the same examples each time, or `MLESTAR_FUZZ=50` times as many new ones."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from mlestar.errors import MleStarError

TIMES = int(os.environ.get("MLESTAR_FUZZ", "1"))
HOSTILE = [
    "",
    " ",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\nb",
    "a\rb",
    "\x00",
    "a\x00b",
    "\x1b[2J\x1b]0;owned\x07",
    "\ud800",
    "\u202eabc",
    "\u2028",
    '"',
    "'",
    '"""',
    "'''",
    "\\",
    "`id`",
    "$(id)",
    "; rm -rf ~",
    "'; DROP TABLE steps; --",
    "<script>alert(1)</script>",
    "![x](http://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "| a | b |",
    "# %% submit",
    "\n# %% setup\nimport os\n",
    "# ///",
    "{0}",
    "{name!r}",
    "%s",
    "::",
    "submission",
    "é",
    "ﬁ",
    "²",
    "日本語",
    "🤖",
    "x" * 5000,
]


def trying(examples: int) -> settings:
    """Settings for one property; `examples` in the everyday suite."""
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),  # shrinking takes minutes; the example is told as it is
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@contextmanager
def refusals(kind: type[MleStarError]) -> Iterator[None]:
    """What is inside may be refused, with a message."""
    try:
        yield
    except kind as error:
        if not str(error).strip():
            raise AssertionError("refused without a word") from error


texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), max_size=30))
