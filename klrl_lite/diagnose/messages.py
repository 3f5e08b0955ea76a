"""What is wrong with a file, where, and what to do about it: said once, in one form."""

from typing import NamedTuple


class Message(NamedTuple):
    """One thing that the reader of a report should know.

    Attributes
    ----------
    kind : {"error", "left out", "doubt", "note"}
        The input cannot be used; a part of it was not; a reason to mistrust the answer; a remark.
    what, do : str
        What was found, and what to do about it.
    where : str
        File, and the line or entry in it; or the runs that are meant.
    """

    kind: str
    what: str
    do: str = ""
    where: str = ""

    def __str__(self):
        place = f"{self.where}: " if self.where else ""
        advice = f" {self.do}" if self.do else ""
        return f"{self.kind}: {place}{self.what}{advice}"


class BadInput(ValueError):
    """Input that cannot be used; carries the `Message` that says why.

    Examples
    --------
    >>> raise BadInput("the file is empty.", "Export it again.", "sweep.csv")
    Traceback (most recent call last):
    klrl_lite.diagnose.messages.BadInput: error: sweep.csv: the file is empty. Export it again.
    """

    def __init__(self, what: str, do: str = "", where: str = "") -> None:
        self.message = Message("error", what, do, where)
        super().__init__(str(self.message))


def some(names: list[str], most: int = 4) -> str:
    """Write a list of names, or the first few of them.

    Examples
    --------
    >>> some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
