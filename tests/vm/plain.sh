#!/usr/bin/env bash
# The system of `./lab box` in a plain QEMU machine, with KVM or without: set-up, and what README says, as the ordinary user and with
# sudo. Run by hand; it takes some minutes with KVM and up to half an hour without. No network is touched but QEMU's own.
#
#     tests/vm/plain.sh [BOX]        the log goes to standard output; BOX is made where it isn't there
#
# Exit status: 0 when everything was as expected, otherwise how many things were not.
set -uo pipefail
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
top=$(dirname "$(dirname "$here")")
work=$(mktemp -d "${TMPDIR:-/var/tmp}/roamlab-vm-XXXXXXXX")
machine=
trap '[ -z "$machine" ] || kill "$machine" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

. "$here/checks.sh"

ssh-keygen -q -t ed25519 -N '' -f "$work/key" </dev/null
box=${1:-$work/roamlab.box}
if ! [ -f "$box" ]; then
    say "making a box"
    (cd "$top" && ./lab box --output "$box" --key "$work/key.pub") || { fail "./lab box"; exit 1; }
    key=$work/key
else
    key=${KEY:?with a BOX that is there, KEY has to name the private key of the public one it was made with}
fi
tar -xf "$box" -C "$work" box.img vmlinuz initrd.img
qemu-img create -q -f qcow2 -F qcow2 -b "$work/box.img" "$work/disk.qcow2"

accelerator=(-accel tcg,thread=multi -cpu max)
# A machine that is virtual itself may have a /dev/kvm with which QEMU cannot start a processor.
(echo quit | qemu-system-x86_64 -accel kvm -cpu host -nodefaults -display none -S -monitor stdio) >/dev/null 2>&1 && accelerator=(-accel kvm -cpu host)
say "$(qemu-system-x86_64 --version | head -1); ${accelerator[1]}; load $(cut -d' ' -f1 /proc/loadavg)"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# Gone with this script, however that ends.
setpriv --pdeathsig KILL -- qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot "${accelerator[@]}" -smp 2 -m 2048 \
    -kernel "$work/vmlinuz" -initrd "$work/initrd.img" -append "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0" \
    -drive "file=$work/disk.qcow2,if=virtio,cache=unsafe" -device virtio-rng-pci -serial "file:$work/console" \
    -nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$port-:22" </dev/null &
machine=$!

known=(-i "$key" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)
inside() { ssh -p "$port" "${known[@]}" -o ConnectTimeout=60 vagrant@127.0.0.1 "$@" </dev/null; }
until inside true 2>/dev/null; do
    kill -0 "$machine" 2>/dev/null || { tail -20 "$work/console"; fail "the machine ended"; exit 1; }
    [ $((SECONDS - since)) -lt 3600 ] || { tail -20 "$work/console"; fail "nobody could log in within an hour"; exit 1; }
    sleep 2
done
say "logged in; kernel $(inside uname -r)"

# As Vagrant does.
inside 'sudo mkdir -p /vagrant && sudo chown vagrant:vagrant /vagrant'
rsync -a --delete --exclude /.git --exclude /.venv --exclude /runs --exclude __pycache__ -e "ssh -p $port ${known[*]}" "$top/" \
    vagrant@127.0.0.1:/vagrant/ || fail "rsync"
# A machine behind a proxy has certificates of its own.
rsync -e "ssh -p $port ${known[*]}" --rsync-path='sudo rsync' /etc/ssl/certs/ca-certificates.crt \
    vagrant@127.0.0.1:/etc/ssl/certs/ca-certificates.crt || fail "certificates"
inside 'printf "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n" | sudo tee /etc/pip.conf' >/dev/null
check "modules for native" 0 "printf '%s\\n' sctp sctp_diag sch_netem sch_htb ipip ip_gre veth bridge | xargs sudo modprobe -a"

check_all
say "$failed things were not as expected"
inside 'sudo systemctl poweroff' 2>/dev/null
exit "$failed"
