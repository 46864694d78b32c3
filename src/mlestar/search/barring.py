"""Does a page seem to hold a solution of this very competition? By general means: no task is known here by name.

What names a task: its folder's name, the title of its description, and its target columns; of these the
*distinctive* words, those that are no ordinary words of machine learning. A page is barred when

- its address is one of a competition host, also inside an archive's or a redirect's address, and its address,
  title or text names the task by one of the three;
- it names the task by name or title, and something about it tells of a solution: words such as `kaggle` or `1st place`
  anywhere, words such as `solution`, `notebook`, `leaderboard` in its title or address, or a place where code is kept;
- it has the exact name of a target column of three words or more, and something tells of a solution;
- its address holds the whole name of the task, when that has three words or more.

It catches the pages of the competition itself, its notebooks, discussions and write-ups, repositories and posts that
are called after it. It cannot catch a solution that does not say what it solves within the excerpt that a search
returns, one under another or a translated name, a model trained on the same data under a name of its own, nor what a
language model remembers by itself. A task with an ordinary name (`classification-task-2`) is barred by its title and
targets only. It errs on the side of barring: a paper about the competition goes, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from mlestar.records import Page, Profile

_HOSTS = re.compile(
    r"(?<![\w-])(?:kaggle\.com|drivendata\.(?:org|co)|zindi\.africa|aicrowd\.com|codalab\.org|codabench\.org|"
    r"crowdanalytix\.com|datahack\.analyticsvidhya\.com|hackerearth\.com|machinehack\.com|tianchi\.aliyun\.com|"
    r"signate\.jp|bitgrit\.net|eval\.ai|grand-challenge\.org|topcoder\.com|datafountain\.cn|challengedata\.ens\.fr|"
    r"innocentive\.com|dphi\.tech|solafune\.com|thinkonward\.com|xeek\.ai|numer\.ai)(?![\w-])"
)
_KEEPS = re.compile(
    r"(?<![\w-])(?:github\.com|github\.io|githubusercontent\.com|gitlab\.com|bitbucket\.org|nbviewer\.org|"
    r"nbviewer\.jupyter\.org|colab\.research\.google\.com|deepnote\.com|rpubs\.com|jovian\.(?:ai|com))(?![\w-])|\.ipynb"
)
_ANYWHERE = re.compile(
    r"\b(?:kaggle\w*|kagglers?|(?:1st|2nd|3rd|\dth|first|second|third|top) (?:place|prize)|place solution|"
    r"winning (?:solution|entry|model|submission|team)|(?:gold|silver|bronze) medal|"
    r"(?:public|private) (?:lb|score|leaderboard))\b"
)
_ABOVE = re.compile(
    r"\b(?:solutions?|winners?|winning|kernels?|notebooks?|leaderboards?|competitions?|challenges?|submissions?|"
    r"write ?ups?|walkthroughs?|baselines?|medals?|hackathons?)\b"
)
_FILLERS = """
a about above after all also an and any are as at be been before being below between both but by can could do does
each either every few for from given had has have how if in into is it its just like made make many may might more
most much must neither new no nor not of off on once one only onto or other our out over own per same several shall
should since so some such than that the their them then there these they this those three through to together too
two under until up upon us use used uses using very was way we were what whats when where whether which while who whose
why will with within without would you your
"""
_ORDINARY = """
accuracy advanced ai algorithm analysis analytics apply approach artificial audio auc average balanced baseline basic
beginner benchmark best better big binary build case categorical category challenge class classes classification
classifier classify cluster clustering code codes column columnwise competition compute contest correct cross csv
custom data database dataset datum deep demo describe description detect detection detector directory edition
entropy entry episode error estimate estimation evaluate evaluated evaluation event example exercise experiment
explained feature field file final find folder forecast forecasting form format found generate generation
getting gini goal gradient group hackathon half header help higher homework id identification identify image index
information input instance intelligence introduction json kaggle kappa kernel kind label labelled learn learning
leaderboard level line linear list log logarithm logarithmic logistic loss low lower machine mae mape mask match
matching matter mean measure median metric missing ml model month mse multi multiclass multilabel name network neural
next nlp notebook number numeric object observation order original outcome output overall part participant percent
percentage playground point possible practice predict predicted predicting prediction predictive predictor
probability problem produce project public private question random rank ranking rate ratio real recall recognition
recognizer recognise recognize record regression regressor required result rmse rmsle root rounded row sample score
season segment segmentation separated series set sheet short simple single small solution solve solving split square
squared standard start started starter string structured study submission submit sum supervised synthetic system
table tabular target task technique test text time top track train trained training true truth tutorial type unique
unit unknown unseen unsupervised valid validation value variable version vision weighted word work
workshop write written wrote year zero zip
"""


def tokens(text: str) -> list[str]:
    """The words of a text in small letters, without accents, apostrophes and the s of a plural."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(each for each in plain if not unicodedata.combining(each) and each not in "'’")
    return [_stem(each) for each in re.findall(r"[^\W_]+", plain)]


