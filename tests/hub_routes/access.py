"""Access to the loopback Hub: the token of a request, the repository that it may read or write, and the
routes for the user's account.
"""

import json

from tests.hub_store import Refusal, Repository
from tests.hub_wire import Reply, Wire, json_reply, route

WRITE, READ = "hf_write", "hf_read"  # the tokens of USER; any other token has expired
USER = "tester"
ORGANISATION = "hospital"  # USER may write here too
# how the address of a file begins: its repository, outside the API
FILES = r"/(?:(?P<kind>datasets|spaces)/)?(?P<name>[\w.-]+/[\w.-]+)"


class Access(Wire):
    """What the routes of every kind share: checks of token and repository, and the body as JSON."""

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
        return json_reply({**user, "auth": {"type": "access_token", "accessToken": access}})

    @route(
        "GET", "/api/spaces/zero-gpu/quota"
    )  # before the routes that take it for a repository: they import this module
    def quota(self) -> Reply:
        return json_reply({"base": 300, "current": 300, "resetsAt": None})
