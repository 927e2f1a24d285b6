"""The parameters of routes."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Header, Path, Query, Request

from pushforward.service.application.application import Application


async def application_of(request: Request) -> Application:
    """The application. Async, because FastAPI calls other dependencies in a thread."""
    return cast(Application, request.app.state.application)


App = Annotated[Application, Depends(application_of)]
JobId = Annotated[str, Path(description="Identifier of the job.")]
Reference = Annotated[str, Path(description="`name` is the newest version, `name@3` is version 3.")]
Key = Annotated[str | None, Header(max_length=1024, description="The same key starts one job.")]
DryRun = Annotated[bool, Query(description="Check the run and tell what it would do; no job is made.")]
LastEvent = Annotated[str | None, Header(description="Id of the last event that was seen; the events after it follow.")]
InState = Annotated[str | None, Query(description="Only jobs in this state.")]
OfModel = Annotated[str | None, Query(description="Only of this model, by name.")]
Limit = Annotated[int, Query(description="Jobs of a page, 1000 at most.")]
After = Annotated[str | None, Query(description="`next` of the page before.")]
Points = Annotated[int, Query(description="Points of a curve, 2 to 2000.")]
