"""Building and keeping lab kernels: the cache, its lock, interrupted builds, and what a build refuses.

Builds here run the real build against a source whose Makefile compiles nothing: what is tested is everything around the
compiler. tests/uml/test_lab_kernel.py looks at a kernel that was really built.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from roamlab.kernels.build import (
    BuildError,
    boot,
    build,
    build_all,
    cached,
    kernels_dir,
    list_built,
    recipes,
    remove,
    sources,
    store,
    tools,
)
from roamlab.kernels.build.recipes import PATCHES, asked, missing, recipe, variants
from roamlab.kernels.build.tools import packages_missing

ABSENT = [tool for tool in ("make", "tar", "patch", "strip") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"needs {', '.join(ABSENT)}")

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0
WHOLE = recipe("7.3.4").config + recipe("7.3.4").older

# Stands for a kernel's Makefile: takes its configuration as it was asked for, and says when it compiles. Its kernel is a
# program of this machine.
MAKEFILE = """VERSION = 7
PATCHLEVEL = 99
SUBLEVEL = {sublevel}
allnoconfig:
\tgrep -v CONFIG_{refused} $(KCONFIG_ALLCONFIG) > $(O)/.config
linux:
\techo began >> {log}
\t@echo '  CC      init/main.o'
\t{compile}
\tcp /bin/true $(O)/linux
"""
# A build in a process of its own, with what needs a kernel left out.
BUILD = """
import sys
from pathlib import Path
from roamlab.kernels.build import boot, build, recipes, tools
recipes.ALWAYS = ()
tools.packages_missing = list
boot.check = lambda binary, version: None
print(build(source=Path(sys.argv[1]), on_progress=lambda phase, done: print(phase, flush=True)))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory of the test's own, and a machine with all that a build needs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Nothing here is really compiled, and no test may install a compiler.
    monkeypatch.setattr(tools, "packages_missing", list)
    return kernels_dir()


@pytest.fixture
def no_kernel_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build without the patches and without booting the result."""
    monkeypatch.setattr(recipes, "ALWAYS", ())
    monkeypatch.setattr(boot, "check", lambda _binary, _version: None)


@pytest.fixture
def make_source(tmp_path: Path) -> Callable[..., Path]:
    """Make a tarball that unpacks to something like a kernel's source; tmp_path/log has a line for each compilation."""

    def make(compile_with: str = "true", refused: str = "NOTHING", sublevel: int = 1) -> Path:
        top = tmp_path / "linux"
        (top / "arch/um").mkdir(parents=True, exist_ok=True)
        (top / "arch/um/Kconfig").write_text("config HZ\n")
        text = MAKEFILE.format(compile=compile_with, refused=refused, sublevel=sublevel, log=tmp_path / "log")
        (top / "Makefile").write_text(text)
        tarball = tmp_path / f"linux-{sublevel}.tar"
        with tarfile.open(tarball, "w") as tar:
            tar.add(top, arcname="linux")
        return tarball

    return make


def start_build(tarball: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILD, str(tarball)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def compilations(tmp_path: Path) -> int:
    log = tmp_path / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def under_way(cache: Path) -> list[Path]:
    return list(cache.glob(".building-*"))


# -- what a kernel is made of


def test_every_line_of_the_configuration_is_an_option_a_comment_or_nothing() -> None:
    for line in WHOLE.splitlines():
        assert not line or line.startswith("# ") or asked(line), line


def test_no_option_is_asked_for_twice() -> None:
    options = [next(iter(asked(line))) for line in WHOLE.splitlines() if asked(line)]
    assert len(options) == len(set(options))


def test_an_option_that_did_not_come_about_is_named_with_its_value() -> None:
    got = asked("CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n")
    wanted = "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n# CONFIG_D is not set\n"
    assert missing(wanted, got) == ["CONFIG_B=y", "CONFIG_C=y"]


def test_an_option_that_came_about_against_the_wish_is_named() -> None:
    assert missing("# CONFIG_MODULES is not set\n", {"CONFIG_MODULES": "y"}) == ["CONFIG_MODULES=n"]


@pytest.mark.parametrize("version", ["six", "", "7.", "7.3.4.5", "../7"])
def test_a_version_that_is_none_is_refused(version: str) -> None:
    with pytest.raises(BuildError, match="is not a kernel version"):
        build(version)


def test_an_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BuildError, match="asconf-lookup-delete"):
        build(variant="faster")


