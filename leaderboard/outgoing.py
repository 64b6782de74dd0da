"""Which addresses we may call, and an HTTP client that calls no others: names are looked up once, checked, and then used."""

import ipaddress
import socket
from collections.abc import Collection

import httpx


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
    inner: ipaddress.IPv4Address | None = None
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        elif address.teredo:
            inner = address.teredo[1]
    return address.is_global and not address.is_multicast and (inner is None or is_public(str(inner)))


class Guarded(httpx.HTTPTransport):
    """Calls `hosts` only, at public addresses or where `inside` allows the host, at the very address that was checked."""

    def __init__(self, hosts: Collection[str], inside: Collection[str]) -> None:
        super().__init__(retries=0)
        self._hosts = {host.lower() for host in hosts}
        self._inside = {host.lower() for host in inside}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host.lower()
        if request.url.scheme not in ("http", "https") or host not in self._hosts:
            raise NotAllowed(f"{host[:80]} is not a host of this source", request=request)
        found = sorted(addresses_of(host))
        if not found:
            raise httpx.ConnectError(f"{host[:80]} is not known", request=request)
        if host not in self._inside and not all(map(is_public, found)):
            raise NotAllowed(
                f"{host[:80]} is inside the own network; only `pull_hosts` may be", request=request
            )
        # The name was checked, so the address is what we connect to: it cannot resolve to something else now.
        request.headers["Host"] = request.url.netloc.decode("ascii")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=found[0])
        return super().handle_request(request)


def client(hosts: Collection[str], inside: Collection[str] = (), seconds: float = 30) -> httpx.Client:
    """An HTTP client for these hosts: no redirects, no proxies of the environment, bounded waiting."""
    return httpx.Client(
        transport=Guarded(hosts, inside),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(seconds, connect=10),
        headers={"User-Agent": "extra-mile"},
    )
