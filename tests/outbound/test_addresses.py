"""Requests go to addresses of the Internet alone, whatever they are called."""

import ipaddress

import pytest

from media_analysis.errors import AddressRefused
from media_analysis.outbound.addresses import Address, AddressRule, is_public

PRIVATE = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:c0a8:101::1"),
    *("3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "5f00::1"),
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_private_is_not_asked(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(AddressRefused):
        AddressRule().look_through(f"https://{host}/hook")


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_asked(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    assert AddressRule().look_through(f"https://{host}:8443/hook").port == 8443


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "//example.com"),
        *("https://", "https:///path", "https://user@example.com/", "https://user:secret@example.com/"),
        *("https://example.com/#part", "https://example.com:22/", "https://example.com:25/", "https://example.com:0/"),
        *(
            "https://example.com:99999/",
            "https://exa mple.com/",
            "https://example.com\\@127.0.0.1/",
            "https://ex%61mple/",
        ),
        *("https://exämple.com/", "https://example.com/\n", "https://[::1", "https://[fe80::1%25eth0]/", "mailto:a@b"),
        *("https://a..b/", "https://.a/", "https://a../", f"https://{'a' * 64}.com/", f"https://{'a.' * 127}com/"),
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        AddressRule().look_through(url)


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1"])
async def test_other_names_of_this_machine_are_found_out_when_they_are_resolved(name: str) -> None:
    rule = AddressRule()
    target = rule.look_through(f"https://{name}/")

    with pytest.raises(AddressRefused):
        await rule.resolve(target)


@pytest.mark.parametrize(
    ("answers", "allowed"),
    [(["93.184.216.34"], True), (["93.184.216.34", "127.0.0.1"], False), (["93.184.216.34", "::1"], False)],
)
async def test_each_of_several_answers_has_to_be_allowed(
    answers: list[str], *, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(*_: object) -> list[Address]:
        return [ipaddress.ip_address(one) for one in answers]

    monkeypatch.setattr("media_analysis.outbound.addresses.look_up", answer)
    rule = AddressRule()
    target = rule.look_through("https://example.com/")

    if allowed:
        assert [str(one) for one in await rule.resolve(target)] == answers
    else:
        with pytest.raises(AddressRefused):
            await rule.resolve(target)


async def test_where_private_addresses_are_allowed_plain_http_goes_to_them_alone() -> None:
    rule = AddressRule(allows_private=True)

    assert await rule.resolve(rule.look_through("http://127.0.0.1:81/"))
    with pytest.raises(AddressRefused):
        rule.look_through("http://8.8.8.8/")
