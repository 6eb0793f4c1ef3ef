# What the scripts of this directory have in common; sourced by them. Whoever sources it defines `inside COMMAND...`, which runs a shell
# command in the machine as the user vagrant, and `work`, a directory of its own.
failed=0
since=$SECONDS
say() { printf '%5d s  %s\n' $((SECONDS - since)) "$*"; }
fail() { say "FAILED: $*"; failed=$((failed + 1)); }

# check WHAT STATUS COMMAND: it has to end with that status, or with one of several ("0 3").
check() {
    local what=$1 wanted=$2 got
    shift 2
    inside "cd /vagrant && { $*; } 2>&1" >"$work/said"
    got=$?
    if [[ " $wanted " == *" $got "* ]]; then say "$what: as expected ($got)"; else fail "$what: status $got, expected $wanted"; fi
    sed 's/^/           /' "$work/said" | tail -n "${TAIL:-4}"
}

# What README says, as the ordinary user and with sudo, in a machine whose /vagrant holds the checkout.
check_all() {
    # First as root: what that leaves may not keep the ordinary user out.
    check "sudo ./lab list" 0 "sudo ./lab list"
    check "the lab kernel" 0 "./lab kernel --list | grep '^[0-9]' || ./lab kernel"
    TAIL=40 check "./lab doctor" 0 "./lab doctor"
    TAIL=14 check "./lab demo" 0 "./lab demo"
    TAIL=14 check "sudo ./lab demo" 0 "sudo ./lab demo"
    check "all that is there belongs to the ordinary user" 0 "! find .venv runs \\! -user vagrant | grep ."
    for run in fig01 fig05 fig08 fig10 "fig09 --set way=rewriting" "fig09 --set way=socket" "mip-move --set transport=tcp" \
        "mip-move --set transport=udp" "mip-move --set transport=sctp" ha-failure attack-camping attack-stealing; do
        TAIL=2 check "./lab run $run" 0 "./lab run $run --no-report"
    done
    TAIL=16 check "./lab grade" 0 "./lab grade 3 labs/solutions/03-add-prefer-remove"
    # Real time: an emulated machine beside others may be too slow, which is 3, and said so.
    TAIL=4 check "sudo ./lab run control --kernel native" "0 3" "sudo ./lab run control --kernel native --no-report"
    check "runs can be removed" 0 "rm -rf runs && ./lab run control --no-report && rm -rf runs"
}
