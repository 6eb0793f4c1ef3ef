"""A distribution's own kernel in virtual time: an unmodified x86-64 kernel, run by QEMU without KVM."""
