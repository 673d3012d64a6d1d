"""Routes of the loopback Hub for uploads: how each file is to be sent, large files through LFS (whole or in
parts), and the commit.
"""

import hashlib

from tests.hub_routes.access import FILES, Access
from tests.hub_store import Refusal, is_large, parse_lines
from tests.hub_wire import Reply, json_reply, route
from tests.hub_xet import REPO


class Uploads(Access):
    @route("POST", f"/api/{REPO}/preupload/(?P<revision>[^/]+)")
    def preupload(self, kind: str, name: str, revision: str) -> Reply:
        known, rows = self.repo(name, kind, write=True).at(revision).files, []
        for asked in self.json()["files"]:
            row = {
                "path": asked["path"],
                "uploadMode": "lfs" if is_large(asked["path"], asked["size"]) else "regular",
            }
            row |= {"shouldIgnore": False} | (
                {"oid": known[asked["path"]].etag} if asked["path"] in known else {}
            )
            rows.append(row)
        return json_reply({"files": rows})

    @route("POST", f"{FILES}\\.git/info/lfs/objects/batch")
    def batch(self, name: str, kind: str = "models") -> Reply:
        self.repo(name, kind, write=True)
        return json_reply(
            {"transfer": "basic", "objects": [self._action(**each) for each in self.json()["objects"]]}
        )

    def _action(self, oid: str, size: int) -> dict:
        row = {"oid": oid, "size": size}
        if oid in self.hub.large:
            return row
        verify = {"href": f"{self.hub.url}/lfs/verify", "header": {}}
        store, part = f"{self.hub.store_url}/store/{oid}", self.hub.part_size
        if part is None or size <= part:
            return row | {"actions": {"upload": {"href": store}, "verify": verify}}
        header = {str(number + 1): f"{store}?part={number + 1}" for number in range(-(-size // part))}
        upload = {"href": f"{self.hub.url}/lfs/join", "header": {"chunk_size": str(part)} | header}
        return row | {"actions": {"upload": upload, "verify": verify}}

    @route("PUT", "/store/(?P<oid>[0-9a-f]{64})")
    def put(self, oid: str) -> Reply:
        if "part" in self.query:
            self.hub.parts.setdefault(oid, {})[int(self.query["part"])] = self.body
        else:
            self._keep(oid, self.body)
        return Reply(headers={"ETag": f'"{hashlib.md5(self.body).hexdigest()}"'})

    @route("POST", "/lfs/join")
    def join(self) -> Reply:
        asked = self.json()
        parts = self.hub.parts.pop(asked["oid"])
        self._keep(asked["oid"], b"".join(parts[row["partNumber"]] for row in asked["parts"]))
        return json_reply({})

    def _keep(self, oid: str, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != oid:
            raise Refusal(400, "The SHA-256 of what came is not the one that was announced")
        self.hub.large[oid] = data

    @route("POST", "/lfs/verify")
    def verify(self) -> Reply:
        asked = self.json()
        if len(self.hub.large.get(asked["oid"], b"")) != asked["size"]:
            raise Refusal(404, "The object is not there")
        return json_reply({})

    @route("POST", f"/api/{REPO}/commit/(?P<revision>[^/]+)")
    def commit(self, kind: str, name: str, revision: str) -> Reply:
        repo = self.repo(name, kind, write=True)
        made, number = repo.commit(
            revision, parse_lines(self.body), self.hub.large, bool(self.query.get("create_pr"))
        )
        page = f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{name}"
        pull = {"pullRequestUrl": f"{page}/discussions/{number}"} if number else {}
        return json_reply(
            {"success": True, "commitOid": made.oid, "commitUrl": f"{page}/commit/{made.oid}", **pull}
        )
