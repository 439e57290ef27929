"""Every exception that issun raises on purpose.

All of them derive from `IssunError`; the command line prints their text without a traceback. A message names the
argument, the rule, the value that broke it and what to do.

    IssunError
    ├── NotationError       the text of a network or family cannot be read (shows the place)
    ├── NetworkError        the text is fine, the network cannot be (shapes, classifier)
    ├── KnobError           a knob without values, values without a knob, values that are no positive whole numbers
    ├── RecipeError         a training setting outside its range
    ├── SpaceError          a space of networks that says something that cannot be (names the key, in a file the line, too)
    ├── DataError           images or labels that cannot be used
    │   └── DownloadError       no mirror sent a file of a named data set
    ├── ModelError          a file that is no model, or images that do not fit a model
    ├── HeadError           features that nothing can be learnt from, or a head that cannot be what is asked
    ├── StudyError          a study file that cannot be used
    │   ├── StudyBusyError      another process is writing to it
    │   └── StudyVersionError   it was written by a newer issun
    ├── StudyFileError      a file that asks for studies (TOML) says something that cannot be (names line and key)
    ├── ExportError         a model cannot be written in another format, or a network of one cannot be read
    │   └── MismatchError       what was written answers otherwise than the model, and was not kept
    ├── SelectionError      no network meets the target or the budget
    ├── EstimatorError      a scikit-learn estimator's parameters or data cannot be used (also a ValueError)
    └── Cancelled           the work was stopped on request (Ctrl-C)
"""

from __future__ import annotations


class IssunError(Exception):
    """Base class of all errors that issun raises on purpose."""

    @property
    def summary(self) -> str:
        """The first sentence of the message, without a quoted text below it."""
        return str(self)


def first_line(error: BaseException, most: int = 200) -> str:
    """Return the first line of what an exception of another library says, at most `most` characters; its type where it says nothing."""
    lines = str(error).splitlines()
    return lines[0][:most] if lines else type(error).__name__


class NotationError(IssunError):
    """The text of a network or family cannot be read.

    Parameters
    ----------
    text : str
        The whole text.
    position : int
        Index of the first character that is wrong.
    problem : str
        What is wrong and what was expected, in one sentence.
    length : int
        Number of characters to underline, at least 1.
    """

    def __init__(self, text: str, position: int, problem: str, length: int = 1) -> None:
        self.text = text
        self.position = position
        self.problem = problem
        # Characters that move the cursor would separate the caret from its place; of a long text only the surroundings matter.
        line = "".join(character if character.isprintable() else " " for character in text)
        start = max(0, position - 60) if len(line) > 120 else 0
        end = min(len(line), start + 120)
        before, after = "…" if start else "", "…" if end < len(line) else ""
        caret = "^" * max(1, min(length, end - position))
        super().__init__(f"{problem}\n  {before}{line[start:end]}{after}\n  {' ' * (position - start + len(before))}{caret}")

    @property
    def summary(self) -> str:
        """The problem, without the text and the caret."""
        return self.problem


class NetworkError(IssunError):
    """The text can be read, but no such network can be: a shape, a classifier or a size does not fit."""


class KnobError(IssunError):
    """A knob has no values, values have no knob, or a value is not a positive whole number.

    Parameters
    ----------
    message : str
    argument : str
        The argument that is wrong, ``n=1,2,4``; empty where a knob has no values.
    """

    def __init__(self, message: str, argument: str = "") -> None:
        self.argument = argument
        super().__init__(message)


class RecipeError(IssunError):
    """A training setting is outside its range.

    Parameters
    ----------
    message : str
    setting : str
        The setting of `Recipe` that is wrong; empty where it is none of them.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        self.setting = setting
        super().__init__(message)


class SpaceError(IssunError):
    """A space of networks says something that cannot be.

    Parameters
    ----------
    key : str
    problem : str
        What is wrong with it, in words that follow the key.
    index : int, optional
        Which one of its values, from 0; default: the key itself.
    place : str
        Where it stands, ``space.toml, line 3``.
    """

    def __init__(self, key: str, problem: str, index: int | None = None, place: str = "") -> None:
        self.key, self.problem, self.index = key, problem, index
        name = f"`{key}`" if index is None else f"`{key}[{index}]`"
        super().__init__(f"{place or 'the space'}, {name}: {problem}")


class DataError(IssunError):
    """Images or labels cannot be used as they are."""


class DownloadError(DataError):
    """No mirror sent a file of a named data set."""


class ModelError(IssunError):
    """A file is no issun model, or images do not fit the model."""


class HeadError(IssunError):
    """Nothing can be learnt from features, or a head cannot be what is asked of it.

    Parameters
    ----------
    message : str
    setting : str
        The head's setting that is wrong; empty where it is none of them.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        self.setting = setting
        super().__init__(message)


class StudyError(IssunError):
    """A study file cannot be used."""


class StudyBusyError(StudyError):
    """Another process is writing to the study."""


class StudyVersionError(StudyError):
    """The study was written by a newer version of issun."""


class StudyFileError(IssunError):
    """A TOML file that asks for studies cannot be read, or says something that cannot be; names the line and the key."""


class ExportError(IssunError):
    """A model cannot be written in another format, or a network of one cannot be read."""


class MismatchError(ExportError):
    """What was written in another format answers otherwise than the model; nothing of it is kept."""


class SelectionError(IssunError):
    """No network of the study meets the target or the budget."""


class EstimatorError(IssunError, ValueError):
    """Parameters or data of a scikit-learn estimator cannot be used; also a ValueError, which scikit-learn expects."""


class Cancelled(IssunError):
    """The work was stopped on request; what had been finished is kept."""
