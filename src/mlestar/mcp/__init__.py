"""An MCP server on standard input and output: a run as tools of an assistant (docs/assistants.md).

Needs the extra `mcp`; cli/serving.py imports this and says so. Every call has a thread of its own, so none holds up
another. Standard output belongs to the protocol, and nothing here prints.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from importlib.metadata import version
from inspect import iscoroutinefunction
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from mlestar.errors import MleStarError
from mlestar.mcp.models import INSTRUCTIONS
from mlestar.mcp.threads import beside
from mlestar.mcp.tools import Tools
from mlestar.plain import clean


def server() -> MCPServer:
    """The server with all tools; what a user can mend comes back as the text of a failed call."""
    made = MCPServer(
        "mle-star", instructions=INSTRUCTIONS, version=version("mle-star"), log_level="WARNING",
    )  # fmt: skip
    tools = Tools()
    for name in (name for name in vars(Tools) if not name.startswith("_")):
        hints = ToolAnnotations(read_only_hint=name in ("show", "questions", "report", "result"))
        made.add_tool(_told(getattr(tools, name)), name=name, annotations=hints)
    return made


def _told(tool: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(tool)
    async def call(**given: Any) -> Any:
        try:
            return await tool(**given) if iscoroutinefunction(tool) else await beside(partial(tool, **given))
        except MleStarError as error:
            raise ToolError(clean(str(error))) from None

    return call
