"""Commands by which other programs reach mle-star."""

from __future__ import annotations

import signal

from mlestar.cli.options import app


@app.command()
def mcp() -> None:
    """Serve a run as tools for an assistant (MCP, standard input and output); the assistant starts this itself."""
    from mlestar.errors import SettingsError

    try:
        from mlestar.mcp import server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise SettingsError('the MCP server needs an extra part: pip install "mle-star[mcp]"') from None
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it waits for its input in a thread that nothing else can end
    server().run("stdio")
