"""A model of few ideas: it answers each role's request in the form that was asked for, by rule, for any table."""

import re

from mlestar.testing.llm_server import Reply

CANDIDATE = '''```json
{"name": "forest of numbers", "cost": 2}
```

```python
# %% setup
from sklearn.ensemble import RandomForestClassifier

# %% halves
def halves(train, test, files):
    """Half of every number."""
    return tuple(side[NUMBERS].apply(pd.to_numeric, errors="coerce") / 2 for side in (train, test))

# %% model
def fit_predict(X, y, X_test, seed):
    """Class probabilities of a forest."""
    model = RandomForestClassifier(30, min_samples_leaf=LEAF, random_state=seed).fit(X.fillna(-9), y)
    return by_class(model.classes_, model.predict_proba(X_test.fillna(-9)))
```'''
BLEND = '''```json
{"plan": "the mean of all members"}
```

```python
# %% learn
def learn(known, y, seed):
    """Nothing to learn but the names."""
    return sorted(known)

# %% blend
def blend(parts):
    """The plain mean."""
    return np.mean([parts[name] for name in WEIGHTS], axis=0)
```'''
LOOK = """```json
{"question": "How many rows?"}
```

```python
import pandas as pd

print("rows", len(pd.read_parquet("input/rows.parquet")))
```"""
IDEAS = """```json
{"ideas": [{"name": "a forest", "why": "robust on small tables", "cost": 2},
           {"name": "boosting", "why": "strong", "recipe": "lightgbm"}]}
```"""


def sentences(text: str, number: int) -> str:
    """The answer to a request by the heading of its part; `number` makes plans differ."""
    role = re.findall(r"^# Your part now: (.*)$", text, re.MULTILINE)[-1]
    model = CANDIDATE.split("# %% model")[1].removesuffix("```")
    plan = f'```json\n{{"plan": "leaves of {number + 2}", "cell": "model", "cost": 2}}\n```\n\n```python\n# %% setup\n'
    plan += f"from sklearn.ensemble import RandomForestClassifier\n\n# %% model{model}```"
    known = {
        "find models": IDEAS,
        "write a solution": CANDIDATE.replace("LEAF", "3"),
        "plan the next change, and write it": plan.replace("LEAF", str(number + 2)),
        "which cell should be worked on?": '```json\n{"cell": "model", "why": "it decides"}\n```',
        "look at the data": LOOK,
        "join the members": BLEND,
        "mend a failure": '```json\n{"give_up": true}\n```',
    }
    return known.get(role, '```json\n{"finding": "nothing to change"}\n```')


def answer(text: str, number: int) -> Reply:
    """The same as the server's reply."""
    return Reply(sentences(text, number))
