"""The family of errors, drawn.

MleStarError                 anything that mle-star itself raises; printed without a traceback
├── UsageError               the user can mend it: names the file, line or setting and says how (exit 2)
│   ├── TaskError            the task folder is broken or cannot be understood
│   ├── SettingsError        a setting, flag or recipe is wrong
│   └── RunError             the run folder is missing, open elsewhere, or of another kind
│       └── StaleStep        a recorded step meets other inputs than it was recorded with
├── Interrupted              the user asked to stop (exit 130); the run can be resumed
│   └── Unreachable          who plays the roles, or a package index, stays away: the run waits, and can be resumed
│       └── Refused          who plays the roles will not take one request: somebody else answers it
├── Spent                    a cap on money or calls is reached; caught where brains are asked
├── Unrecorded               a replay came to its end; always caught
├── NoSolution               the run ended and no valid solution exists (exit 1, or 3 when a budget ended it)
└── StepError                a mistake of ours, with the address of the step where it happened

A script that fails is none of these: it is data (`records.Outcome`), and a bad submission is a
`records.Judged` with a reason.
"""

from __future__ import annotations


class MleStarError(Exception):
    """Base of the family. `str(error)` is one message fit for the user."""

    exit_code = 1


class UsageError(MleStarError):
    """Raised for anything that the user can mend."""

    exit_code = 2


class TaskError(UsageError):
    """Raised when a task folder is broken, ambiguous, or its files cannot be read."""


class SettingsError(UsageError):
    """Raised when a setting, a flag or a recipe is wrong."""


class RunError(UsageError):
    """Raised when a run folder is missing, locked by another driver, or unreadable."""


class StaleStep(RunError):
    """Raised when a recorded step is asked again with other inputs."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"step {address!r} was recorded with other inputs than it is asked for now. Three ways out: "
            f"resume with the settings the run began with; `mle-star fork RUN --from {address}` to redo "
            "everything from there; or start a new run."
        )
        self.address = address


class Interrupted(MleStarError):
    """Raised inside verbs once a stop was asked for; everything recorded stays."""

    exit_code = 130


class Unreachable(Interrupted):
    """Raised when whoever plays a role cannot be reached after all retries, or an index of packages cannot."""


class Refused(Unreachable):
    """Raised when whoever plays a role will not take this one request, however often it is asked."""


class Spent(MleStarError):
    """Raised when a cap on money or calls allows no further call."""


class Unrecorded(MleStarError):
    """Raised where a replay that may play nothing comes to the first step without an answer; never seen by anybody."""


class NoSolution(MleStarError):
    """Raised when a run ends with nothing valid to hand over."""

    def __init__(self, message: str, *, budget: bool) -> None:
        super().__init__(message)
        self.exit_code = 3 if budget else 1


class StepError(MleStarError):
    """Raised when our own code fails inside a step; carries the step's address."""

    def __init__(self, address: str, cause: BaseException) -> None:
        super().__init__(f"step {address!r} failed inside mle-star: {type(cause).__name__}: {cause}")
        self.address = address
