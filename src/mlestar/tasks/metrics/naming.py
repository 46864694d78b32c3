"""Finding the metric that a description names.

A phrase is a regular expression in which a blank stands for any run of blanks, hyphens, underscores and
markup, and `~` for such a run or nothing. Where phrases overlap the longest wins: "root mean squared
error of the logarithm" is not RMSE. What remains is ordered by where it stands: under a heading that
speaks of the metric or the evaluation, in a sentence that says so, and the special before the general
(macro F1 before F1), then in the order of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BREAK = r"[\s\-‐‑–_*`]"
_NEAR = r"[^.;\n]{0,40}?"  # a few words of the same sentence
_NUMBERS = {"three": "3", "five": "5", "seven": "7", "ten": "10", "twelve": "12", "twenty": "20"}
_RMSE = r"(?:root mean~squared? errors?|root mean square deviation|rmse|rmsd)"
_RMSLE = r"(?:root mean~squared? log(?:arithmic)? errors?|rmsle)"
_MAE = r"(?:mean absolute (?:error|deviation)|mae)"
_AUC = r"(?:area under (?:the )?(?:roc|receiver operating characteristics?)(?: curve)?|roc~auc|auc~roc|auroc|auc)"
_LOG_LOSS = r"(?:log~loss|logloss|logarithmic loss|cross~entropy(?: loss)?)"
_LOGARITHM = r"(?:logarithms?|logs?|ln|log~transformed)"
_COLUMNS = r"(?:mean|average|averaged) column~wise"
_PER_COLUMN = (
    r"(?:of|for|per|on|over|across)(?: (?:each|every|all|both|the \w+|two|three))?(?: (?:individual|predicted))?"
    r" (?:target|column|output|label|class)(?:e?s)?"
)
_PLAIN_F1 = r"f1(?:~score)?|f~score|f~measure"

# (metric, phrase, the general metric that it refines or "", whether it is an everyday word). An everyday word counts
# only where something else says that it is about the metric.
_PHRASES = (
    ("accuracy", r"(?:classification|categorization|multi~class|prediction) accuracy|accuracy score", "", False),
    ("accuracy", r"percentage of (?:correct \w+|\w+ (?:that )?(?:are |is |were )?correctly \w+)", "", False),
    ("accuracy", r"(?:fraction|proportion|share) of (?:correct(?:ly)?|rightly) \w+", "", False),
    ("accuracy", r"accuracy", "", True),
    ("balanced_accuracy", r"balanced accuracy|macro(?: averaged)? recall", "accuracy", False),
    ("balanced_accuracy", r"(?:mean|average) per~class (?:accuracy|recall)", "accuracy", False),
    ("f1", r"f1~score|f1 measure|binary f1", "", False),
    ("f1", rf"{_PLAIN_F1}", "", True),
    ("f1_macro", rf"macro(?: averaged?)? (?:{_PLAIN_F1})|(?:{_PLAIN_F1})[\s(,]+macro(?: averaged?)?", "f1", False),
    ("f1_macro", rf"(?:{_PLAIN_F1}) averaged over (?:all )?(?:the )?classes", "f1", False),
    ("f1_micro", rf"micro(?: averaged?)? (?:{_PLAIN_F1})|(?:{_PLAIN_F1})[\s(,]+micro(?: averaged?)?", "f1", False),
    ("f1_weighted", rf"weighted(?: averaged?)? (?:{_PLAIN_F1})|(?:{_PLAIN_F1})[\s(,]+weighted", "f1", False),
    ("mcc", r"matthews'?s? correlation(?: coefficient)?|mcc", "", False),
    ("quadratic_weighted_kappa", r"quadratic(?:ally)? weighted (?:cohen'?s )?kappa|qwk|quadratic kappa", "", False),
    ("quadratic_weighted_kappa", r"(?:cohen'?s )?kappa(?: score)? with quadratic weights", "", False),
    ("roc_auc", _AUC, "", False),
    ("roc_auc_ovr_macro", rf"(?:macro|macro averaged?|multi~class|one vs rest) {_AUC}", "roc_auc", False),
    ("roc_auc_ovr_macro", rf"{_AUC}{_NEAR}(?:one vs rest|ovr)", "roc_auc", False),
    ("mean_columnwise_roc_auc", rf"{_COLUMNS} {_AUC}", "roc_auc", False),
    ("mean_columnwise_roc_auc", rf"(?:mean|average) of the (?:individual )?{_AUC}s?", "roc_auc", False),
    ("mean_columnwise_roc_auc", rf"{_AUC}{_NEAR}{_PER_COLUMN}", "roc_auc", False),
    ("average_precision", r"average precision(?: score)?|area under the precision recall curve|pr~auc", "", False),
    ("log_loss", rf"(?:(?:multi~class|binary|categorical) )?{_LOG_LOSS}|negative log~likelihood", "", False),
    ("mean_columnwise_log_loss", rf"{_COLUMNS} {_LOG_LOSS}|{_LOG_LOSS}{_NEAR}{_PER_COLUMN}", "log_loss", False),
    ("brier", r"brier(?: score| loss)*", "", False),
    ("rmse", _RMSE, "", False),
    ("mean_columnwise_rmse", rf"{_COLUMNS} {_RMSE}|mcrmse|{_RMSE}{_NEAR}{_PER_COLUMN}", "rmse", False),
    ("rmsle", _RMSLE, "rmse", False),
    ("mean_columnwise_rmsle", rf"{_COLUMNS} {_RMSLE}|{_RMSLE}{_NEAR}{_PER_COLUMN}", "rmsle", False),
    ("rmsle", rf"{_RMSE}{_NEAR}(?:log1p|log\(~1~\+|log\(~\w+~\+~1)", "rmse", False),
    ("rmse_log", rf"{_RMSE}(?:~\(rmse\))? (?:between|of|on|in|over|after){_NEAR}{_LOGARITHM}", "rmse", False),
    ("rmse_log", rf"{_RMSE}~\(log\)|log~rmse", "rmse", False),
    ("mae", r"mean absolute (?:error|deviation)", "", False),
    ("mae", r"mae", "", True),
    ("mean_columnwise_mae", rf"{_COLUMNS} {_MAE}|mcmae|{_MAE}{_NEAR}{_PER_COLUMN}", "mae", False),
    ("mape", r"mean absolute percentage error|mape", "mae", False),
    ("smape", r"symmetric mean absolute percentage error|symmetric mape|smape", "mape", False),
    ("r2", r"r~squared|r²|coefficient of determination|r2 score", "", False),
    ("r2", r"r\^?2", "", True),
    ("pearson", r"pearson(?:'s)?(?: product moment)?(?: linear)?(?: correlation)?(?: coefficient)?", "", False),
    ("spearman", r"spearman(?:'s)?(?: rank)?(?: order)?(?: correlation)?(?: coefficient)?(?: rho)?", "", False),
    ("map@k", rf"(?:map|mean average precision)~(?:@|at)~\(?(?P<places>\d+|{'|'.join(_NUMBERS)})\)?", "", False),
    ("word_jaccard", r"(?:word (?:level )?)jaccard(?: (?:similarity|index|score|coefficient))*", "", False),
    ("word_jaccard", r"jaccard(?: (?:similarity|index|score|coefficient))*", "", False),
    ("exact_match", r"exact match(?: (?:accuracy|score|ratio))?", "accuracy", False),
    ("mase", rf"mean absolute scaled error|mase(?: is the mean absolute error divided by{_NEAR})?", "mae", False),
    ("owa", r"overall weighted average(?:~\(owa\))?", "", False),
    ("owa", r"owa", "", True),
)  # fmt: skip
_HEADING = re.compile(r"^(?:#{1,6}[ \t]*(?P<text>.+?)[ \t]*#*|(?P<under>\S.*)\n[=\-]{3,})[ \t]*$", re.MULTILINE)
_SECTION = re.compile(r"metric|evaluat|scoring|judg|how .*scored", re.IGNORECASE)
_CUE = re.compile(
    r"evaluat|\bscored\b|\bmetric|\bjudged|\bgraded|\bassess|\bmeasured (?:by|with|as|using)|leaderboard|"
    r"ranked (?:by|on)|"
    r"(?:higher|lower|larger|smaller|more) is better|minimi[sz]e|maximi[sz]e",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\bnot|\bthan|\bunlike|\binstead of|\brather than|\bno longer)(?: the| a| plain| simple)*\W*$", re.I
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[A-Z*`(])|\n\s*\n|\n(?=\s*(?:[-*#|]|\d+\.)\s*)")


def _compiled(phrase: str) -> re.Pattern[str]:
    spaced = phrase.replace(" ", f"{_BREAK}+").replace("~", f"{_BREAK}*")
    return re.compile(rf"(?<![\w@])(?:{spaced})(?![\w@])", re.IGNORECASE)


_PATTERNS = tuple((metric, _compiled(phrase), general, everyday) for metric, phrase, general, everyday in _PHRASES)


@dataclass(frozen=True)
class _Found:
    metric: str
    start: int
    end: int
    general: str
    everyday: bool
    section: bool
    cue: bool


def named_in(description: str) -> list[tuple[str, str]]:
    """The metrics that a description names, best first, each once, with the line where it stands."""
    found = _longest([hit for hit in _all(description) if hit.section or hit.cue or not hit.everyday])
    refined = {hit.general for hit in found if hit.section or hit.cue}
    refined |= {hit.general for hit in found if hit.metric in refined}
    found.sort(key=lambda hit: (not hit.section, not hit.cue, hit.metric in refined, hit.start))
    best: dict[str, str] = {}
    for hit in found:
        best.setdefault(hit.metric, _line(description, hit.start))
    return list(best.items())


def _all(text: str) -> list[_Found]:
    sections = [
        (match.start(), bool(_SECTION.search(match["text"] or match["under"]))) for match in _HEADING.finditer(text)
    ]
    edges = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    found = []
    for metric, pattern, general, everyday in _PATTERNS:
        for match in pattern.finditer(text):
            first = max(edge for edge in edges if edge <= match.start())
            last = min(edge for edge in edges if edge >= match.end())
            if _DENIED.search(text[first : match.start()]):
                continue
            name = f"map@{_NUMBERS.get(match['places'].lower(), match['places'])}" if metric == "map@k" else metric
            section = next((is_metric for start, is_metric in reversed(sections) if start <= match.start()), False)
            cue = bool(_CUE.search(text[first:last]))
            found.append(_Found(name, match.start(), match.end(), general, everyday, section, cue))
    return found


def _longest(found: list[_Found]) -> list[_Found]:
    kept: list[_Found] = []
    for hit in sorted(found, key=lambda hit: (hit.start - hit.end, hit.start)):
        if all(hit.end <= other.start or other.end <= hit.start for other in kept):
            kept.append(hit)
    return kept


def _line(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return text[start : end if end >= 0 else len(text)].strip()
