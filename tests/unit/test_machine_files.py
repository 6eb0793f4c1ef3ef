"""What a guest without a disk finds in its memory: archives, modules in their order, and what Python imports."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from roamlab.kernels.job import NotAKernel
from roamlab.kernels.machine import cpio, image, initramfs, modules
from roamlab.kernels.machine.closure import closure
from roamlab.kernels.machine.modules import Module


def test_an_archive_holds_files_links_and_the_directories_above(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("needs cpio, to have a second reader")
    entries = {
        "/a/b/run": b"#!/bin/sh\n",
        "/a/odd": b"x" * 5,
        "/lib": cpio.CpioLink("usr/lib"),
        "/empty": None,
    }
    made = cpio.archive(entries, frozenset({"/a/b/run"})) + cpio.archive({"/second": b"2"})
    for part in (made,):
        subprocess.run(["cpio", "-idm", "--quiet"], input=part, cwd=tmp_path, check=True)
    assert (tmp_path / "a/odd").read_bytes() == b"x" * 5
    assert (tmp_path / "a/b/run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "lib").readlink() == Path("usr/lib")
    assert (tmp_path / "empty").is_dir()


def test_the_same_entries_give_the_same_archive_in_whatever_order() -> None:
    one = cpio.archive({"/a": b"1", "/b/c": b"2"})
    assert one == cpio.archive({"/b/c": b"2", "/a": b"1"})
    assert len(one) % 4 == 0


def test_packages_lie_beside_our_code_inside_wherever_the_venv_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initramfs, "ROOT", tmp_path)
    for packages in (tmp_path / ".venv/lib/site-packages", tmp_path.parent / "venv/site-packages"):
        monkeypatch.setattr(initramfs.sys, "path", [str(tmp_path), str(packages)])
        assert initramfs.inside(packages / "msgspec/__init__.py") == f"{initramfs.CODE}/msgspec/__init__.py"
        assert (
            initramfs.inside(tmp_path / "roamlab/lab/inside.py") == f"{initramfs.CODE}/roamlab/lab/inside.py"
        )


def test_modules_come_after_what_they_need_each_once() -> None:
    known = {
        "sctp": Module("", ("udp_tunnel", "libcrc32c")),
        "libcrc32c": Module("", ("crc32c",)),
        "crc32c": Module("", ()),
        "udp_tunnel": Module("", ()),
        "loop": Module("", ("pool",)),
        "pool": Module("", ("loop",)),
    }
    assert modules.in_order(["sctp", "crc32c", "built_in"], known) == [
        "udp_tunnel",
        "crc32c",
        "libcrc32c",
        "sctp",
    ]
    assert set(modules.in_order(["loop"], known)) == {"loop", "pool"}


def test_a_module_says_itself_what_it_needs() -> None:
    told = b"\0license=GPL\0softdep=pre: crc32c post: zz-top\0depends=libcrc32c,ip6-udp-tunnel\0name=sctp\0"
    assert modules.before(told) == ("crc32c", "libcrc32c", "ip6_udp_tunnel")
    assert modules.before(b"\0license=GPL\0depends=\0") == ()


def boot_image(release: bytes, payload: bytes) -> bytes:
    """The parts of a bzImage that are looked at: header, release, compressed kernel."""
    head = bytearray(1024)
    head[0x1F1] = 1  # one sector of set-up code after the first
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x100)
    struct.pack_into("<II", head, 0x248, 0, len(payload))
    head[0x300 : 0x300 + len(release)] = release
    return bytes(head) + payload


def elf(notes: bytes) -> bytes:
    """An ELF file with one segment, of notes."""
    head = bytearray(64)
    head[:4] = b"\x7fELF"
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, 1)
    return bytes(head) + struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(notes), len(notes), 4) + notes


def test_a_kernel_that_can_be_entered_directly_is_unpacked(tmp_path: Path) -> None:
    entry = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", 0x1000000)
    inside = elf(struct.pack("<III4sI", 4, 4, 6, b"Xen\0", 0) + entry)
    packed = boot_image(b"6.1.0-56-amd64 (debian) #1\0", gzip.compress(inside))
    assert image.release(packed) == "6.1.0-56-amd64"
    assert image.kernel(packed) == inside
    path = tmp_path / "vmlinuz"
    path.write_bytes(packed)
    assert image.is_one(path)
    assert not image.is_one(tmp_path / "none")


@pytest.mark.parametrize("payload", [b"lz4 or worse", gzip.compress(elf(b"")), gzip.compress(b"no ELF")])
def test_any_other_kernel_is_booted_as_it_is(payload: bytes) -> None:
    packed = boot_image(b"6.1.0 x\0", payload)
    assert image.kernel(packed) == packed


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(NotAKernel):
        image.release(b"\x7fELF" + bytes(2000))
    with pytest.raises(NotAKernel):
        image.release(boot_image(b"nothing\0", b""))


def test_whatever_a_module_imports_is_found_wherever_it_says_so(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("import never\n")
    (package / "top.py").write_text("def late():\n    from . import other\n    import outside.deep as d\n")
    (package / "other.py").write_text("from .third import name\n")
    (package / "third.py").write_text("import skipped.part\n")
    (package / "unused.py").write_text("")
    (tmp_path / "never.py").write_text("")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/__init__.py").write_text("")
    (tmp_path / "outside/deep.py").write_text("")
    (tmp_path / "skipped").mkdir()
    (tmp_path / "skipped/__init__.py").write_text("")
    found = closure(["pack.top"], [str(tmp_path)], frozenset({"pack"}), frozenset({"skipped"}))
    names = [module.name for module in found]
    assert names == ["outside", "outside.deep", "pack", "pack.other", "pack.third", "pack.top"]
