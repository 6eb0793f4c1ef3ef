"""Makes a Vagrant box of Debian's packages, for whoever can't or won't download one: no root where user namespaces are allowed.

A box is a tar file (https://developer.hashicorp.com/vagrant/docs/boxes/format): a disk, what is known of it, and defaults for
whoever uses it. Its kernel lies beside the disk and not on it, so that it needs no boot loader.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from roamlab.errors import LabError
from roamlab.kernels.build.apt import Apt, machines_mirror
from roamlab.kernels.build.store import BuiltKernel, built
from roamlab.record.owner import give

NAME: Final = "debian/bookworm64"
"""What Vagrantfile calls the box that it wants."""
_SUITE: Final = "bookworm"
_PACKAGES: Final = (
    *(
        "linux-image-amd64",
        "initramfs-tools",
        "systemd",
        "systemd-sysv",
        "udev",
        "dbus",
        "libnss-systemd",
        "kmod",
    ),
    *("ifupdown", "isc-dhcp-client", "ca-certificates", "openssh-server", "sudo", "rsync", "procps", "less"),
    # What the lab would install on its first start.
    *("python3-venv", "user-mode-linux", "bubblewrap", "iproute2", "iputils-ping"),
)
_TOOLS: Final = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "qemu-img": "qemu-utils",
    "dpkg-deb": "dpkg",
    "newuidmap": "uidmap",
}
_DISK_GIB: Final = 16
_KEY: Final = "keys/vagrant.pub"
# Run in the new system: the user that Vagrant logs in as, and a network.
_SET_UP: Final = r"""
set -eu
useradd --create-home --shell /bin/bash vagrant
printf 'vagrant ALL=(ALL) NOPASSWD: ALL\n' > /etc/sudoers.d/vagrant
chmod 440 /etc/sudoers.d/vagrant
printf 'auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n' > /etc/network/interfaces
printf 'roamlab\n' > /etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 roamlab\n::1 localhost\n' > /etc/hosts
printf '/dev/vda / ext4 defaults 0 1\n' > /etc/fstab
printf 'UseDNS no\n' > /etc/ssh/sshd_config.d/vagrant.conf
: > /etc/machine-id
rm -f /etc/resolv.conf
install -d -m 700 -o vagrant -g vagrant /home/vagrant/.ssh
install -m 600 -o vagrant -g vagrant /given/keys /home/vagrant/.ssh/authorized_keys
if [ -d /given/kernels ]; then
    install -d -o vagrant -g vagrant /home/vagrant/.cache /home/vagrant/.cache/roamlab
    cp -r /given/kernels /home/vagrant/.cache/roamlab/kernels
    chown -R vagrant:vagrant /home/vagrant/.cache/roamlab
fi
rm -rf /given
"""
# Turns the system's files into a disk; run as root, or as what looks like root in a user namespace.
_TO_DISK: Final = r"""
set -eu
mkdir tree
tar -xf system.tar -C tree --numeric-owner --exclude='./dev/*'
cp tree/boot/vmlinuz-* vmlinuz
cp tree/boot/initrd.img-* initrd.img
chmod 644 vmlinuz initrd.img
mke2fs -q -t ext4 -L roamlab -d tree disk.raw "$1"
rm -rf tree system.tar
"""
_DEFAULTS: Final = """\
# The box's own defaults: its kernel lies beside the disk, and where no KVM works the processor is emulated.
Vagrant.configure("2") do |config|
  here = File.dirname(__FILE__)
  # A machine that is virtual itself may have a /dev/kvm with which QEMU cannot start a processor.
  kvm = File.writable?("/dev/kvm") && system("command -v qemu-system-x86_64 >/dev/null || exit 0; " \\
    "echo quit | qemu-system-x86_64 -accel kvm -cpu host -nodefaults -display none -S -monitor stdio >/dev/null 2>&1")
  config.vm.boot_timeout = 1500
  config.vm.provider :libvirt do |machine|
    unless kvm
      machine.driver = "qemu"
      machine.cpu_mode = "maximum"
    end
    machine.kernel = File.join(here, "vmlinuz")
    machine.initrd = File.join(here, "initrd.img")
    machine.cmd_line = "root=/dev/vda rw console=ttyS0 net.ifnames=0"
    machine.graphics_type = "none"
  end
end
"""
OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Disk:
    """A system that can be booted: disk image (raw), kernel and what that loads first."""

    image: Path
    kernel: Path
    initrd: Path


def missing() -> list[str]:
    """Name the packages that making a box needs and that are not here."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    needed = {tool: package for tool, package in _TOOLS.items() if tool != "newuidmap" or os.geteuid() != 0}
    return [package for tool, package in needed.items() if shutil.which(tool, path=path) is None]


