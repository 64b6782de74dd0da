"""Which addresses we may call, and a client that calls no others: names are looked up once, checked, and then used."""

import ipaddress
import socket
import ssl
from collections.abc import Collection
from pathlib import Path

import httpx

ASSIGNED = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses given out on the public internet; beside them lie old transitions, which may lead inside."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses written as IPv6 ones, in their last 32 bits (RFC 6052)."""

CONNECT = 10
"""Seconds to wait for a connection."""


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
        try:
            if request.url.scheme not in ("http", "https"):
                raise NotAllowed(f"{request.url.scheme[:20]} is not how we call")
            address = self.address_of(host)
        except httpx.ConnectError as error:
            error.request = request
            raise
        # The name was checked, so the address is what we connect to: it cannot resolve to something else now.
        request.headers["Host"] = request.url.netloc.decode("ascii")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return super().handle_request(request)

    def address_of(self, host: str) -> str:
        """The address at which this host may be called; raises NotAllowed, and ConnectError where the name is not known."""
        host = host.lower()
        if self._hosts is not None and host not in self._hosts:
            raise NotAllowed(f"{host[:80]} is not a host of this source")
        found = sorted(addresses_of(host))
        if not found:
            raise httpx.ConnectError(f"{host[:80]} is not known")
        if host not in self._inside and not all(map(is_public, found)):
            raise NotAllowed(
                f"{host[:80]} is inside the own network and not among the hosts that the config allows there"
            )
        return found[0]


class Outside(httpx.Client):
    """An HTTP client for some hosts, and connections to the same hosts for tools that speak something else."""

    def __init__(self, guard: Guarded, seconds: float) -> None:
        super().__init__(
            transport=guard,
            follow_redirects=False,
            trust_env=False,
            timeout=httpx.Timeout(seconds, connect=CONNECT),
            headers={"User-Agent": "extra-mile"},
        )
        self._guard, self._seconds = guard, seconds

    def reach(self, host: str, port: int) -> socket.socket:
        """A bare connection. Raises what `address_of` raises, and OSError."""
        return socket.create_connection((self._guard.address_of(host), port), timeout=CONNECT)

    def connect(self, host: str, port: int, authorities: Path | None = None) -> ssl.SSLSocket:
        """A connection under TLS, which waits as long for each answer as HTTP does.

        The host's certificate is checked by `authorities`, a PEM file, or the machine's. Raises what `reach` raises.
        """
        context = ssl.create_default_context(cafile=authorities)
        bare = self.reach(host, port)
        try:
            secured = context.wrap_socket(bare, server_hostname=host)
        except BaseException:
            bare.close()
            raise
        secured.settimeout(self._seconds)
        return secured


def client(hosts: Collection[str] | None, inside: Collection[str] = (), seconds: float = 30) -> Outside:
    """A client for these hosts (None: any): no redirects, no proxies of the environment, bounded waiting."""
    return Outside(Guarded(hosts, inside), seconds)
