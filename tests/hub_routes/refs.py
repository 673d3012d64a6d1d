"""Routes of the loopback Hub for branches, tags, discussions and pull requests."""

from tests.hub_routes.access import USER, Access
from tests.hub_store import Refusal
from tests.hub_wire import Reply, json_reply, route
from tests.hub_xet import REPO


class Refs(Access):
    @route("GET", f"/api/{REPO}/refs")
    def refs(self, kind: str, name: str) -> Reply:
        rows: dict[str, list] = {"branches": [], "converts": [], "tags": [], "pullRequests": []}
        groups = {"refs/heads/": "branches", "refs/tags/": "tags", "refs/pr/": "pullRequests"}
        for ref, oid in self.repo(name, kind).refs.items():
            start = next(start for start in groups if ref.startswith(start))
            rows[groups[start]].append({"name": ref.removeprefix(start), "ref": ref, "targetCommit": oid})
        return json_reply(rows)

    @route("POST", f"/api/{REPO}/(?P<what>tag|branch)/(?P<revision>[^/]+)")
    def add_ref(self, kind: str, name: str, what: str, revision: str) -> Reply:
        repo, asked = self.repo(name, kind, write=True), self.json()
        ref = f"refs/tags/{asked['tag']}" if what == "tag" else f"refs/heads/{revision}"
        if ref in repo.refs:
            raise Refusal(409, f"Reference {ref} exists already")
        repo.refs[ref] = repo.at(revision if what == "tag" else asked.get("startingPoint", "main")).oid
        return json_reply({})

    @route("DELETE", f"/api/{REPO}/(?P<what>tag|branch)/(?P<revision>[^/]+)")
    def drop_ref(self, kind: str, name: str, what: str, revision: str) -> Reply:
        refs = self.repo(name, kind, write=True).refs
        if refs.pop(f"refs/{'tags' if what == 'tag' else 'heads'}/{revision}", None) is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return json_reply({})

    @route("POST", f"/api/{REPO}/discussions")
    def discuss(self, kind: str, name: str) -> Reply:
        asked = self.json()
        return json_reply(
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
        return json_reply(row | about)
