"""Verbs as text, as `./lab try --do` takes them."""

import inspect

import pytest

from roamlab.errors import BadInput
from roamlab.lab.acts import At
from roamlab.lab.said import VERBS, Deed, check, offered, read

SEGMENTS = ("home", "visited")


def test_a_text_is_deeds_by_time_with_the_mobile_nodes_nic_unless_named() -> None:
    assert read("8 link-up; 5.5 link-down wlan1;") == [
        Deed(5.5, "link_down", "wlan1", {}),
        Deed(8.0, "link_up", "wlan0", {}),
    ]
    (deed,) = read("5 move to=visited gap=2")
    assert (deed.given, deed.over_s) == ({"to": "visited", "gap": "2"}, 7.0)


def test_every_verb_that_is_offered_takes_a_nic() -> None:
    assert {"move", "detach", "link-down", "link-up", "readdress", "impair"} <= set(offered())
    for verb in VERBS:
        if hasattr(At, verb):
            assert {"nic", "node"} & set(inspect.signature(getattr(At, verb)).parameters)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "nothing to do"),
        ("link-down", "does not begin with a time and a verb"),
        ("5", "does not begin with a time and a verb"),
        ("5 lnk-down", "did you mean 'link-down'"),
        ("5 forge", "there is no verb 'forge'"),
        ("5 impair lose=3", "did you mean 'loss'"),
        ("5 impair loss=much", "is not a number"),
        ("5 detach wlan0 wlan1", "more than one NIC"),
    ],
)
def test_what_is_no_deed_is_said_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("5 move to=visted", "did you mean 'visited'"),
        ("5 move", "needs to=SEGMENT"),
        ("5 link-down wlan1", "has no wlan1 at 5 s; it has wlan0"),
        ("5 detach; 6 link-up", "has no wlan0 at 6 s; it has no NIC"),
    ],
)
def test_what_is_not_there_is_said_before_anything_starts(text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        check(read(text), SEGMENTS)
    check(read("5 detach; 6 attach wlan1 to=visited; 8 link-down wlan1"), SEGMENTS)
