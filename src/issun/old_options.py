"""Old options of commands, which work for one more version and print what took their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from issun.errors import IssunError

#: Old options of commands without a value of another kind, and the new ones.
_OPTIONS = {"--average": "--ema-decay", "--before": "--pre-activation"}

#: What `--keep` took, and what takes its place.
_KEEP = {"best": ("--restore-best-weights",), "last": ()}


def new_options(arguments: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """Return a command's arguments with new options in place of old ones; `say` is called with one line for each that was replaced.

    Raises
    ------
    IssunError
        Where an old option is given together with the new one, or has a value that it never had.
    """
    found: list[str] = []
    given = {argument.partition("=")[0] for argument in arguments}
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--":
            return [*found, argument, *rest]
        new = _OPTIONS.get(name, "--restore-best-weights" if name == "--keep" else None)
        if new in given:
            raise IssunError(f"{name} is the old name of {new}: give {new} alone")
        if name in _OPTIONS:
            found.append(_OPTIONS[name] + equals + value)
            say(f"{name} is now {_OPTIONS[name]}; the old option will be gone in the next version")
        elif name == "--keep":
            value = value if equals else next(rest, "")
            if value not in _KEEP:
                raise IssunError(f"--keep (={value}) must be best or last; --restore-best-weights took the place of --keep best")
            found += _KEEP[value]
            instead = "leave it out, which keeps the last epoch's weights" if value == "last" else "--restore-best-weights"
            say(f"--keep {value} is now {instead}; the old option will be gone in the next version")
        elif name == "--set" and not equals:
            found += [argument, *(_new_setting(text, say) for text in (next(rest, None),) if text is not None)]
        elif name == "--set":
            found.append(f"--set={_new_setting(value, say)}")
        else:
            found.append(argument)
    return found


def _new_setting(text: str, say: Callable[[str], None]) -> str:
    """Return ``NAME=VALUE`` of ``--set`` with the new name of a recipe's setting."""
    name, equals, value = text.partition("=")
    if "." in name or not equals:
        return text  # the setting of a head
    from issun.recipe import STORED_NAMES  # here: a command without --set needs none of it

    new = {old: new for new, old in STORED_NAMES.items()}.get(name.strip().replace("-", "_"))
    if new is None:
        return text
    say(f"--set {name} is now --set {new}; the old name will be gone in the next version")
    if new == "restore_best_weights":
        value = {"best": "true", "last": "false"}.get(value.strip(), value)
    return f"{new}={value}"
