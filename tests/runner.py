"""A machine like a CI runner: plays a GitHub Action's or a GitLab job's steps as an unprivileged user with little around.

No user namespaces, mounts or fixed addresses, no sudo, a small /dev/shm, another home directory. Only what a CI system itself
does is done here: names in ``${{ }}`` or ``$NAME`` are filled in, steps run one after the other, and what they write to
GITHUB_OUTPUT is read. Steps that use another action (``uses:``) are left out, and told.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.elsewhere import DENIED

_NAME = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
_BARE = """mount -t tmpfs -o size=64k,mode=1777 none /dev/shm
for sudo in /usr/bin/sudo /bin/bwrap /usr/bin/bwrap; do [ ! -e $sudo ] || mount --bind /dev/null $sudo; done
exec "$@" """
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@dataclass
class Runner:
    """A home, a workspace and a temporary directory below ``place``, which the user nobody can reach and owns."""

    place: Path
    used: list[str] = field(default_factory=list)
    """The actions that steps would have used."""

    def __post_init__(self) -> None:
        for name in ("home", "work", "temp"):
            (self.place / name).mkdir()
        self.own(self.place)

    def own(self, path: Path) -> None:
        """Give a tree to the runner's user."""
        subprocess.run(["chown", "-R", "65534:65534", str(path)], check=True)

    @property
    def work(self) -> Path:
        """Where steps run: the user's checkout."""
        return self.place / "work"

    def step(self, script: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a step's script as a runner does, in bash."""
        file = self.place / "temp" / "step.sh"
        file.write_text(script)
        shell: Sequence[str] = ("bash", "--noprofile", "--norc", "-eo", "pipefail", str(file))
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.place / "home"),
            "TMPDIR": str(self.place / "temp"),
            "CI": "true",
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
            **variables,
        }
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", _BARE, "sh", *DENIED, *_NOBODY, *shell],
            cwd=self.work,
            env=environment,
            capture_output=True,
            text=True,
        )

    def action(
        self, path: Path, inputs: Mapping[str, str]
    ) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
        """Play the composite action in a folder; gives the last step that ran, and the action's outputs."""
        action = yaml.safe_load((path / "action.yml").read_text())
        values = {f"inputs.{name}": str(each.get("default", "")) for name, each in action["inputs"].items()}
        values |= {f"inputs.{name}": value for name, value in inputs.items()}
        values["runner.temp"] = str(self.place / "temp")
        summary, last = self.place / "temp" / "summary.md", None
        for step in action["runs"]["steps"]:
            failed = last is not None and last.returncode != 0
            if failed and "cancelled()" not in step.get("if", ""):
                continue
            if "uses" in step:
                self.used.append(step["uses"])
                continue
            output = self.place / "temp" / "output"
            output.write_text("")
            summary.touch()
            self.own(self.place / "temp")
            variables = {name: filled(text, values) for name, text in step.get("env", {}).items()}
            variables |= {"GITHUB_ACTION_PATH": str(path), "GITHUB_OUTPUT": str(output)}
            variables |= {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": str(self.work)}
            last = self.step(filled(step["run"], values), variables)
            for line in output.read_text().splitlines():
                name, _, value = line.partition("=")
                values[f"steps.{step['id']}.outputs.{name}"] = value
        assert last is not None
        outputs = {
            name: filled(each["value"], values, missing="") for name, each in action["outputs"].items()
        }
        return last, outputs

    def gitlab(
        self, job: Mapping[str, Any], variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Play a GitLab job's script: its lines in one shell, with its variables and those that GitLab sets."""
        known = {"CI_PROJECT_DIR": str(self.work), **variables}
        own = {
            name: re.sub(r"\$(\w+)", lambda found: known[found[1]], value)
            for name, value in job["variables"].items()
            if name not in variables
        }
        return self.step("\n".join(job["script"]), {**known, **own})


def filled(text: str, values: Mapping[str, str], missing: str | None = None) -> str:
    """A text with its ``${{ name }}`` replaced; a name that is not known is an error, unless ``missing`` stands for it."""
    return _NAME.sub(
        lambda found: values[found[1]] if missing is None else values.get(found[1], missing), text
    )