def test_a_variant_applies_after_the_patches_of_every_lab_kernel() -> None:
    made_of = recipe("7.3.4", "asconf-lookup-delete")
    always = ["hz-1000", "seeded-random", "busy-time"]
    assert [patch.stem for patch in made_of.patches] == [*always, "asconf-lookup-delete"]


def test_the_patches_of_every_lab_kernel_are_no_variants_and_touch_no_networking() -> None:
    assert not set(recipes.ALWAYS) & set(variants())
    for patch in recipe("7.3.4").patches + recipe("6.1.192").patches:
        touched = [line.split()[1] for line in patch.read_text().splitlines() if line.startswith("+++ ")]
        assert touched
        assert all(
            file.startswith(("b/arch/um/", "b/arch/x86/um/", "b/drivers/char/random.c")) for file in touched
        )


def test_a_patch_made_for_a_series_goes_before_the_common_one() -> None:
    assert PATCHES / "6.1/seeded-random.patch" in recipe("6.1.192").patches
    assert PATCHES / "seeded-random.patch" in recipe("6.12.117").patches


@pytest.mark.parametrize("version", ["6.1.192", "6.12.117", "7.3.4"])
def test_every_lab_kernel_is_asked_for_what_boots_it_and_for_nothing_that_hangs_it(version: str) -> None:
    wanted = asked(recipe(version).config)
    for name in (
        "HOSTFS",
        "BINFMT_ELF",
        "BINFMT_SCRIPT",
        "UML_TIME_TRAVEL_SUPPORT",
        "DEVTMPFS",
        "MAGIC_SYSRQ",
    ):
        assert wanted[f"CONFIG_{name}"] == "y", name
    assert wanted["CONFIG_CRYPTO_JITTERENTROPY"] == "n"
    assert not {"CONFIG_INET_ESP", "CONFIG_INET6_ESP"} & set(wanted)


@pytest.mark.parametrize(
    ("version", "seccomp"), [("6.1.192", False), ("6.12.117", False), ("6.16", True), ("7.3.4", True)]
)
def test_a_check_boots_a_kernel_without_a_device_and_in_the_mode_it_has(
    version: str, seccomp: bool, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    told.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    told.chmod(0o755)
    words = boot.run(told, boot.virtual_time(version, 7), "").splitlines()
    # The device that UML names where nobody does is more than kernels before 6.5 can bear (roamlab/kernels/uml.py).
    assert {"root=none", "rootfstype=hostfs", "time-travel=inf-cpu", "roamlab.seed=7"} <= set(words)
    assert ("seccomp=on" in words) is seccomp


def test_kernels_differ_by_source_variant_version_configuration_and_patches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = recipe("7.3.4")
    keys = [
        plain.key("a"),
        plain.key("b"),
        recipe("7.3.4", "asconf-lookup-delete").key("a"),
        recipe("6.1").key("a"),
    ]
    shutil.copytree(PATCHES, tmp_path / "patches")
    monkeypatch.setattr(recipes, "PATCHES", tmp_path / "patches")
    assert recipe("7.3.4").key("a") == plain.key("a")
    with (tmp_path / "patches/hz-1000.patch").open("a") as patch:
        patch.write("\n")
    keys.append(recipe("7.3.4").key("a"))
    monkeypatch.setattr(recipes, "_compiler", lambda: "another")
    keys.append(recipe("7.3.4").key("a"))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("version", "wanted", "is_it"),
    [("7.3.4", "7", True), ("7.3.4", "7.3", True), ("7.3.4", "7.30", False), ("6.12.117-1~deb12u1", "6.12", True),
     ("6.12.1", "6.1", False), ("7.3.4", "", True)],
)  # fmt: skip
def test_a_version_is_asked_for_by_as_many_of_its_numbers_as_matter(
    version: str, wanted: str, is_it: bool
) -> None:
    assert store.matches(version, wanted) is is_it


