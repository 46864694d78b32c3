"""What a run's calls took, as people read it; and what the paper's way would have needed."""

from __future__ import annotations

from collections.abc import Sequence

from mlestar.records import Breadths, Usage

HEAD = ("role", "who answered", "calls", "tokens in", "cached", "out", "seconds", "price")
UNCOUNTED = "–"


def paper_calls(size: Breadths) -> int:
    """Calls to a language model that the paper's agents make for these loop sizes, before any repair.

    A branch: 1 retrieval, M candidates, M - 1 mergers, 1 check of the data's use, and T times 3 (ablation, its summary,
    the extractor, which brings the first plan) + K coders + K - 1 planners; and one check for leakage of each of its
    M + (M - 1) + 1 + T K scripts. Then R times planner, ensembler and check; and 3 to finish. 164 at its defaults.
    """
    M, T, K = size.candidates, size.outer, size.inner
    written = M + (M - 1) + 1
    branch = 1 + written + T * (3 + K + (K - 1))
    checks = written + T * K
    return size.branches * (branch + checks) + 3 * size.rounds + 3


def price(used: Usage) -> str:
    """US dollars for reading; what nobody knows is `unknown`, never 0."""
    if used.cost_usd is not None:
        return dollars(used.cost_usd)
    return f"{dollars(used.known_usd)} + unknown" if used.known_usd > 0 else "unknown"


def dollars(usd: float) -> str:
    """An amount with as many digits as matter: $12.30, $0.0042."""
    if usd == 0 or usd >= 0.1:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= 0.00005 else "under $0.0001"


def total(usage: Sequence[Usage]) -> Usage:
    """All calls together."""
    known = sum(used.known_usd for used in usage)
    return Usage(
        "all", "",
        calls=sum(used.calls for used in usage),
        requests=sum(used.requests for used in usage),
        input_tokens=sum(used.input_tokens for used in usage),
        cached_tokens=sum(used.cached_tokens for used in usage),
        output_tokens=sum(used.output_tokens for used in usage),
        cost_usd=None if any(used.cost_usd is None for used in usage) else known,
        known_usd=known,
        seconds=sum(used.seconds for used in usage),
    )  # fmt: skip


def cells(used: Usage) -> tuple[str, ...]:
    """One line of the table, as `HEAD` names its columns; tokens that nobody counted are no number."""
    counted = used.input_tokens + used.output_tokens > 0
    tokens = (used.input_tokens, used.cached_tokens, used.output_tokens)
    shown = [f"{number:,}" if counted else UNCOUNTED for number in tokens]
    return (used.role, used.by, f"{used.calls}", *shown, f"{used.seconds:.1f}", price(used))


def aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Rows of a table for a terminal, the first `left` columns flush left, the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ways = ["<" if i < left else ">" for i in range(len(widths))]
    form = "  ".join(f"{{:{way}{width}}}" for way, width in zip(ways, widths, strict=True))
    return [form.format(*row).rstrip() for row in rows]
