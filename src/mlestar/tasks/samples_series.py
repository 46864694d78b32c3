"""Small forecasts made in code, always the same (`samples`).

What makes forecasts fail in life is in them: series of unlike length, one that never changes, one with values below
zero, steps that are missing, a series that only the test has, times as dates or as numbers, no column of series at all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

HORIZON = 10


def tables(name: str, targets: int) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Training rows, test rows and the names of the targets of one of the samples of series."""
    count = 1 if name == "one series" else 12
    parts = [_series(number, dated=targets == 1, monthly=count == 1) for number in range(count)]
    whole = pd.concat(parts, ignore_index=True)
    goals = ["y", "z"][:targets]
    last = whole.groupby("series")["place"].transform("max") - HORIZON
    known, asked = whole[whole["place"] <= last], whole[whole["place"] > last].drop(columns=["y", "z"])
    known = known[(known["place"] % 17 != 5) & (known["series"] != f"s{count - 1}" if count > 1 else True)]
    kept = ["series"] * (count > 1) + ["time", "offer"]
    asked = asked[kept].reset_index(drop=True)
    asked.insert(0, "id", np.arange(len(asked)))
    return known[[*kept, *goals]].reset_index(drop=True), asked, goals


def _series(number: int, dated: bool, monthly: bool) -> pd.DataFrame:
    """One series: a level, a trend, a season, what an offer that is known ahead adds, and a little noise."""
    rng = np.random.default_rng([5, number])
    season, size = (12, 120) if monthly else (7, 70 + 6 * number)
    place = np.arange(size + HORIZON)
    offer = (rng.random(len(place)) < 0.2).astype(int)
    wave = np.sin(2 * np.pi * place / season + number) + 0.5 * (place % season == number % season)
    signal = 10 + number + 0.02 * place + 3 * wave + offer + rng.normal(0, 0.3, len(place))
    values = np.full(len(place), 4.0) if number == 1 else signal - 14 if number == 2 else signal
    days = pd.Timestamp("2021-01-01") + pd.to_timedelta(place, unit="D")
    months = pd.date_range("2011-01-01", periods=len(place), freq="MS")
    when = (months if monthly else days).strftime("%Y-%m-%d") if dated else place + 1
    return pd.DataFrame(
        {"series": f"s{number}", "place": place, "time": when, "offer": offer, "y": values.round(3),
         "z": (50 * np.abs(values) + number).round(1)}
    )  # fmt: skip
