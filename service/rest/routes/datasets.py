"""Routes of datasets: upload, list, show, download and delete files for runs to read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from starlette.requests import ClientDisconnect

from pushforward.models.data.uploads.datasets import Dataset
from pushforward.service.application.commands.uploads import OutlineDataset
from pushforward.service.application.trainings.outlines import DatasetOutline
from pushforward.service.domain.errors import names, naming
from pushforward.service.http.bodies import CLIENT_CLOSED_REQUEST
from pushforward.service.rest.contract import schemas
from pushforward.service.rest.contract.openapi import BINARY, answers, documented, file_body
from pushforward.service.rest.downloads import download
from pushforward.service.rest.request_bodies import read
from pushforward.service.rest.responses import json_response
from pushforward.service.rest.routes.parameters import App
from pushforward.service.rest.strict import StrictRoute
from pushforward.service.rest.uploads import HEADERS, upload_of

router = APIRouter(route_class=StrictRoute)

DatasetName = Annotated[str, Path(description="Name of the dataset.")]
Digest = Annotated[str | None, Header(description="`sha-256=:...:`, which is compared with what came (RFC 9530).")]
Replaced = Annotated[str | None, Header(description="ETag of the file to be replaced; `*` for any.")]


@router.put(
    "/datasets/{name}",
    status_code=201,
    operation_id="put_dataset",
    **documented(
        "Upload a dataset", answers(Dataset, 201) | answers(Dataset), tag="datasets", request_body=file_body()
    ),
)
async def put_dataset(
    request: Request, app: App, name: DatasetName, content_digest: Digest = None, if_match: Replaced = None
) -> Response:
    """Keep a file under a name: 201, or 200 where the name had it, or another that `If-Match` names, before."""
    try:
        with naming(names(**HEADERS)):
            upload = upload_of(request, name, content_digest, if_match)
            dataset, is_new = await app.datasets.put(upload, request.stream())
    except ClientDisconnect:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    headers = {"Location": f"/datasets/{dataset.name}", "ETag": f'"{dataset.sha256}"'}
    return json_response(dataset, 201 if is_new else 200, headers)


@router.get(
    "/datasets",
    operation_id="list_datasets",
    **documented("List the datasets", answers(schemas.DatasetsBody), tag="datasets"),
)
async def datasets(app: App) -> Response:
    """The datasets that were uploaded, by name."""
    return json_response({"datasets": await app.datasets.list()})


@router.get(
    "/datasets/{name}",
    operation_id="get_dataset",
    **documented("Get a dataset's record", answers(Dataset), tag="datasets"),
)
async def dataset(app: App, name: DatasetName) -> Response:
    """What is known of a dataset: its format, size and digest."""
    found = await app.datasets.get(name)
    return json_response(found, headers={"ETag": f'"{found.sha256}"'})


@router.post(
    "/datasets/{name}/outline",
    operation_id="outline_dataset",
    **documented("Outline a dataset", answers(DatasetOutline), tag="datasets", command=OutlineDataset),
)
async def outline(request: Request, app: App, name: DatasetName) -> Response:
    """What a dataset would be as data of a run: rows, shape, the kinds of a table's columns and why."""
    return json_response(await app.datasets.outline(name, await read(request, OutlineDataset, app.intake)))


@router.get(
    "/datasets/{name}/content",
    operation_id="download_dataset",
    **documented("Download a dataset", answers(None, media=BINARY), tag="datasets"),
)
async def content(request: Request, app: App, name: DatasetName) -> Response:
    """The file, as it was uploaded; `Range` gives a part of it."""
    return download(request, await app.datasets.file(name))


@router.delete(
    "/datasets/{name}",
    operation_id="delete_dataset",
    **documented("Delete a dataset", answers(schemas.DeletedDatasetsBody), tag="datasets"),
)
async def delete_dataset(app: App, name: DatasetName) -> Response:
    """Delete a dataset, unless a queued, running or paused job reads it."""
    return json_response({"deleted": await app.datasets.delete(name)})
