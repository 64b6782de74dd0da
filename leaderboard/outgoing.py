"""Which addresses we may call, and an HTTP client that calls no others: names are looked up once, checked, and then used."""

import ipaddress
import socket
from collections.abc import Collection

import httpx

ASSIGNED = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses given out on the public internet; beside them lie old transitions, which may lead inside."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses written as IPv6 ones, in their last 32 bits (RFC 6052)."""


class NotAllowed(httpx.ConnectError):
    """The host is not one that the operator configured, or lies inside the own network without being allowed to."""


def addresses_of(host: str) -> set[str]:
    """The addresses of a host; none when the name is not known."""
    try:
        return {
            str(entry[4][0]) for entry in socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
        }
    except (OSError, UnicodeError):
        return set()


def is_public(host: str) -> bool:
    """Whether this is an address on the public internet; also looks into addresses that carry an IPv4 one."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    if address.ipv4_mapped:
        return is_public(str(address.ipv4_mapped))
    if address in NAT64:
        return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
    inner = address.sixtofour or (address.teredo[1] if address.teredo else None)
    return address in ASSIGNED and address.is_global and (inner is None or is_public(str(inner)))


class Guarded(httpx.HTTPTransport):
    """Calls `hosts` only, at public addresses or where `inside` allows the host, at the very address that was checked."""

    def __init__(self, hosts: Collection[str] | None, inside: Collection[str]) -> None:
        super().__init__(retries=0)
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._inside = {host.lower() for host in inside}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host.lower()
        if request.url.scheme not in ("http", "https") or (
            self._hosts is not None and host not in self._hosts
        ):
            raise NotAllowed(f"{host[:80]} is not a host of this source", request=request)
        found = sorted(addresses_of(host))
        if not found:
            raise httpx.ConnectError(f"{host[:80]} is not known", request=request)
        if host not in self._inside and not all(map(is_public, found)):
            raise NotAllowed(
                f"{host[:80]} is inside the own network and not among the hosts that the config allows there",
                request=request,
            )
        # The name was checked, so the address is what we connect to: it cannot resolve to something else now.
        request.headers["Host"] = request.url.netloc.decode("ascii")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=found[0])
        return super().handle_request(request)


def client(hosts: Collection[str] | None, inside: Collection[str] = (), seconds: float = 30) -> httpx.Client:
    """An HTTP client for these hosts (None: any): no redirects, no proxies of the environment, bounded waiting."""
    return httpx.Client(
        transport=Guarded(hosts, inside),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(seconds, connect=10),
        headers={"User-Agent": "extra-mile"},
    )
