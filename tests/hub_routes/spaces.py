"""Routes of the loopback Hub for Spaces: their stage, secrets, variables, hardware and logs."""

import json

from tests.hub_routes.access import Access
from tests.hub_store import Space
from tests.hub_wire import Reply, json_reply, route

SPACE = r"/api/spaces/(?P<name>[\w.-]+/[\w.-]+)"


class Spaces(Access):
    def space(self, name: str, write: bool = False) -> Space:
        return self.repo(name, "spaces", write).space

    @route("GET", f"{SPACE}/runtime")
    def runtime(self, name: str) -> Reply:
        space = self.space(name)
        row = runtime_row(space)
        if len(space.stages) > 1:
            space.stages.pop(0)
        return json_reply(row)

    @route("GET", f"{SPACE}/(?P<what>secrets|variables)")
    def listed(self, name: str, what: str) -> Reply:
        return json_reply(_settings(self.space(name, write=True), what))

    @route("POST", f"{SPACE}/(?P<what>secrets|variables)")
    def set(self, name: str, what: str) -> Reply:
        space, asked = self.space(name, write=True), self.json()
        (space.secrets if what == "secrets" else space.variables)[asked["key"]] = asked["value"]
        return json_reply(_settings(space, what))

    @route("DELETE", f"{SPACE}/(?P<what>secrets|variables)")
    def unset(self, name: str, what: str) -> Reply:
        space = self.space(name, write=True)
        (space.secrets if what == "secrets" else space.variables).pop(self.json()["key"], None)
        return json_reply(_settings(space, what))

    @route("POST", f"{SPACE}/(?P<what>hardware|sleeptime|pause|restart)")
    def steer(self, name: str, what: str) -> Reply:
        space, asked = self.space(name, write=True), self.json() if self.body else {}
        if what == "hardware":
            space.hardware = asked["flavor"]
        space.sleep_time = asked.get("sleepTimeSeconds", asked.get("seconds", space.sleep_time))
        space.stages = {"pause": ["PAUSED"], "restart": ["BUILDING", "RUNNING_APP_STARTING", "RUNNING"]}.get(
            what, space.stages
        )
        return json_reply(runtime_row(space))

    @route("GET", f"{SPACE}/logs/(?P<which>build|run)")
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


def runtime_row(space: Space) -> dict:
    """A Space's stage and hardware, as its own answer and `runtime` give them."""
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
