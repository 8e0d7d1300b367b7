"""Files of package indexes, fetched with the credentials that pip and uv would use; nothing else of them is done here.

Format of the pages: packaging.python.org, "Simple repository API".
"""

from __future__ import annotations

import base64
import json
import netrc
import os
import re
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from html.parser import HTMLParser
from http.client import HTTPException
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from hatch_ytupload.byte_reader import BLOCK_SIZE
from hatch_ytupload.configuration.project import normalize_name
from hatch_ytupload.programs import without_secrets
from hatch_ytupload.requirements.masking import masked
from hatch_ytupload.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from urllib.parse import SplitResult

    from hatch_ytupload.locking.indexes import Indexes

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SECONDS = 30
_ATTEMPTS = 3
_LARGEST_PAGE = 256 << 20
_NOT_ALLOWED = (401, 403)
_NOT_FOUND = 404
_SERVER_ERROR = 500


class DownloadError(Exception):
    """A file cannot be fetched; `str()` of it is the reason, without credentials."""


class IndexFile(NamedTuple):
    """A file that an index has."""

    name: str
    url: str
    sha256: str | None


class Downloads:
    """Fetches files over HTTP(S), or from disk.

    Args:
        indexes: where distributions are looked for, and with what.
        environ: the environment.
    """

    def __init__(self, indexes: Indexes, environ: Mapping[str, str]) -> None:
        self._indexes = indexes
        self._environ = environ
        self._known: dict[str, tuple[str, str] | None] = {}
        places = (*indexes.urls, *indexes.find_links)
        self._given = [urlsplit(place) for place in places if "@" in urlsplit(place).netloc]
        self._secure = ssl.create_default_context(cafile=indexes.cert or environ.get("REQUESTS_CA_BUNDLE") or None)
        self._pages: dict[str, list[IndexFile]] = {}

    def open(self, url: str, accept: str = "*/*") -> IO[bytes]:
        """Open a file; what fails for a moment is tried again.

        Raises:
            DownloadError: it cannot be had.
        """
        if urlsplit(url).scheme == "file":
            try:
                return open(unquote(urlsplit(url).path), "rb")
            except OSError as error:
                raise DownloadError(f"cannot read `{masked(url)}`: {error.strerror}") from None
        for attempt in range(_ATTEMPTS):
            try:
                return self._request(url, accept)
            except (urllib.error.URLError, OSError, HTTPException) as error:  # noqa: PERF203 - that is what tries are
                is_final = isinstance(error, urllib.error.HTTPError) and error.code < _SERVER_ERROR
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                if is_final or attempt + 1 == _ATTEMPTS or _is_hopeless(error):
                    raise _explained(url, error) from None
                time.sleep(0.2 * 4**attempt)
        raise AssertionError

    @property
    def looks_elsewhere(self) -> bool:
        """Tell whether anybody names another place than PyPI."""
        return self._indexes.configured

    @property
    def shown(self) -> str:
        """The places, as messages name them."""
        return self._indexes.shown()

    def files_of(self, name: str) -> Iterator[IndexFile]:
        """Yield all files of a distribution, index by index; the first index that cannot be read ends it.

        Raises:
            DownloadError: an index or directory cannot be read.
        """
        for index in self._indexes.urls:
            yield from self._page(f"{index}/{name}/")
        for place in self._indexes.find_links:
            if urlsplit(place).scheme in ("http", "https"):
                found = self._page(place)
            else:
                found = _directory(unquote(urlsplit(place).path) if place.startswith("file:") else place)
            yield from (file for file in found if re.match(rf"{re.escape(name)}-\d", normalize_name(file.name)))

    def _page(self, url: str) -> list[IndexFile]:
        if url not in self._pages:
            try:
                self._pages[url] = self._read_page(url)
            except DownloadError as error:
                if not isinstance(error, NotFoundError):
                    raise
                self._pages[url] = []
        return self._pages[url]

    def _read_page(self, url: str) -> list[IndexFile]:
        if url.startswith("file:"):
            path = unquote(urlsplit(url).path)
            if not os.path.isfile(os.path.join(path, "index.html")):
                return _directory(path)
            url = f"{url}index.html"
        with self.open(url, _ACCEPT) as answer:
            kind = str(getattr(answer, "headers", {"Content-Type": ""})["Content-Type"] or "")
            base = getattr(answer, "url", url)
            text = b"".join(islice(received(answer, url), _LARGEST_PAGE // BLOCK_SIZE)).decode("utf-8", "replace")
        if "json" not in kind:
            return _links(text, base)
        try:
            return [_of_json(item, base) for item in json.loads(text)["files"]]
        except (ValueError, KeyError, TypeError):
            raise DownloadError(f"`{masked(url)}` is no page of an index") from None

    def _request(self, url: str, accept: str) -> IO[bytes]:
        host = urlsplit(url).hostname or ""
        context = self._secure
        if any(trusted.partition(":")[0] == host for trusted in self._indexes.trusted_hosts):
            context = ssl._create_unverified_context()  # noqa: S323, SLF001 - the user says so
        proxies = {"http": self._indexes.proxy, "https": self._indexes.proxy} if self._indexes.proxy else None
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context), _Redirects(self)
        )
        try:
            return self._answer(opener, url, accept)
        except urllib.error.HTTPError as error:
            # A keyring is asked when nothing else helps: it may want a password from the user.
            if error.code not in _NOT_ALLOWED or not self._ask_keyring(url):
                raise
            error.close()
            return self._answer(opener, url, accept)

    def _answer(self, opener: urllib.request.OpenerDirector, url: str, accept: str) -> IO[bytes]:
        request = urllib.request.Request(_bare(url), headers={"Accept": accept, "Accept-Encoding": "identity"})  # noqa: S310 - as below
        self.authorize(request, url)
        answer: Any = opener.open(request, timeout=_SECONDS)
        opened: IO[bytes] = answer
        return opened

    def is_credentialed(self, url: str) -> bool:
        """Tell whether the host of a URL is shown credentials."""
        return self._credentials(url) is not None

    def authorize(self, request: urllib.request.Request, url: str) -> None:
        """Add what the host of a request wants to see; a redirect to another host takes nothing along."""
        credentials = self._credentials(url)
        if credentials is not None:
            text = base64.b64encode(f"{credentials[0]}:{credentials[1]}".encode()).decode("ascii")
            request.add_unredirected_header("Authorization", f"Basic {text}")

    def _credentials(self, url: str) -> tuple[str, str] | None:
        """Return what the host of a URL is shown: what URLs have, else `.netrc`, else a user without password."""
        parts = urlsplit(url)
        host = _host(parts)
        named = [known for known in (parts, *self._given) if (known.scheme, _host(known)) == (parts.scheme, host)]
        users = [unquote(known.username) for known in named if known.username is not None]
        for known in named:
            if known.username is not None and known.password is not None:
                return unquote(known.username), unquote(known.password)
        if host not in self._known:
            self._known[host] = self._of_netrc(parts.hostname or "")
        found = self._known[host]
        if found is not None and (not users or found[0] in users):
            return found
        # A token may be all there is.
        return (users[0], "") if users else None

    def _of_netrc(self, host: str) -> tuple[str, str] | None:
        home = self._environ.get("HOME") or os.path.expanduser("~")
        path = self._environ.get("NETRC") or os.path.join(home, ".netrc")
        with suppress(OSError, netrc.NetrcParseError):
            found = netrc.netrc(path).authenticators(host)
            if found is not None:
                return found[0], found[2] or ""
        return None

    def _ask_keyring(self, url: str) -> bool:
        """Ask the command that pip and uv ask; tell whether it knows more than before."""
        parts = urlsplit(url)
        host = _host(parts)
        same = (known for known in self._given if (known.scheme, _host(known)) == (parts.scheme, host))
        user = next((known.username for known in same), None)
        command = shutil.which("keyring", path=self._environ.get("PATH"))
        if command is None or user is None:
            return False
        for service in (_bare(url), host):
            done = subprocess.run(
                [command, "get", service, user],
                env=without_secrets(self._environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0 and done.stdout.strip():
                password = quote(done.stdout.strip(), safe="")
                self._given.insert(0, parts._replace(netloc=f"{user}:{password}@{host}"))
                return True
        return False


class NotFoundError(DownloadError):
    """There is no such file."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads

    def redirect_request(self, *args: Any, **options: Any) -> urllib.request.Request | None:  # noqa: ANN401
        request = super().redirect_request(*args, **options)
        if request is not None:
            self._downloads.authorize(request, request.full_url)
        return request


def received(answer: IO[bytes], url: str) -> Iterator[bytes]:
    """Yield what an opened file holds, block by block.

    Args:
        answer: from `Downloads.open`.
        url: of the file.

    Raises:
        DownloadError: it breaks off.
    """
    reason = "it ended early"
    try:
        while block := answer.read(BLOCK_SIZE):
            yield block
        # What was announced and has not come, which is no error to the library.
        if not getattr(answer, "length", None):
            return
    except (OSError, HTTPException) as error:
        reason = str(getattr(error, "strerror", None) or error)
    raise DownloadError(f"`{masked(_bare(url))}` broke off: {one_line(reason)}; try again")


def _host(parts: SplitResult) -> str:
    """Return host and port."""
    return parts.netloc.rpartition("@")[2]


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=_host(parts), fragment=""))


def _is_hopeless(error: Exception) -> bool:
    """Tell whether another try would end in the same way."""
    reason = getattr(error, "reason", error)
    return isinstance(reason, (ssl.SSLCertVerificationError, ConnectionRefusedError))


def _explained(url: str, error: Exception) -> DownloadError:
    shown = masked(_bare(url))
    if isinstance(error, urllib.error.HTTPError):
        if error.code in _NOT_ALLOWED:
            return DownloadError(
                f"`{shown}` wants other credentials (status {error.code}): give them in `PIP_INDEX_URL`, pip's "
                "configuration, `.netrc` or a keyring"
            )
        if error.code == _NOT_FOUND:
            return NotFoundError(f"there is no `{shown}`")
        return DownloadError(f"`{shown}` answers with status {error.code}")
    reason = getattr(error, "reason", error)
    return DownloadError(f"cannot reach `{shown}`: {one_line(getattr(reason, 'strerror', None) or reason)}")


def _of_json(item: dict[str, Any], base: str) -> IndexFile:
    hashes = item.get("hashes") or {}
    return IndexFile(item["filename"], urljoin(base, item["url"]), hashes.get("sha256"))


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.append({name: value or "" for name, value in attrs})


def _links(text: str, base: str) -> list[IndexFile]:
    parser = _Anchors()
    parser.feed(text)
    found = []
    for anchor in parser.found:
        url = urljoin(base, anchor.get("href", ""))
        parts = urlsplit(url)
        digest = re.search(r"(?:^|&)sha256=([0-9a-f]{64})", parts.fragment)
        name = unquote(parts.path.rpartition("/")[2])
        found.append(IndexFile(name, urlunsplit(parts._replace(fragment="")), digest and digest[1]))
    return found


def _directory(path: str) -> list[IndexFile]:
    from pathlib import Path

    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [IndexFile(name, Path(os.path.abspath(path), name).as_uri(), None) for name in names]
