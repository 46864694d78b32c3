"""Write the demo's task folder: the passengers of the Titanic, as scikit-learn's own tests ship them.

A messy mixed table of 1,309 people: numbers, categories, names, ticket and cabin codes, many values
missing. Two columns are left out because nobody had them at the time: the lifeboat, and the body's
number. A fifth of the rows becomes the test; its answers go where no run can see them, beside the task.
"""

import csv
import gzip
import random
import sys
from importlib.resources import files
from pathlib import Path

DATA = "tests/data/openml/id_40945/data-v1-dl-16826755.arff.gz"
HINDSIGHT = {"boat", "body"}
DESCRIPTION = """# Who survives?

Predict which passengers of a sinking liner survive, from what was known when they boarded.

## Files
- `train.csv`: passengers with `survived` (1 or 0): class, name, sex, age, relatives aboard (`sibsp`, `parch`), ticket,
  fare, cabin, port, home. Values are missing here and there.
- `test.csv`: passengers without `survived`.
- `sample_submission.csv`: the required format.

## Metric
Classification accuracy, higher is better.
"""


def passengers() -> list[dict[str, str]]:
    """All rows of the data set; a missing value is an empty text."""
    text = gzip.decompress(files("sklearn.datasets").joinpath(DATA).read_bytes()).decode()
    head, _, body = text.partition("@data")
    names = [line.split()[1].strip("'\"") for line in head.splitlines() if line.startswith("@attribute")]
    rows = csv.reader(line for line in body.splitlines() if line.strip() and not line.startswith("%"))
    return [{n: "" if v == "?" else v for n, v in zip(names, row, strict=True)} for row in rows]


def write(path: Path, rows: list[dict[str, str]], columns: list[str]) -> None:
    """One csv file."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(folder: Path) -> None:
    rows = passengers()
    random.Random(0).shuffle(rows)
    for number, row in enumerate(rows, 1):
        row["id"] = str(number)
    cut = len(rows) // 5
    test, train = rows[:cut], rows[cut:]
    columns = ["id", *(name for name in rows[0] if name not in HINDSIGHT | {"id", "survived"})]
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "train.csv", train, [*columns, "survived"])
    write(folder / "test.csv", test, columns)
    write(folder / "sample_submission.csv", [{**row, "survived": "0"} for row in test], ["id", "survived"])
    (folder / "description.md").write_text(DESCRIPTION)
    write(folder.with_name("answers.csv"), test, ["id", "survived"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
