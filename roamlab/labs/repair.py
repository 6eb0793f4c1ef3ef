"""A patch for the kernel that was handed in: what it may touch, and the kernel that it makes.

Whoever writes a kernel writes what its guest records, so that a patch is the one thing handed in that could say anything.
Therefore it is short, touches SCTP alone, and is shown to the teacher. The compiler reads it outside of any guest: directives
that would have it read files or run anything are refused.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from roamlab.errors import BadInput
from roamlab.kernels import build
from roamlab.kernels.build import BuildError
from roamlab.kernels.choose import select
from roamlab.kernels.job import Kernel

MOST_LINES: Final = 60
"""Lines that a patch may add."""
_TARGET: Final = re.compile(r"^(?:---|\+\+\+) (?:[ab]/)?(\S+)", re.MULTILINE)
_PLACES: Final = re.compile(r"(net/sctp|include/net/sctp)/[a-z0-9_]+\.[ch]")
_FORBIDDEN: Final = re.compile(r"#|%:|\?\?=|asm|_Pragma|incbin")
_OTHER_FILES: Final = re.compile(
    r"^(rename|copy|new file|deleted file|old mode|new mode|GIT binary|Index:)", re.MULTILINE
)


def checked(content: bytes) -> str:
    """The patch as text. Raises BadInput where it is none, or does what no repair needs."""
    try:
        text = content.decode()
    except ValueError as error:
        raise BadInput(f"the patch is no text: {error}") from None
    targets = _TARGET.findall(text)
    added = [line[1:] for line in text.splitlines() if line.startswith("+") and not line.startswith("+++")]
    if not targets or not re.search(r"^@@ ", text, re.MULTILINE):
        raise BadInput("the patch changes nothing; make it with `diff -u` or `git diff`")
    if other := _OTHER_FILES.search(text):
        raise BadInput(f"the patch may change files and nothing else, not {other[0]}")
    for target in targets:
        if not _PLACES.fullmatch(target):
            raise BadInput(
                f"the patch touches {target[:80]}; it may touch files of net/sctp and include/net/sctp"
            )
    if len(added) > MOST_LINES:
        raise BadInput(f"the patch adds {len(added)} lines; a repair needs no more than {MOST_LINES}")
    for line in added:
        if _FORBIDDEN.search(line):
            raise BadInput(
                f"the patch adds {line.strip()[:60]!r}; a repair needs neither directives nor assembler"
            )
    return text


def kernel(content: bytes, on_step: Callable[[str], None]) -> Kernel:
    """The lab kernel with a patch. Raises BadInput where the patch is refused, does not fit or does not compile."""
    text = checked(content)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "repair.patch"
        file.write_text(text)
        try:
            made = build.build_patched(file, on_progress=lambda step, _: on_step(f"roamlab: step {step}"))
        except BuildError as error:
            raise BadInput(f"no kernel comes of the patch: {error}") from None
    return select(str(made))
