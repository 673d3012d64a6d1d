"""The Hub's routes, as huggingface_hub 2.4.0 asks for them: who asks, repositories, refs, files in and out,
Spaces.

Each route is a method. Transport and faults are in `hub_wire.py`, what is kept in `hub_store.py`, Xet in
`hub_xet.py`.
"""

import hashlib
import json
import re
from urllib.parse import parse_qs, quote

import yaml

from tests.hub_store import Refusal, Repository, Space, described, is_large, parse_lines, sibling
from tests.hub_wire import Reply, route
from tests.hub_xet import REPO, Xet

WRITE, READ = "hf_write", "hf_read"  # the tokens of USER; any other token has expired
USER = "tester"
ORGANISATION = "hospital"  # USER may write here too
FILES = r"/(?:(?P<kind>datasets|spaces)/)?(?P<name>[\w.-]+/[\w.-]+)"


class Handler(Xet):
    # --- who asks ---

    def token(self) -> str | None:
        """The caller's token, None without one. 401 if it has expired."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        if token not in (None, WRITE, READ):
            raise Refusal(401, "Invalid credentials in Authorization header")
        return token

    def may_write(self, namespace: str) -> None:
        token = self.token()
        if token is None:
            raise Refusal(401, "Invalid username or password.")
        if token == READ or namespace not in self.hub.namespaces:
            raise Refusal(403, f"You don't have the required permissions to write to {namespace}")

    def repo(self, name: str, kind: str = "models", write: bool = False) -> Repository:
        found, token = self.hub.repositories.get((kind.rstrip("s"), name)), self.token()
        if found is None or (found.private and token is None):
            raise Refusal(401 if token is None else 404, "Repository not found", "RepoNotFound")
        if found.gated and token is None:
            raise Refusal(401, f"Access to model {name} is restricted", "GatedRepo")
        if write:
            self.may_write(name.split("/")[0])
        return found

    def json(self) -> dict:
        return json.loads(self.body or b"{}")

    @route("GET", "/api/whoami-v2")
    def whoami(self) -> Reply:
        token = self.token()
        if token is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        access = {
            "displayName": "test",
            "role": "write" if token == WRITE else "read",
            "createdAt": "2026-01-01T00:00:00.000Z",
        }
        orgs = [
            {
                "type": "org",
                "name": ORGANISATION,
                "fullname": ORGANISATION,
                "roleInOrg": "write",
                "isEnterprise": False,
            }
        ]
        user = {
            "type": "user",
            "id": "1",
            "name": USER,
            "fullname": USER,
            "isPro": self.hub.pro,
            "canPay": self.hub.pro,
            "orgs": orgs,
        }
        return _json({**user, "auth": {"type": "access_token", "accessToken": access}})

    @route("GET", "/api/spaces/zero-gpu/quota")  # before the routes that take it for a repository
    def quota(self) -> Reply:
        return _json({"base": 300, "current": 300, "resetsAt": None})

    # --- repositories ---

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
        return _json({"url": url, "name": name, "id": name})

    @route("DELETE", "/api/repos/delete")
    def delete(self) -> Reply:
        asked = self.json()
        name, kind = f"{asked.get('organization') or USER}/{asked['name']}", asked.get("type") or "model"
        self.repo(name, kind + "s", write=True)
        del self.hub.repositories[kind, name]
        return _json({})

    @route("POST", "/api/validate-yaml")
    def validate(self) -> Reply:
        found = re.match(r"---\n(.*?)\n---", self.json()["content"], re.S)
        try:
            data = yaml.safe_load(found[1]) if found else {}
        except yaml.YAMLError as error:
            return _json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        wrong = [] if isinstance(data, dict) else [{"message": "metadata must be a mapping"}]
        if isinstance(data, dict) and not isinstance(data.get("license", ""), str):
            wrong = [{"message": '"license" must be a string'}]
        warnings = [] if data else [{"message": "empty or missing yaml metadata in repo card"}]
        return _json({"errors": wrong, "warnings": warnings}, 400 if wrong else 200)

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
                "runtime": _runtime(repo.space),
            }
            row |= {"host": repo.space.host or f"https://{name.replace('/', '-')}.hf.space"}
        return _json(row)

    @route("GET", f"/api/{REPO}/auth-check(?P<write>/write)?")
    def auth_check(self, kind: str, name: str, write: str = "") -> Reply:
        self.repo(name, kind, bool(write))
        return _json({})

    @route("PUT", f"/api/{REPO}/settings")
    def settings(self, kind: str, name: str) -> Reply:
        repo, asked = self.repo(name, kind, write=True), self.json()
        repo.private = asked.get("visibility", "private" if repo.private else "public") == "private"
        repo.gated = asked.get("gated", repo.gated)
        return _json({"private": repo.private, "gated": repo.gated})

    @route("GET", f"/api/{REPO}/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?")
    def tree(self, kind: str, name: str, revision: str, path: str = "") -> Reply:
        return _json(
            self.repo(name, kind).tree(revision, path, self.query.get("recursive", "").lower() == "true")
        )

    @route("POST", f"/api/{REPO}/paths-info/(?P<revision>[^/]+)")
    def paths_info(self, kind: str, name: str, revision: str) -> Reply:
        asked = parse_qs(self.body.decode()).get("paths", [])
        files = self.repo(name, kind).at(revision).files
        return _json([described(path, files[path]) for path in asked if path in files])

    @route("GET", f"/api/{REPO}/commits/(?P<revision>[^/]+)")
    def commits(self, kind: str, name: str, revision: str) -> Reply:
        rows = [
            {"id": c.oid, "title": c.title, "message": c.description}
            for c in self.repo(name, kind).history(revision)
        ]
        return _json(
            [row | {"authors": [{"user": USER}], "date": "2026-01-01T00:00:00.000Z"} for row in rows]
        )

    # --- branches, tags, pull requests ---

    @route("GET", f"/api/{REPO}/refs")
    def refs(self, kind: str, name: str) -> Reply:
        rows: dict[str, list] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
        groups = {"refs/heads/": "branches", "refs/tags/": "tags", "refs/pr/": "pullRequests"}
        for ref, oid in self.repo(name, kind).refs.items():
            start = next(start for start in groups if ref.startswith(start))
            rows[groups[start]].append({"name": ref.removeprefix(start), "ref": ref, "targetCommit": oid})
        return _json(rows)

    @route("POST", f"/api/{REPO}/(?P<what>tag|branch)/(?P<revision>[^/]+)")
    def add_ref(self, kind: str, name: str, what: str, revision: str) -> Reply:
        repo, asked = self.repo(name, kind, write=True), self.json()
        ref = f"refs/tags/{asked['tag']}" if what == "tag" else f"refs/heads/{revision}"
        if ref in repo.refs:
            raise Refusal(409, f"Reference {ref} exists already")
        repo.refs[ref] = repo.at(revision if what == "tag" else asked.get("startingPoint", "main")).oid
        return _json({})

    @route("DELETE", f"/api/{REPO}/(?P<what>tag|branch)/(?P<revision>[^/]+)")
    def drop_ref(self, kind: str, name: str, what: str, revision: str) -> Reply:
        refs = self.repo(name, kind, write=True).refs
        if refs.pop(f"refs/{'tags' if what == 'tag' else 'heads'}/{revision}", None) is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return _json({})

    @route("POST", f"/api/{REPO}/discussions")
    def discuss(self, kind: str, name: str) -> Reply:
        asked = self.json()
        return _json(
            {
                "num": self.repo(name, kind).discuss(
                    asked["title"], asked.get("description", ""), asked["pullRequest"]
                )
            }
        )

    @route("GET", f"/api/{REPO}/discussions/(?P<number>\\d+)")
    def discussion(self, kind: str, name: str, number: str) -> Reply:
        row = self.repo(name, kind).discussions[int(number) - 1]
        about = {
            "status": "open",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "author": {"name": USER},
            "events": [],
            "diff": "",
        }
        about |= {
            "repo": {"name": name, "type": kind.rstrip("s")},
            "changes": {"base": "refs/heads/main"},
            "filesWithConflicts": [],
        }
        return _json(row | about)

    # --- files in ---

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
        return _json({"files": rows})

    @route("POST", f"{FILES}\\.git/info/lfs/objects/batch")
    def batch(self, name: str, kind: str = "models") -> Reply:
        self.repo(name, kind, write=True)
        return _json(
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
        return _json({})

    def _keep(self, oid: str, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != oid:
            raise Refusal(400, "The SHA-256 of what came is not the one that was announced")
        self.hub.large[oid] = data

    @route("POST", "/lfs/verify")
    def verify(self) -> Reply:
        asked = self.json()
        if len(self.hub.large.get(asked["oid"], b"")) != asked["size"]:
            raise Refusal(404, "The object is not there")
        return _json({})

    @route("POST", f"/api/{REPO}/commit/(?P<revision>[^/]+)")
    def commit(self, kind: str, name: str, revision: str) -> Reply:
        repo = self.repo(name, kind, write=True)
        made, number = repo.commit(
            revision, parse_lines(self.body), self.hub.large, bool(self.query.get("create_pr"))
        )
        page = f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{name}"
        pull = {"pullRequestUrl": f"{page}/discussions/{number}"} if number else {}
        return _json(
            {"success": True, "commitOid": made.oid, "commitUrl": f"{page}/commit/{made.oid}", **pull}
        )

    # --- files out ---

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

    # --- Spaces ---

    def space(self, name: str, write: bool = False) -> Space:
        return self.repo(name, "spaces", write).space

    @route("GET", r"/api/spaces/(?P<name>[\w.-]+/[\w.-]+)/runtime")
    def runtime(self, name: str) -> Reply:
        space = self.space(name)
        row = _runtime(space)
        if len(space.stages) > 1:
            space.stages.pop(0)
        return _json(row)

    @route("GET", r"/api/spaces/(?P<name>[\w.-]+/[\w.-]+)/(?P<what>secrets|variables)")
    def listed(self, name: str, what: str) -> Reply:
        return _json(_settings(self.space(name, write=True), what))

    @route("POST", r"/api/spaces/(?P<name>[\w.-]+/[\w.-]+)/(?P<what>secrets|variables)")
    def set(self, name: str, what: str) -> Reply:
        space, asked = self.space(name, write=True), self.json()
        (space.secrets if what == "secrets" else space.variables)[asked["key"]] = asked["value"]
        return _json(_settings(space, what))

    @route("DELETE", r"/api/spaces/(?P<name>[\w.-]+/[\w.-]+)/(?P<what>secrets|variables)")
    def unset(self, name: str, what: str) -> Reply:
        space = self.space(name, write=True)
        (space.secrets if what == "secrets" else space.variables).pop(self.json()["key"], None)
        return _json(_settings(space, what))

    @route("POST", r"/api/spaces/(?P<name>[\w.-]+/[\w.-]+)/(?P<what>hardware|sleeptime|pause|restart)")
    def steer(self, name: str, what: str) -> Reply:
        space, asked = self.space(name, write=True), self.json() if self.body else {}
        if what == "hardware":
            space.hardware = asked["flavor"]
        space.sleep_time = asked.get("sleepTimeSeconds", asked.get("seconds", space.sleep_time))
        space.stages = {"pause": ["PAUSED"], "restart": ["BUILDING", "RUNNING_APP_STARTING", "RUNNING"]}.get(
            what, space.stages
        )
        return _json(_runtime(space))

    @route("GET", r"/api/spaces/(?P<name>[\w.-]+/[\w.-]+)/logs/(?P<which>build|run)")
    def logs(self, name: str, which: str) -> Reply:
        space = self.space(name)
        lines = space.build_log if which == "build" else space.run_log
        events = [
            json.dumps({"data": line + "\n", "timestamp": "2026-01-01T00:00:00.000Z"}) for line in lines
        ]
        return Reply(
            "".join(f"data: {event}\n\n" for event in events).encode(),
            headers={"Content-Type": "text/event-stream"},
        )


def _json(value: object, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"})


def _runtime(space: Space) -> dict:
    current = space.hardware if space.stages[0] == "RUNNING" else None
    hardware = {"current": current, "requested": space.hardware}
    return {
        "stage": space.stages[0],
        "hardware": hardware,
        "gcTimeout": space.sleep_time,
        "storage": None,
        "devMode": False,
    }


def _settings(space: Space, what: str) -> dict:
    """Secrets can be written, not read."""
    if what == "secrets":
        return {key: {"updatedAt": "2026-01-01T00:00:00.000Z"} for key in space.secrets}
    return {key: {"value": value} for key, value in space.variables.items()}
