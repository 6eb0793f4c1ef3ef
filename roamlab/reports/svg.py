"""SVG as text, every value escaped: what stands in a capture can be a label and nothing else."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def printable(words: str) -> str:
    """Words without what XML cannot hold."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", words)


SIGN: Final = 'data-made-by="roamlab"'
"""What every picture file of ours has near its start."""


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def element(name: str, *children: Markup | str, **attributes: float | str | None) -> Markup:
    """An element. Attributes whose value is None are left out; ``class_`` is ``class``, ``_`` in a name is ``-``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(_text(child) for child in children)
    return Markup(f"<{name}{written}>{body}</{name}>" if body else f"<{name}{written}/>")  # noqa: S704


def text(x: float, y: float, words: str, **attributes: float | str | None) -> Markup:
    """Words at a place."""
    return element("text", words, x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: float | str | None) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def picture(width: float, height: float, title: str, style: str, *children: Markup) -> str:
    """A file of its own: with its size, its title for who cannot see it, and its style."""
    head = (element("title", title), element("style", Markup(style)))  # noqa: S704 - our own style sheet
    return (
        str(
            element(
                "svg",
                *head,
                *children,
                data_made_by="roamlab",
                xmlns="http://www.w3.org/2000/svg",
                viewBox=f"0 0 {number(width)} {number(height)}",
                width=number(width),
                height=number(height),
                role="img",
            )
        )
        + "\n"
    )


def _text(value: float | str) -> str:
    if isinstance(value, float | int):
        return number(float(value))
    if isinstance(value, Markup):
        return str(value)
    return str(escape(printable(value)))
