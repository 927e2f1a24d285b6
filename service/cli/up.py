"""`pushforward up`: the whole service on one machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.text import Text

from pushforward.service.cli.terminal import err, fail


def _port(help: str, variable: str) -> Any:
    return typer.Option(help=f"{help}; 0 takes a free one.", min=0, max=65535, envvar=variable)


def up(
    http_port: Annotated[int, _port("REST", "PUSHFORWARD_HTTP_PORT")] = 8000,
    grpc_port: Annotated[int, _port("gRPC", "PUSHFORWARD_GRPC_PORT")] = 8001,
    store: Annotated[Path, typer.Option(help="Models and jobs are kept here.", envvar="PUSHFORWARD_STORE")] = Path(
        "store"
    ),
    data_root: Annotated[
        Path, typer.Option(help="The only folder a run may read files from.", envvar="PUSHFORWARD_DATA_ROOT")
    ] = Path("data"),
    gateways: Annotated[
        int, typer.Option(help="Processes that share the ports.", min=1, envvar="PUSHFORWARD_GATEWAYS")
    ] = 1,
) -> None:
    """Run the service on this machine: Redis, a worker, REST and gRPC, until Ctrl-C."""
    from pushforward.service.local import up as local
    from pushforward.service.processes.supervision import StartError
    from pushforward.service.telemetry.logs import TIME

    def say(line: str) -> None:
        err.print(Text.assemble(time.strftime(TIME), " ", ("pushforward", "bold"), " ", line))

    free = local.free_ports(2)
    ports = http_port or free[0], grpc_port or free[1]
    place = local.LocalService(store, data_root, *ports, gateways)
    try:
        local.up(place, say)
    except StartError as error:
        fail(str(error))
    except ValidationError as error:
        fail("\n".join(f"PUSHFORWARD_{str(wrong['loc'][0]).upper()}: {wrong['msg']}" for wrong in error.errors()))
