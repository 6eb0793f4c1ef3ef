"""Kernels that can't be had: one sentence each, and no stranger's file is run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from roamlab.kernels import binary, choose
from roamlab.kernels.abilities import ABILITIES, modules_for, option
from roamlab.kernels.binary import Binary
from roamlab.kernels.choose import select
from roamlab.kernels.job import KernelMissing, NotAKernel, Unsupported
from roamlab.kernels.uml import UmlKernel


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KernelMissing, match="there is no UML binary"):
        select(str(tmp_path / "linux"))


def test_no_debian_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(KernelMissing, match="apt-get install user-mode-linux"):
        select("debian")


def test_a_program_that_is_not_uml_is_refused_and_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "linux"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    with pytest.raises(NotAKernel, match="not a User-Mode Linux binary"):
        select(str(trap))
    assert not (tmp_path / "ran").exists()


def test_an_elf_file_without_umls_words_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "linux"
    other.write_bytes(b"\x7fELF" + b"\0" * 100 + b"--showconfig")
    with pytest.raises(NotAKernel, match="not a User-Mode Linux binary"):
        select(str(other))


def test_a_uml_binary_that_does_not_run_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "linux"
    broken.write_bytes(b"\x7fELF" + b"\0".join(binary._MARKERS))
    with pytest.raises(NotAKernel, match=r"chmod \+x"):
        select(str(broken))
    broken.chmod(0o755)
    with pytest.raises(NotAKernel, match="does not run"):
        select(str(broken))


def keep(root: Path, version: str, variant: str = "", binary: bytes = b"whole") -> Path:
    """Put something into the cache that looks like a lab kernel."""
    name = f"{version}+{variant}" if variant else version
    directory = root / "roamlab" / "kernels" / f"{name}-0123456789ab"
    directory.mkdir(parents=True)
    names = ["key", "recipe", "source", "source_sha256", "config_sha256", "compiler"]
    metadata = dict.fromkeys(names, "") | {
        "version": version,
        "variant": variant,
        "patches": [],
        "build_s": 1.0,
    }
    metadata["binary_sha256"] = hashlib.sha256(b"whole").hexdigest()
    (directory / "kernel.json").write_text(json.dumps(metadata))
    (directory / "linux").write_bytes(binary)
    return directory / "linux"


def test_a_damaged_lab_kernel_is_no_default_and_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep(tmp_path, "7.3.4", binary=b"cut off")
    assert choose.lab_kernels() == []
    with pytest.raises(KernelMissing, match="damaged; build it again"):
        select("7.3.4")


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        ("6.1", "6.1.192"),
        ("6.1.176", "6.1.176"),
        ("6", "6.12.117"),
        ("6.1+asconf-lookup-delete", "6.1.192+asconf-lookup-delete"),
        ("asconf-lookup-delete", "6.1.192+asconf-lookup-delete"),
    ],
)
def test_a_series_chooses_its_newest_lab_kernel(
    choice: str, chosen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    paths = {version: keep(tmp_path, version) for version in ("6.1.176", "6.1.192", "6.12.117")}
    paths["6.1.192+asconf-lookup-delete"] = keep(tmp_path, "6.1.192", "asconf-lookup-delete")
    asked: list[Path] = []

    def looked_at(path: Path) -> Binary:
        asked.append(path)
        return made(chosen)

    monkeypatch.setattr(choose, "inspect", looked_at)
    select(choice)
    assert asked == [paths[chosen]]


def test_a_version_that_was_not_built_is_answered_with_the_command_that_builds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep(tmp_path, "6.12.117")
    with pytest.raises(
        KernelMissing, match=r"no such lab kernel .*; build it with `\./lab kernel --version 6\.1`"
    ):
        select("6.1")
    with pytest.raises(
        KernelMissing, match=r"`\./lab kernel --version 6\.12 --variant asconf-lookup-delete`"
    ):
        select("6.12+asconf-lookup-delete")
    with pytest.raises(KernelMissing, match=r"build it with `\./lab kernel --variant cookie-key`"):
        select("cookie-key")


def test_a_damaged_lab_kernel_is_named_and_what_runs_in_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep(tmp_path, "7.3.4").write_bytes(b"\x7fELF damaged")
    with pytest.raises(KernelMissing, match=r"lab kernel 7\.3\.4 in the cache is damaged; build it again"):
        select("uml")
    in_its_place = UmlKernel(made("6.1.90"))
    (said, *_) = choose.remarks(None, in_its_place)
    assert "the lab kernel 7.3.4 in the cache is damaged: this runs on Debian's kernel, in real time" in said


def test_a_missing_lab_kernel_is_said_where_no_other_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choose.sandbox, "bubblewrap", lambda: "/usr/bin/bwrap")
    in_its_place = UmlKernel(made("6.1.90"))
    (said,) = choose.remarks(None, in_its_place)
    assert f"no lab kernel is in the cache ({tmp_path}/roamlab/kernels)" in said
    assert choose.remarks("debian", in_its_place) == ()
    exact = UmlKernel(made("7.3.4", UML_TIME_TRAVEL_SUPPORT="y"))
    assert choose.remarks(None, exact) == ()


def test_a_word_that_is_no_kernel_is_answered_with_what_there_is() -> None:
    with pytest.raises(
        KernelMissing, match=r"there is no kernel 'nativ'; give `native`, .*`\./lab kernel --list`"
    ):
        select("nativ")


def made(version: str, modules: Path | None = None, **options: str) -> Binary:
    config = frozenset((f"CONFIG_{name}", value) for name, value in options.items())
    return Binary(Path("linux"), version, config, modules)


@pytest.mark.parametrize(
    ("version", "seccomp"), [("6.1.176", False), ("6.15.9", False), ("6.16", True), ("7.3.4", True)]
)
def test_seccomp_mode_came_with_6_16(version: str, seccomp: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary, "emulated", lambda: False)
    assert made(version).seccomp is seccomp


def test_a_module_is_an_ability_only_where_its_file_can_be(tmp_path: Path) -> None:
    assert made("6.1", IP_SCTP="m").abilities == frozenset()
    assert made("6.1", tmp_path, IP_SCTP="m", VETH="y").abilities == {"sctp", "veth"}


def test_time_travel_is_read_from_the_configuration() -> None:
    assert made("7.3", UML_TIME_TRAVEL_SUPPORT="y").time_travel
    assert not made("7.3", UML_TIME_TRAVEL_SUPPORT="n").time_travel


def test_sctp_loads_what_its_cookie_needs_first() -> None:
    modules = modules_for({"sctp", "veth"})
    assert modules.index("hmac") < modules.index("crc32c_generic") < modules.index("sctp")
    assert "veth" in modules
    assert len(set(modules)) == len(modules)


def test_every_ability_names_an_option() -> None:
    assert all(option(name).startswith("CONFIG_") for name in ABILITIES)
    assert option("teleport") == "teleport"


def test_unsupported_says_what_and_how_to_get_it() -> None:
    error = Unsupported("sctp", "CONFIG_IP_SCTP is not in it")
    assert str(error) == "this kernel lacks sctp: CONFIG_IP_SCTP is not in it"
