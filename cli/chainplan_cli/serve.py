"""`chainplan serve`: serve a page on this machine on which a user edits a spec and sees its plan."""

from __future__ import annotations

import click

from chainplan_cli.common import WholeNumberType


@click.command()
@click.option("--port", type=WholeNumberType(0, 65535), default=8017, show_default=True, help="0 takes a free one.")
def command(port: int) -> int:
    """Serve a page to edit specs and see their plans, to this machine alone, until Ctrl-C."""
    try:
        from chainplan.web.server import serve
    except ImportError:
        from chainplan.errors import missing_extra

        raise click.ClickException(missing_extra("serve", "starlette and uvicorn", "web")) from None
    import socket

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.ClickException(
                f"port {port} cannot be used: {error.strerror}. Choose another: --port 0"
            ) from None
        listening.listen()
        click.echo(f"chainplan: http://127.0.0.1:{listening.getsockname()[1]}/ (Ctrl-C ends it)")
        serve(listening)
    return 0
