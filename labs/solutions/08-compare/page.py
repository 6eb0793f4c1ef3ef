"""Turn what `./lab matrix --json` prints into lines of the page of results: python page.py < matrix.json."""

import json
import sys


def _cell(value: float | None, verdict: str) -> str:
    return "-" if value is None or verdict != "survived" else f"{value:.3f}"


print("| session | move | verdict | up | down |\n|---|---|---|---|---|")
for cell in json.load(sys.stdin)["cells"]:
    up, down = (_cell(cell[way]["median"], cell["verdict"]) for way in ("up", "down"))
    print(f"| {cell['session']} | {cell['move']} | {cell['verdict']} | {up} | {down} |")
