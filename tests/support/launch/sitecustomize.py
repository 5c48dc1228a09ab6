"""Run by Python as it starts, where a test put this folder on ``PYTHONPATH``: sets constants in the worker that a server starts.

``TEST_WORKER_CONSTANTS`` names them: a module's constant and its value, or a module's class and what other defaults its
``__init__`` shall have.
"""

import importlib
import json
import os
import sys
from collections.abc import Mapping
from types import FunctionType


def set_constant(name: str, value: object) -> None:
    """Set a constant, or defaults; one that is not there ends the process."""
    place, _, constant = name.rpartition(".")
    module = importlib.import_module(place)
    if not hasattr(module, constant):
        raise SystemExit(f"There is no {name}.")
    if isinstance(value, dict):
        set_defaults(getattr(module, constant).__init__, value)
    else:
        setattr(module, constant, value)


def set_defaults(function: FunctionType, wanted: Mapping[str, object]) -> None:
    """Give a function other defaults."""
    values, code = function.__defaults__ or (), function.__code__
    by_place = dict(zip(code.co_varnames[code.co_argcount - len(values) : code.co_argcount], values, strict=True))
    by_name = function.__kwdefaults__ or {}
    if not wanted.keys() <= by_place.keys() | by_name.keys():
        raise SystemExit(f"{function.__qualname__} has not all of {sorted(wanted)}.")
    function.__defaults__ = tuple(wanted.get(name, value) for name, value in by_place.items())
    function.__kwdefaults__ = {name: wanted.get(name, value) for name, value in by_name.items()}


if "worker" in sys.orig_argv:
    for name, value in json.loads(os.environ["TEST_WORKER_CONSTANTS"]).items():
        set_constant(name, value)
