"""Xet on the loopback Hub: large files go through the real hf_xet, which keeps them in a folder instead of a
server of its own.

Here are the tokens it asks for, and the headers by which a file is found in that folder. hf_xet 1.8 takes
`local://FOLDER` for the address of a storage server; that is not documented. There is no Xet server, so the
Hub is told beforehand what will arrive (`Hub.expect`).
"""

import json
import tempfile
from pathlib import Path

from tests.hub_wire import Reply, Wire, route

FOREVER = 4_000_000_000  # seconds since 1970
REPO = r"(?P<kind>models|datasets|spaces)/(?P<name>[\w.-]+/[\w.-]+)"


class Xet(Wire):
    @route("GET", f"/api/{REPO}/xet-(?P<what>read|write)-token/(?P<revision>[^/]+)")
    def xet_token(self, kind: str, name: str, what: str, revision: str) -> Reply:
        """Where content is kept, and the leave to use it. 404 where this Hub has no such place."""
        self.repo(name, kind, what == "write").at(revision)
        told = {"casUrl": self.hub.xet_url(), "exp": FOREVER, "accessToken": "xet"}
        names = {
            "casUrl": "X-Xet-Cas-Url",
            "exp": "X-Xet-Token-Expiration",
            "accessToken": "X-Xet-Access-Token",
        }
        return Reply(
            json.dumps(told).encode(),
            headers={"Content-Type": "application/json"} | {names[key]: str(told[key]) for key in told},
        )

    def xet_headers(self, kind: str, name: str, revision: str, data: bytes) -> dict[str, str]:
        """By which a client finds the content of a large file; none where this Hub has no Xet."""
        if self.hub.xet is None:
            return {}
        return {
            "X-Xet-Hash": xet_hash(data),
            "X-Xet-Refresh-Route": f"{self.hub.url}/api/{kind}/{name}/xet-read-token/{revision}",
        }


def xet_hash(data: bytes) -> str:
    """Xet's name of a file's content."""
    from hf_xet import hash_files

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "content"
        path.write_bytes(data)
        (info,) = hash_files([str(path)])
    return info.hash