def make(output: Path, keys: Sequence[Path], on_step: OnStep) -> Path:
    """Make a box as a new file; gives its path. Raises LabError, with one sentence.

    keys  files of public keys that may log in, besides the one that Vagrant itself uses and replaces at the first start
    """
    if output.exists():
        raise _exists(output)
    if packages := missing():
        raise LabError(
            "making a box needs " + ", ".join(packages) + "; install them with: "
            f"sudo apt-get install --no-install-recommends -y {' '.join(packages)}"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".roamlab-box-", dir=output.parent) as directory:
        work = Path(directory)
        disk = system(work, keys, on_step)
        on_step("packing the box")
        image = work / "box.img"
        _do("qemu-img", "convert", "-O", "qcow2", str(disk.image), str(image))
        disk.image.unlink()
        (work / "Vagrantfile").write_text(_DEFAULTS)
        known = {"provider": "libvirt", "format": "qcow2", "virtual_size": _DISK_GIB}
        (work / "metadata.json").write_bytes(msgspec.json.encode(known))
        unfinished = work / "box"
        with tarfile.open(unfinished, "w") as box:
            for path in (work / "metadata.json", work / "Vagrantfile", image, disk.kernel, disk.initrd):
                box.add(path, path.name)
        put(unfinished, output)
    return output


def put(finished: Path, output: Path) -> None:
    """Give a finished file its name. Raises LabError where something else has that name by now; it stays as it is."""
    give(finished)
    try:
        output.hardlink_to(finished)  # a rename would replace what is there
    except FileExistsError:
        raise _exists(output) from None
    except OSError as error:
        raise LabError(
            f"cannot make {output}: {error.strerror}; name a file on another disk with --output"
        ) from None


def _exists(output: Path) -> LabError:
    return LabError(f"{output} already exists; name another with --output, or remove it")


def system(work: Path, keys: Sequence[Path], on_step: OnStep) -> Disk:
    """Install a system into files in `work`."""
    given = work / "given"
    given.mkdir()
    mirror, _, security = machines_mirror()
    on_step("fetching Vagrant's public key")
    allowed = [_vagrants_key(work, mirror), *(key.read_text().strip() for key in keys)]
    (given / "keys").write_text("\n".join(allowed) + "\n")
    for kernel in _lab_kernels():
        on_step(f"adding the lab kernel {kernel.name}")
        shutil.copytree(kernel.directory, given / "kernels" / kernel.directory.name)
    sources = [f"deb {mirror} {_SUITE} main"]
    if security:
        sources.append(f"deb {security} {_SUITE}-security main")
    (work / "set-up.sh").write_text(_SET_UP)
    on_step(f"installing Debian ({_SUITE}), {len(_PACKAGES)} packages and what they need: some minutes")
    _do(
        *("mmdebstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", "--quiet"),
        '--aptopt=APT::Install-Recommends "false"',
        f"--customize-hook=copy-in {given} /",
        f"--customize-hook=upload {work / 'set-up.sh'} /given/set-up.sh",
        '--customize-hook=chroot "$1" sh /given/set-up.sh',
        *(_SUITE, str(work / "system.tar"), *sources),
    )
    shutil.rmtree(given)
    on_step("making a disk image")
    as_root = () if os.geteuid() == 0 else ("unshare", "--map-root-user", "--map-auto")
    _do(*as_root, "sh", "-c", _TO_DISK, "sh", f"{_DISK_GIB}G", cwd=work)
    return Disk(work / "disk.raw", work / "vmlinuz", work / "initrd.img")


def _lab_kernels() -> list[BuiltKernel]:
    """The lab kernel that runs by default: the box starts with it, and needn't build it."""
    return [kernel for kernel in built() if not kernel.metadata.variant and kernel.intact][:1]


def _vagrants_key(work: Path, mirror: str) -> str:
    """Read the public key that Vagrant logs in with at first, from Debian's package of Vagrant."""
    apt = Apt(work / "apt", ((mirror, _SUITE),))
    if apt.run("apt-get", "update", "-q") is None or apt.run("apt-get", "download", "-q", "vagrant") is None:
        raise LabError(
            f"Debian's package of Vagrant could not be fetched from {apt.suites}: is the network up?"
        )
    (package,) = apt.state.glob("vagrant_*.deb")
    _do("dpkg-deb", "-x", str(package), str(work / "vagrant"))
    (key,) = (work / "vagrant").rglob(_KEY)
    text = key.read_text().strip()
    shutil.rmtree(work / "vagrant")
    shutil.rmtree(work / "apt")
    return text


def _do(*command: str, cwd: Path | None = None) -> None:
    """Run a program; raises LabError with what it said last."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise LabError(f"{command[0]} failed: {said[0]}")
