"""The limit: a handler of the same framework that does nothing but send the same bytes, as JSON or as npy."""

from __future__ import annotations

import os
from io import BytesIO

import numpy as np
import uvicorn
from decoder import body, load, sample
from fastapi import FastAPI, Response

app = FastAPI()
rows = sample(load(), 1)
stream = BytesIO()
np.save(stream, rows.numpy())
JSON, NPY = body(rows), stream.getvalue()


@app.post("/sample")
async def json_answer() -> Response:
    return Response(JSON, media_type="application/json")


@app.post("/sample-npy")
async def npy_answer() -> Response:
    return Response(NPY, media_type="application/x-npy")


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), loop="uvloop", http="httptools", access_log=False, backlog=2048)
