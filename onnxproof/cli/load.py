"""Objects that a user names on the command line: `my_models.py:my_case` or `package.module:name`."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from onnxproof._internal.files import is_own, short
from onnxproof._internal.names import suggestion
from onnxproof._internal.texts import one_line
from onnxproof.case import CaseError
from onnxproof.cli.error import CommandError

Made = TypeVar("Made")


def load(text: str) -> Any:
    """What `file.py:name` or `package.module:name` names. Raises `CommandError`."""
    place, colon, name = text.rpartition(":")
    if not (colon and place.strip(".") and name):
        raise CommandError(f"{text}: write my_models.py:my_case or package.module:name")
    module = load_module(place)
    if not hasattr(module, name):
        raise CommandError(f"{place} has no {name!r}{suggestion(name, dir(module))}")
    return getattr(module, name)


def load_module(place: str) -> ModuleType:
    """The module that `file.py` or `package.module` names. Raises `CommandError`."""
    return of_the_user(place, lambda: _module(place))


def of_the_user(text: str, call: Callable[[], Made]) -> Made:
    """The result of a call into the user's code, whose errors become a `CommandError` with their place.

    `CaseError` stays what it is.
    """
    try:
        return call()
    except (CommandError, CaseError):
        raise
    except (Exception, SystemExit) as error:  # a script that exits would end the command as if every check held
        raise CommandError(f"{text} raised {_where(error)}") from error


def require_no_arguments(text: str, function: Callable[..., Made]) -> Callable[[], Made]:
    """The function, if it can be called without arguments. Raises `CommandError`."""
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise CommandError(f"{text} is called without arguments: {error}") from error
    return function


def _module(place: str) -> ModuleType:
    try:
        if not place.endswith(".py") and Path(place).is_file():
            raise CommandError(f"{place}: not a Python file; write my_models.py:my_case or package.module:name")
        if not place.endswith(".py"):
            sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(place)
        path = Path(place)
        if not path.is_file():
            near = suggestion(path.name, (file.name for file in path.parent.glob("*.py")))
            raise CommandError(f"{place}: no such file{near}")
        sys.path.insert(0, str(path.parent.resolve()))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise CommandError(f"{place}: not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        raise CommandError(f"{place}: no module named {error.name!r}") from error
    return module


def _where(error: BaseException) -> str:
    """An error in the user's code, in one line."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({short(str(error.filename))}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((each for each in reversed(frames) if _is_of_the_user(Path(each.filename))), frames[-1])
    return f"{type(error).__name__}: {one_line(error)} ({short(frame.filename)}:{frame.lineno})"


def _is_of_the_user(file: Path) -> bool:
    return not is_own(file) and "site-packages" not in file.parts