def apart(name: str) -> str:
    """A name in code as words: `salePrice` and `sale_price` -> `sale Price` and `sale price`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")


def ordinary(token: str) -> bool:
    """Whether a token of `tokens` says nothing about what a task is about."""
    return len(token) < 2 or token.isdigit() or token in _DULL


@dataclass(frozen=True)
class Name:
    """What a task is called: its words in order, and the distinctive ones among them."""

    words: tuple[str, ...]
    telling: frozenset[str]

    @property
    def joined(self) -> str:
        """All in one, as addresses and tags write it."""
        return "".join(self.words)

    def told(self, words: Collection[str]) -> bool:
        """Whether half of the distinctive words are there, two at least if there are two, or one made up for it."""
        shared = self.telling.intersection(words)
        needed = max((len(self.telling) + 1) // 2, min(2, len(self.telling)))
        return 0 < needed <= len(shared) or any(map(_coded, shared))

    def within(self, words: Sequence[str]) -> bool:
        """Whether a text names the task: its distinctive words close together, or all in one."""
        everything = "".join(words)
        if len(self.words) > 1 and len(self.joined) >= 8 and self.joined in everything:
            return True
        if any(_coded(each) and each in everything for each in self.telling):
            return True
        width = len(self.words) + 3
        return any(self.told(words[at : at + width]) for at in range(max(1, len(words) - width + 1)))


def called(profile: Profile) -> tuple[Name, ...]:
    """The names of a task: of its folder, and the title of its description, where these are distinctive."""
    names = (_name(profile.name), _name(title(profile.description)))
    return tuple(dict.fromkeys(name for name in names if name.telling))


def title(description: str) -> str:
    """The heading that a description begins with, or a first line that looks like one; empty else."""
    first = next((line.strip() for line in description.splitlines() if line.strip()), "")
    if first.startswith("#"):
        return first.strip("# ")
    return first if len(first) <= 80 and not first.endswith(".") else ""


def bars(profile: Profile) -> Callable[[Page], bool]:
    """Make the judge of pages for a task; see above for what it catches and what it cannot."""
    names = called(profile)
    targets = tuple(name for name in map(_name, profile.target) if len(name.words) > 1 and name.telling)

    def barred(page: Page) -> bool:
        address = unquote(page.address).lower()
        above, text = tokens(f"{address} {page.title}"), tokens(page.text)
        everything = "".join((*above, *text))
        if _HOSTS.search(address):
            return any(name.told(above) or name.within(above) or name.within(text) for name in names) or any(
                target.joined in everything for target in targets
            )
        if any(len(name.words) > 2 and name.joined in "".join(tokens(address)) for name in names):
            return True
        if not _solves(page, address):
            return False
        return any(_named(name, above, text) for name in names) or any(
            len(target.words) > 2 and target.joined in everything for target in targets
        )

    return barred


def _named(name: Name, above: Sequence[str], text: Sequence[str]) -> bool:
    """A name of one distinctive word is too easily met in a text; it counts in a title or an address."""
    return name.within(above) or (len(name.telling) > 1 and name.within(text))


def _solves(page: Page, address: str) -> bool:
    """Whether something about a page tells of a solution."""
    above = " ".join(re.findall(r"[^\W_]+", f"{address} {page.title.lower()}"))
    text = " ".join(re.findall(r"[^\W_]+", page.text.lower()))
    return bool(_KEEPS.search(address) or _ABOVE.search(above) or _ANYWHERE.search(f"{above} {text}"))


def _name(text: str) -> Name:
    words = tuple(tokens(apart(text)))
    return Name(words, frozenset(each for each in words if not ordinary(each)))


def _coded(token: str) -> bool:
    """Letters and digits in one, such as `orbit2031`: a made-up name, and enough by itself."""
    return len(token) >= 6 and token.isalnum() and any(map(str.isdigit, token)) and any(map(str.isalpha, token))


def _stem(token: str) -> str:
    return token[:-1] if len(token) > 3 and token.endswith("s") and not token.endswith("ss") else token


_DULL = frozenset(_stem(each) for each in f"{_FILLERS} {_ORDINARY}".split())
