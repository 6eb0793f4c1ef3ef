#!/usr/bin/env bash
# `vagrant up` with the project's Vagrantfile and a box of `./lab box`, on Debian 12's vagrant, vagrant-libvirt and libvirt: all in
# a directory, with namespaces of its own, so that nothing of this machine's network, services or packages is touched. Without KVM the
# machine is emulated: half an hour on two idle cores. Run by hand, as root. Needs mmdebstrap, util-linux, and 8 GB in TMPDIR or /var/tmp.
#
#     tests/vm/vagrant.sh [BOX]        the log goes to standard output; BOX is made where it isn't there
#
# Exit status: 0 when everything was as expected, otherwise how many things were not.
set -uo pipefail
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
top=$(dirname "$(dirname "$here")")
[ "$(id -u)" = 0 ] || { echo "vagrant.sh: needs root, for namespaces of its own with a network in them: sudo $0" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/var/tmp}/roamlab-vagrant-XXXXXXXX")
system=$work/system
keeper=
network=
# With the first process of its namespace everything in it ends: the virtual machine, libvirt, the network.
trap '[ -z "$network" ] || kill "$network" 2>/dev/null; [ -z "$keeper" ] || kill -KILL "$keeper" 2>/dev/null
      wait 2>/dev/null; rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM HUP
. "$here/checks.sh"

box=${1:-$work/roamlab.box}
if ! [ -f "$box" ]; then
    say "making a box"
    (cd "$top" && ./lab box --output "$box") || { fail "./lab box"; exit 1; }
fi
say "installing Debian 12 with vagrant and libvirt in a directory"
mmdebstrap --quiet --variant=minbase --aptopt='APT::Install-Recommends "false"' \
    --include=vagrant,vagrant-libvirt,libvirt-daemon-system,libvirt-clients,qemu-system-x86,qemu-utils,dnsmasq-base,dbus,slirp4netns,iproute2,iptables,openssh-client,rsync,procps,ca-certificates \
    bookworm "$system" || { fail "mmdebstrap"; exit 1; }
mkdir "$system/project" "$system/given"
rsync -a --exclude /.git --exclude /.venv --exclude /runs --exclude __pycache__ --exclude /.vagrant "$top/" "$system/project/"
cp --reflink=auto "$box" "$system/given/roamlab.box"
cp /etc/ssl/certs/ca-certificates.crt "$system/given/"
cat >"$system/given/first.sh" <<'FIRST'
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mkdir -p /run/libvirt /run/dbus /run/lock
ip link set lo up
until ip link show tap0 >/dev/null 2>&1; do sleep 0.2; done
echo nameserver 10.0.2.3 >/etc/resolv.conf
echo 1 >/proc/sys/net/ipv4/ip_forward
cat >/etc/libvirt/qemu.conf <<Q
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
dynamic_ownership = 0
stdio_handler = "file"
Q
printf 'auth_unix_rw = "none"\nauth_unix_ro = "none"\n' >/etc/libvirt/libvirtd.conf
dbus-daemon --system --fork
virtlogd -d
libvirtd -d
until virsh -c qemu:///system version >/given/versions 2>&1; do sleep 1; done
vagrant --version >>/given/versions
dpkg-query -W -f '${Package} ${Version}\n' vagrant-libvirt libvirt-daemon qemu-system-x86 >>/given/versions
: >/given/ready
exec sleep infinity
FIRST
# The script's own process, which only keeps the namespaces open, is the last to go.
setpriv --pdeathsig KILL -- unshare --net --mount --pid --uts --ipc --fork --kill-child -- sh -c '
    mount --bind "$1" "$1" && cd "$1" && mount -t proc proc proc && mount -t sysfs sys sys && mount --rbind /dev dev &&
    mount -t tmpfs run run && exec chroot . bash /given/first.sh' sh "$system" >"$work/first" 2>&1 </dev/null &
keeper=$!
first=
until [ -n "$first" ]; do
    kill -0 "$keeper" 2>/dev/null || { cat "$work/first"; fail "namespaces"; exit 1; }
    read -r first _ <"/proc/$keeper/task/$keeper/children" || sleep 0.2
done
# It stands in this machine's network and process namespaces, and opens the other one by the number that its process has here.
setpriv --pdeathsig KILL -- unshare --mount -- sh -c '
    mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
    exec chroot "$1" slirp4netns --configure --mtu=1500 --disable-host-loopback "$2" tap0' sh "$system" "$first" >"$work/slirp" 2>&1 </dev/null &
network=$!
for _ in $(seq 600); do
    [ -e "$system/given/ready" ] && break
    kill -0 "$keeper" 2>/dev/null && kill -0 "$network" 2>/dev/null || { cat "$work/first" "$work/slirp"; fail "libvirt"; exit 1; }
    sleep 1
done
[ -e "$system/given/ready" ] || { cat "$work/first" "$work/slirp"; fail "libvirt did not start in ten minutes"; exit 1; }
sed 's/^/           /' "$system/given/versions"

there() { nsenter --target "$first" --net --mount --pid --uts --ipc --root --wd env -i HOME=/root LANG=C.UTF-8 VAGRANT_DEFAULT_PROVIDER=libvirt \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin bash -c "cd /project && $*" </dev/null; }
step() { # WHAT COMMAND: one that has to succeed, or nothing after it makes sense
    local what=$1
    shift
    there "$*" >"$work/said" 2>&1 || { grep -v '^[[:space:]]*from ' "$work/said" | tail -40; fail "$what"; exit 1; }
    say "$what: as expected (0)"
    tr '\r' '\n' <"$work/said" | tail -n "${TAIL:-4}" | sed 's/^/           /'
}
step "vagrant validate" vagrant validate
step "vagrant box add" vagrant box add --name debian/bookworm64 /given/roamlab.box
step "vagrant up, nothing provisioned" vagrant up --no-provision
step "ssh" "vagrant ssh-config >/given/ssh"
# A machine behind a proxy has certificates of its own, without which pip fetches nothing.
step "certificates" "scp -q -F /given/ssh /given/ca-certificates.crt default:/tmp/ca.crt && ssh -F /given/ssh default 'sudo cp /tmp/ca.crt /etc/ssl/certs/ca-certificates.crt && printf \"[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n\" | sudo tee /etc/pip.conf'"
step "vagrant provision" vagrant provision
TAIL=14 step "vagrant ssh -c 'cd /vagrant && ./lab demo'" "vagrant ssh -c 'cd /vagrant && ./lab demo'"
TAIL=14 step "vagrant ssh -c 'cd /vagrant && sudo ./lab demo'" "vagrant ssh -c 'cd /vagrant && sudo ./lab demo'"

inside() { there "ssh -F /given/ssh default $(printf %q "$*")"; }
check_all
step "vagrant destroy" vagrant destroy -f
say "$failed things were not as expected"
exit "$failed"
