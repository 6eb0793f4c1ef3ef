"""Imports without what nobody uses: inside a guest, importing is most of the time before the first packet.

pyroute2's package imports all of its parts, of which we use the message classes of rtnetlink; Mininet imports distutils, in
whose place setuptools puts its own, which imports half of setuptools.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from importlib.machinery import PathFinder
from importlib.util import module_from_spec


def lean() -> None:
    """Have pyroute2 import only the submodules that are asked for, and distutils be the standard library's where it has one.

    To be called before either is imported, by a program that uses ``pyroute2.SUBMODULE`` names alone.
    """
    spec = PathFinder.find_spec("pyroute2")
    if spec is not None and "pyroute2" not in sys.modules:
        sys.modules["pyroute2"] = module_from_spec(spec)  # not executed: __path__ is all that submodules need
    if sys.version_info < (3, 12):
        sys.meta_path[:] = [
            finder for finder in sys.meta_path if type(finder).__name__ != "DistutilsMetaFinder"
        ]
    else:
        with suppress(ImportError):  # what setuptools' .pth file does where one is read
            importlib.import_module("_distutils_hack").add_shim()
