"""The hosts that are this service, and the pages that may call it from a browser.

DNS rebinding: evil.example can resolve its own name to 127.0.0.1, and its pages then share an origin with this service;
their requests carry `Host: evil.example`. So a host name must be known; an IP address cannot be forged this way.
Cross-site requests: any page can send what a form can send, which browsers mark with `Origin` and `Sec-Fetch-Site`; for
a content type that no form can send they send a preflight request first.

References:
    | Protecting Browsers from DNS Rebinding Attacks (Jackson, Barth, Bortz, Shao & Boneh, 2007)
    | Robust Defenses for Cross-Site Request Forgery (Barth, Jackson & Mitchell, 2008)
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import final

from pushforward.service.domain.errors import Forbidden, Misdirected, UnsupportedMedia
from pushforward.service.http.headers import RequestHeaders
from pushforward.service.settings import Settings

FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
PORTS = {"http": ":80", "https": ":443"}  # which browsers leave out


@final
class Hosts:
    """Loopback, the address that is bound, and the names that the settings allow."""

    def __init__(self, settings: Settings) -> None:
        self._names = {"localhost", settings.http_host.lower(), *settings.allowed_hosts}
        self._suffixes = tuple(name[1:] for name in settings.allowed_hosts if name.startswith("*."))
        bound = _address(settings.http_host)
        self._is_everywhere = bound is not None and bound.is_unspecified
        self.allows = lru_cache(maxsize=1024)(self._allows)

    def check(self, host: str) -> None:
        """Raises Misdirected. Only programs, never browsers, leave the header out."""
        if host and not self.allows(host):
            raise Misdirected(
                f"{host[:100]!r} is not a host of this service; name it in PUSHFORWARD_ALLOWED_HOSTS if it should be"
            )

    def _allows(self, host: str) -> bool:
        name = _without_port(host)
        if name in self._names or "*" in self._names or (self._suffixes and name.endswith(self._suffixes)):
            return True
        address = _address(name)
        return address is not None and (address.is_loopback or self._is_everywhere or f"{address}" in self._names)


@final
class Origins:
    """The pages that may call from a browser: those of this service, and those of listed origins."""

    def __init__(self, listed: tuple[str, ...]) -> None:
        self._listed = frozenset(listed)

    def has(self, origin: str) -> bool:
        """Whether the settings list this origin."""
        return bool(origin) and (origin in self._listed or "*" in self._listed)

    def check(self, headers: RequestHeaders) -> None:
        """Check a request that may change something. Raises Forbidden, UnsupportedMedia."""
        if headers.origin or headers.site == "cross-site":
            is_own = headers.site != "cross-site" and _is_same(headers.origin, headers.host)
            if not (is_own or self.has(headers.origin)):
                raise Forbidden(
                    f"a page of {headers.origin[:100] or 'another site'} sent this; "
                    "list its origin in PUSHFORWARD_CORS_ORIGINS if it may"
                )
        if headers.content_type in FORMS:
            raise UnsupportedMedia(
                f"the content type is {headers.content_type}, which a page's form can send; send application/json"
            )


def is_local(host: str) -> bool:
    """Whether a server that listens there is reachable from this machine only."""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _is_same(origin: str, host: str) -> bool:
    """Whether a page's origin is the host it calls. A proxy may terminate TLS, so the scheme is the page's."""
    scheme, _, at = origin.partition("://")
    port = PORTS.get(scheme, "")
    return bool(port) and _with_port(at, port) == _with_port(host, port)


def _with_port(host: str, port: str) -> str:
    return host if _without_port(host) != host else host + port


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and (":" not in name or name.endswith("]")) else host


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name[1:-1] if name[:1] == "[" and name[-1:] == "]" else name)
    except ValueError:
        return None
