"""Policies for orch in Python: scheduling, admission, controllers, networks.

A plugin is a class in `plugin.py` that derives from the base class of its world and is marked with
`@export`. `orch plugin build` makes a component of it; plain `unittest` or `pytest` runs it as it is.
"""

from . import log
from .interest import Interest
from .plugin import export, exported

__all__ = ["Interest", "export", "exported", "log"]
