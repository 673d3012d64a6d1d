"""Gradio's MCP server, mended where what it hands over is no use to a program.

Gradio 6.31 gives a dictionary as Python's `repr`, an image also as a path on the server, and, to a client
that asks for no progress, everything as one text. `mend` is called once the page is served.
"""

import json

import gradio as gr
from gradio_client.client import Job


def mend(demo: gr.Blocks) -> None:
    """Let the MCP tools of `demo`, which is served, answer in JSON and with the mask as an image; nothing to
    do where MCP is off."""
    if demo.mcp_server_obj is not None:
        demo.mcp_server_obj.__class__ = _json_server()


def _json_server() -> type:
    from gradio.mcp import GradioMCPServer

    class JsonServer(GradioMCPServer):
        """Values as JSON, images as images."""

        async def _execute_tool_without_progress(self, job: Job) -> list:
            result = await super()._execute_tool_without_progress(job)
            return list(result[0]) if isinstance(result[0], tuple) else result

        def postprocess_output_data(self, data: list, root_url: str) -> list:
            parts = []
            for value in data:
                if isinstance(value, (dict, list)) and not _is_file(value):
                    parts.append(self.types.TextContent(type="text", text=json.dumps(value, allow_nan=False)))
                elif value is not None:
                    found = super().postprocess_output_data([value], root_url)
                    images = [part for part in found if part.type == "image"]
                    parts += images or found
            return parts

    return JsonServer


def _is_file(value: object) -> bool:
    return isinstance(value, dict) and value.get("meta", {}).get("_type") == "gradio.FileData"
