"""The only two exceptions that cross a package boundary on purpose.

Everything a user can cause (a broken file, a wrong option, a full disk) ends as a
:class:`UserError`; everything else is a defect of ours and may show a traceback in the log.
"""

from __future__ import annotations


class UserError(Exception):
    """Something the user can understand and act on.

    Parameters
    ----------
    message:
        What happened and what it means, one sentence, no patient data.
    hint:
        What to do about it, one sentence; may be empty.
    detail:
        Technical detail that is shown behind a fold and written to the log; never patient data.
    """

    def __init__(self, message: str, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[type[UserError], tuple[str, str, str]]:
        # Errors travel from the compute process to the window, so they must survive pickling.
        return type(self), (self.message, self.hint, self.detail)


class Cancelled(Exception):  # noqa: N818 - not an error
    """The user asked to stop; not a failure, and never shown as one."""
