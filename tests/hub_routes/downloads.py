"""Routes of the loopback Hub for downloads: a file or a range of its bytes, directly or behind a redirect to
the store of large files.
"""

import re
from urllib.parse import quote

from tests.hub_routes.access import FILES, Access
from tests.hub_wire import Reply, route
from tests.hub_xet import Xet


class Downloads(Access, Xet):
    @route("GET", f"{FILES}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, name: str, revision: str, path: str, kind: str = "models") -> Reply:
        commit, file = self.repo(name, kind).file(revision, path)
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.lfs:
            headers |= self.xet_headers(kind, name, commit.oid, file.data)
        if not (file.lfs and self.hub.redirect):
            return self._ranged(file.data, headers)
        self.hub.large[file.sha256] = file.data
        link = {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(len(file.data))}
        return Reply(
            b"",
            302,
            headers | link | {"Location": f"{self.hub.store_url}/store/{file.sha256}?name={quote(path)}"},
        )

    @route("GET", "/store/(?P<oid>[0-9a-f]{64})")
    def get(self, oid: str) -> Reply:
        if "Authorization" in self.headers:
            self.hub.leaks.append(self.path)
        return self._ranged(self.hub.large[oid], {"ETag": f'"{oid}"'})

    def _ranged(self, data: bytes, headers: dict[str, str]) -> Reply:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            return Reply(data, headers=headers)
        first, last = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        return Reply(
            data[first : last + 1], 206, headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        )