# -- the cache


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_built_kernel_is_found_again_and_not_built_again(
    make_source: Callable[..., Path], tmp_path: Path
) -> None:
    tarball = make_source()
    first = build(source=tarball)
    assert build(source=tarball) == first
    found = cached()
    assert found is not None
    assert (found.path, found.name, found.intact) == (first, "7.99.1", True)
    assert compilations(tmp_path) == 1


@pytest.fixture
def variant_of_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A single variant, whose patch fits the sources made here."""
    patch = "says otherwise\n\n--- a/arch/um/Kconfig\n+++ b/arch/um/Kconfig\n@@ -1 +1 @@\n-config HZ\n+config OTHER\n"
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches/otherwise.patch").write_text(patch)
    monkeypatch.setattr(recipes, "PATCHES", tmp_path / "patches")
    return "otherwise"


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_kernel_and_its_variants_are_made_in_one_tree_each_with_its_own_patch(
    make_source: Callable[..., Path], tmp_path: Path, variant_of_test: str
) -> None:
    tarball = make_source(
        f"cat arch/um/Kconfig >> {tmp_path}/compiled; touch $(O)/kept; ls $(O) >> {tmp_path}/objects"
    )
    plain, variant = build_all(source=tarball)
    assert [kernel.name for kernel in list_built()] == ["7.99.1", f"7.99.1+{variant_of_test}"]
    assert [kernel.path for kernel in list_built()] == [plain, variant]
    assert (tmp_path / "compiled").read_text() == "config HZ\nconfig OTHER\n"
    assert (tmp_path / "objects").read_text().split().count("asked.config") == 2
    assert all((kernel.directory / store.CONFIG).is_file() for kernel in list_built())


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_variant_that_is_missing_is_built_alone(
    make_source: Callable[..., Path], tmp_path: Path, variant_of_test: str
) -> None:
    tarball = make_source(f"cat arch/um/Kconfig >> {tmp_path}/compiled")
    plain = build(source=tarball)
    assert build_all(source=tarball) == [plain, build(variant=variant_of_test)]
    assert (tmp_path / "compiled").read_text() == "config HZ\nconfig OTHER\n"


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_compiler_that_the_build_itself_installs_is_the_one_that_the_kernel_is_known_by(
    make_source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "bin/gcc"
    path = os.environ["PATH"]

    def install(_: object) -> None:
        installed.parent.mkdir()
        installed.write_text("#!/bin/sh\necho gcc of the test\n")
        installed.chmod(0o755)
        monkeypatch.setenv("PATH", f"{installed.parent}:{path}")

    recipes._named_compiler.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(tools, "install_missing", install)
    tarball = make_source()
    built = build(source=tarball)
    assert [kernel.metadata.compiler for kernel in list_built()] == ["gcc of the test"]
    assert build("7") == built
    assert compilations(tmp_path) == 1
    recipes._named_compiler.cache_clear()


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_cached_kernel_is_used_without_looking_for_a_source(
    make_source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build(source=make_source())
    monkeypatch.setattr(sources, "fetch", lambda *_: pytest.fail("looked for a source"))
    assert build("7") == path


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_corrupted_kernel_is_not_taken_and_is_built_again(
    make_source: Callable[..., Path], tmp_path: Path
) -> None:
    tarball = make_source()
    path = build(source=tarball)
    with path.open("r+b") as binary:
        binary.seek(100)
        binary.write(b"\xff")
    assert cached() is None
    assert [kernel.intact for kernel in list_built()] == [False]
    assert build(source=tarball) == path
    assert cached() is not None
    assert compilations(tmp_path) == 2


@pytest.mark.usefixtures("no_kernel_needed")
@pytest.mark.parametrize("damage", [b"", b"{", b'{"version": 7}'])
def test_a_kernel_without_readable_metadata_is_none_and_is_cleared_away(
    make_source: Callable[..., Path], cache: Path, damage: bytes
) -> None:
    tarball = make_source()
    directory = build(source=tarball).parent
    (directory / store.METADATA).write_bytes(damage)
    (directory / "left").touch()
    assert list_built() == []
    assert build(source=tarball).parent == directory
    assert not (directory / "left").exists()


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_kernel_made_of_other_patches_replaces_the_one_of_its_name(
    make_source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tarball = make_source()
    before = build(source=tarball)
    monkeypatch.setattr(recipes, "_compiler", lambda: "another")
    after = build(source=tarball)
    assert before != after
    assert [kernel.path for kernel in list_built()] == [after]


@pytest.mark.usefixtures("no_kernel_needed")
def test_the_newest_version_comes_first(make_source: Callable[..., Path]) -> None:
    for sublevel in (9, 10, 2):
        build(source=make_source(sublevel=sublevel))
    assert [kernel.name for kernel in list_built()] == ["7.99.10", "7.99.9", "7.99.2"]


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_removed_kernel_is_gone_and_so_is_the_package_that_only_it_was_built_from(
    make_source: Callable[..., Path], cache: Path
) -> None:
    kept = cache / "sources"
    kept.mkdir(parents=True)
    for sublevel in (1, 2):
        tarball = make_source(sublevel=sublevel)
        build(source=tarball)
        shutil.copy(tarball, kept / f"linux-source-{sublevel}.deb")
    assert [kernel.name for kernel in remove("7.99.1")] == ["7.99.1"]
    assert [kernel.name for kernel in list_built()] == ["7.99.2"]
    assert [package.name for package in kept.iterdir()] == ["linux-source-2.deb"]


def test_removing_what_is_not_there_names_what_is(cache: Path) -> None:
    with pytest.raises(BuildError, match=r"no lab kernel '7.99.1'; there are: none"):
        remove("7.99.1")


def test_a_cache_that_cannot_be_written_is_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BuildError, match="cannot be written"):
        build(source=tmp_path / "any")


# -- builds that end early


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_leaves_nothing(
    by: signal.Signals, make_source: Callable[..., Path], cache: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "compiler"
    tarball = make_source(f"echo $$$$ > {marker}; sleep 60; echo never >> {tmp_path / 'log'}")
    with start_build(tarball) as process:
        wait_for(lambda: marker.exists() and marker.read_text() != "")
        assert len(under_way(cache)) == 1
        process.send_signal(by)
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert under_way(cache) == []
    assert list_built() == []
    wait_for(lambda: not running(int(marker.read_text())))


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.usefixtures("no_kernel_needed")
def test_what_a_killed_build_left_is_never_taken_and_the_next_build_removes_it(
    make_source: Callable[..., Path], cache: Path, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    tarball = make_source(f"while [ -e {hold} ]; do sleep 0.01; done")
    with start_build(tarball) as process:
        wait_for(lambda: compilations(tmp_path) == 1)
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    hold.unlink()
    left = under_way(cache)
    assert len(left) == 1
    assert list_built() == []
    assert cached() is None
    path = build(source=tarball)
    assert not left[0].exists()
    assert [kernel.path for kernel in list_built()] == [path]


def test_of_two_builds_at_once_the_second_waits_and_uses_the_first_ones_result(
    make_source: Callable[..., Path], tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    tarball = make_source(f"while [ -e {hold} ]; do sleep 0.01; done")
    with start_build(tarball) as first:
        wait_for(lambda: compilations(tmp_path) == 1)
        with start_build(tarball) as second:
            assert second.stdout is not None
            assert second.stdout.readline() == "waiting for another build to end\n"
            hold.unlink()
            results = [
                process.communicate(timeout=PATIENCE_S)[0].splitlines()[-1] for process in (first, second)
            ]
    assert (first.returncode, second.returncode) == (0, 0)
    assert results[0] == results[1]
    assert compilations(tmp_path) == 1


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_kernel_that_fails_its_boot_check_is_not_taken(
    make_source: Callable[..., Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent.parent))
    monkeypatch.setattr(tools, "packages_missing", list)
    monkeypatch.setattr(recipes, "ALWAYS", ())
    with pytest.raises(BuildError, match="does not boot"):
        build(source=make_source())
    assert list_built() == []
    assert under_way(cache) == []


@pytest.mark.usefixtures("no_kernel_needed")
def test_a_compiler_that_fails_is_quoted(make_source: Callable[..., Path], cache: Path) -> None:
    with pytest.raises(BuildError, match=r"does not compile:\n(.*\n)*no such register"):
        build(source=make_source("echo no such register; false"))
    assert under_way(cache) == []


@pytest.mark.usefixtures("no_kernel_needed")
def test_an_option_that_the_source_refuses_is_named(make_source: Callable[..., Path]) -> None:
    with pytest.raises(BuildError, match=r"refuses CONFIG_IP_SCTP=y:"):
        build(source=make_source(refused="IP_SCTP"))


def test_a_patch_that_does_not_fit_is_named(make_source: Callable[..., Path]) -> None:
    with pytest.raises(BuildError, match="the patch hz-1000 does not fit this source"):
        build(source=make_source())


def test_a_source_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="there is no file"):
        build(source=tmp_path / "absent.tar.xz")
    (tmp_path / "junk.tar.xz").write_bytes(os.urandom(1000))
    with pytest.raises(BuildError, match="damaged"):
        build(source=tmp_path / "junk.tar.xz")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(__file__, arcname="other/readme")
    with pytest.raises(BuildError, match="holds no kernel source"):
        build(source=tmp_path / "other.tar")


# -- what a build needs of the machine


def test_a_missing_tool_is_named_by_the_package_that_has_it() -> None:
    needed = {"sh": "dash", "no-such-tool": "some-package", "/no/such/header.h": "some-headers"}
    assert packages_missing(needed) == ["some-package", "some-headers"]


def test_who_may_not_install_is_told_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "packages_missing", lambda: ["flex", "bison"])
    monkeypatch.setattr(tools, "_may", lambda: None)
    with pytest.raises(BuildError, match="sudo apt-get install -y --no-install-recommends flex bison"):
        tools.install_missing(lambda _packages: None)


def test_too_little_room_on_the_disk_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"needs \d+\.\d GiB under .*make room"):
        tools.check_room(tmp_path, needed=1 << 62)


def test_what_is_no_kernel_in_the_cache_is_left_alone(tmp_path: Path) -> None:
    for name in (
        "mine",
        "7.3.4-0123456789ab",
        ".building-x",
        "7.3.4+cookie-key-0123456789ac",
        "7.3.4-0123456789ad",
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "mine" / "linux").touch()
    (tmp_path / "7.3.4-0123456789ab" / "notes").touch()
    (tmp_path / "7.3.4-0123456789ad" / "linux").touch()
    (tmp_path / "linked-0123456789ae").symlink_to(tmp_path / "7.3.4-0123456789ad")
    gone = {".building-x", "7.3.4+cookie-key-0123456789ac", "7.3.4-0123456789ad"}
    assert set(store.sweep(tmp_path)) == gone
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "7.3.4-0123456789ab", "linked-0123456789ae"}
