"""Routes of the loopback Hub for repositories: creating and deleting them, their metadata and settings, and
the lists of their files and commits.
"""

import json
import re
from urllib.parse import parse_qs

import yaml

from tests.hub_routes.access import USER, Access
from tests.hub_routes.spaces import runtime_row
from tests.hub_store import Refusal, Repository, described, sibling
from tests.hub_wire import Reply, json_reply, route
from tests.hub_xet import REPO


class Repositories(Access):
    @route("POST", "/api/repos/create")
    def create(self) -> Reply:
        asked = self.json()
        name, kind = f"{asked.get('organization') or USER}/{asked['name']}", asked.get("type") or "model"
        self.may_write(name.split("/")[0])
        url = f"{self.hub.url}/{'' if kind == 'model' else kind + 's/'}{name}"
        if (kind, name) in self.hub.repositories:
            body = {"error": "You already created this repo", "url": url}
            return Reply(
                json.dumps(body).encode(),
                409,
                {"X-Error-Message": body["error"], "Content-Type": "application/json"},
            )
        space = None
        if kind == "space":
            if asked["sdk"] != "static" and asked.get("hardware") in (None, "cpu-basic") and not self.hub.pro:
                raise Refusal(402, "Payment required: Spaces on cpu-basic need a PRO subscription")
            space = self.hub.new_space(asked["sdk"], asked.get("hardware"), asked.get("sleepTimeSeconds"))
            space.secrets |= {row["key"]: row["value"] for row in asked.get("secrets", [])}
            space.variables |= {row["key"]: row["value"] for row in asked.get("variables", [])}
        private = asked.get("visibility") == "private" or asked.get("private", False)
        self.hub.repositories[kind, name] = Repository(kind, name, private, space)
        return json_reply({"url": url, "name": name, "id": name})

    @route("DELETE", "/api/repos/delete")
    def delete(self) -> Reply:
        asked = self.json()
        name, kind = f"{asked.get('organization') or USER}/{asked['name']}", asked.get("type") or "model"
        self.repo(name, kind + "s", write=True)
        del self.hub.repositories[kind, name]
        return json_reply({})

    @route("POST", "/api/validate-yaml")
    def validate(self) -> Reply:
        found = re.match(r"---\n(.*?)\n---", self.json()["content"], re.S)
        try:
            data = yaml.safe_load(found[1]) if found else {}
        except yaml.YAMLError as error:
            return json_reply({"errors": [{"message": str(error)}], "warnings": []}, 400)
        wrong = [] if isinstance(data, dict) else [{"message": "metadata must be a mapping"}]
        if isinstance(data, dict) and not isinstance(data.get("license", ""), str):
            wrong = [{"message": '"license" must be a string'}]
        warnings = [] if data else [{"message": "empty or missing yaml metadata in repo card"}]
        return json_reply({"errors": wrong, "warnings": warnings}, 400 if wrong else 200)

    @route("GET", f"/api/{REPO}(?:/revision/(?P<revision>[^/]+))?")
    def info(self, kind: str, name: str, revision: str = "main") -> Reply:
        repo = self.repo(name, kind)
        commit = repo.at(revision)
        siblings = [
            sibling(path, file, self.query.get("blobs") in ("true", "True", "1"))
            for path, file in sorted(commit.files.items())
        ]
        row = {
            "id": name,
            "author": name.split("/")[0],
            "sha": commit.oid,
            "private": repo.private,
            "gated": repo.gated,
            "tags": [],
        }
        row |= {
            "siblings": siblings,
            "lastModified": "2026-01-01T00:00:00.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "downloads": 0,
        }
        if repo.space is not None:
            row |= {
                "sdk": repo.space.sdk,
                "subdomain": name.replace("/", "-"),
                "runtime": runtime_row(repo.space),
            }
            row |= {"host": repo.space.host or f"https://{name.replace('/', '-')}.hf.space"}
        return json_reply(row)

    @route("GET", f"/api/{REPO}/auth-check(?P<write>/write)?")
    def auth_check(self, kind: str, name: str, write: str = "") -> Reply:
        self.repo(name, kind, bool(write))
        return json_reply({})

    @route("PUT", f"/api/{REPO}/settings")
    def settings(self, kind: str, name: str) -> Reply:
        repo, asked = self.repo(name, kind, write=True), self.json()
        repo.private = asked.get("visibility", "private" if repo.private else "public") == "private"
        repo.gated = asked.get("gated", repo.gated)
        return json_reply({"private": repo.private, "gated": repo.gated})

    @route("GET", f"/api/{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?")
    def tree(self, kind: str, name: str, revision: str, path: str = "") -> Reply:
        return json_reply(
            self.repo(name, kind).tree(revision, path, self.query.get("recursive", "").lower() == "true")
        )

    @route("POST", f"/api/{REPO}/paths-info/(?P<revision>[^/]+)")
    def paths_info(self, kind: str, name: str, revision: str) -> Reply:
        asked = parse_qs(self.body.decode()).get("paths", [])
        files = self.repo(name, kind).at(revision).files
        return json_reply([described(path, files[path]) for path in asked if path in files])

    @route("GET", f"/api/{REPO}/commits/(?P<revision>[^/]+)")
    def commits(self, kind: str, name: str, revision: str) -> Reply:
        rows = [
            {"id": c.oid, "title": c.title, "message": c.description}
            for c in self.repo(name, kind).history(revision)
        ]
        return json_reply(
            [row | {"authors": [{"user": USER}], "date": "2026-01-01T00:00:00.000Z"} for row in rows]
        )
