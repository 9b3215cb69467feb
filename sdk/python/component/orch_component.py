"""What the worlds' bindings share. Read by componentize-py only."""

import functools
import inspect
import json
import traceback

# Imported while the component is made: what it imports is then in its memory from the start.
import datetime  # noqa: F401

from componentize_py_types import Err
from orch_sdk import log
from orch_sdk.csi import Failure
from wit_world.imports import log as wit_log

try:
    from wit_world.imports import interests
except ImportError:  # a world without interests: cni
    interests = None


def _write(level, message):
    wit_log.write(wit_log.Level[level.upper()], message)


log.sink = _write


def named(enum, name):
    """The case of a WIT enum or flags by its name in WIT."""
    return enum[name.replace("-", "_").upper()]


def json_of(text):
    return json.loads(text)


def interests_of(found):
    return [interests.Interest(one.api_version, one.kind, list(one.fields)) for one in found]


def guarded(function, answer):
    """An exception becomes an answer the host can show. With `describe`, which has no such answer, it
    is logged and ends the instance."""

    @functools.wraps(function)
    def wrapper(*arguments):
        try:
            return function(*arguments)
        except Err:
            raise
        except Exception as error:
            text = str(error) or type(error).__name__
            if type(error) not in EXPECTED:
                log.error(traceback.format_exc())
                text = f"{type(error).__name__}: {error}"
            if function.__name__ in UNANSWERED:
                log.error(f"{function.__name__}: {text}")
                raise
            raise Err(answer(function.__name__, error, text)) from None

    return wrapper


#: Errors that speak for themselves.
EXPECTED = {ValueError, RuntimeError, Failure}
#: Functions whose error is no string.
UNANSWERED = {"describe", "keys", "review"}


class Guarded:
    """Every public function of a subclass is `guarded`."""

    @staticmethod
    def answer(function, error, text):
        """What a function answers for an exception."""
        return text

    def __init_subclass__(cls):
        for name, function in list(vars(cls).items()):
            if inspect.isfunction(function) and not name.startswith("_"):
                setattr(cls, name, guarded(function, cls.answer))
