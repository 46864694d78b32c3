"""Times as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.tasks.tables import texts


def moments(values: pd.Series[str]) -> NDArray[np.float64]:
    """Times as numbers that sort: numeric texts as they are, dates as nanoseconds; unreadable ones first."""
    names, inverse = np.unique(texts(values).to_numpy(str), return_inverse=True)
    numbers = pd.to_numeric(pd.Series(names), errors="coerce")
    if numbers.notna().mean() < 0.5:
        dates = pd.to_datetime(pd.Series(names), errors="coerce", format="mixed", utc=True)
        numbers = dates.astype("int64").where(dates.notna()).astype(float)
    if numbers.notna().mean() < 0.5:
        raise TaskError(f"column {values.name!r} does not hold times that can be read, such as {names[0]!r}.")
    return np.asarray(np.nan_to_num(numbers.to_numpy(float)[inverse], nan=-np.inf, neginf=-np.inf), np.float64)
