"""Which kernel it is that runs, where its release alone doesn't say."""

from __future__ import annotations

import pytest

from roamlab.lab import known
from roamlab.lab.known import by_kernel, stable_release


@pytest.mark.parametrize(
    ("release", "version", "stable"),
    [
        ("6.1.0-56-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-14)", "6.1.192-56-amd64"),
        (
            "6.12.118+deb13-amd64",
            "#1 SMP PREEMPT_DYNAMIC Debian 6.12.118-1 (2026-11-16)",
            "6.12.118+deb13-amd64",
        ),
        ("6.1.176", "#1 Debian 6.1.176-1", "6.1.176"),
        ("7.3.4+one-owner", "#2 SMP", "7.3.4+one-owner"),
    ],
)
def test_debians_release_has_the_stable_kernels_number_in_its_version(
    release: str, version: str, stable: str
) -> None:
    assert stable_release(release, version) == stable


def test_what_is_known_of_a_stable_kernel_is_known_of_debians(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known.platform, "release", lambda: "6.1.0-56-amd64")
    monkeypatch.setattr(known.platform, "version", lambda: "#1 SMP Debian 6.1.192-2 (2026-11-14)")
    assert by_kernel({"6.1.192": ("DELETE",)}) == ("DELETE",)
    assert by_kernel({"6.1.19": ("DELETE",)}) == ()
    monkeypatch.setattr(known.platform, "version", lambda: "#1 SMP Debian 6.1.176-1 (2026-01-01)")
    assert by_kernel({"6.1.192": ("DELETE",)}) == ()
