# The worker: trains models and answers for those it holds. One for each device.
#   docker build -f docker/worker.Dockerfile -t pushforward-worker .                                      (CUDA)
#   docker build -f docker/worker.Dockerfile --build-arg TORCH_INDEX_URL=<PyTorch's CPU index> ...        (CPU)
# The index for CPU-only builds is named on pytorch.org under "Get started"; it saves several gigabytes.
FROM python:3.12-slim AS build
ARG TORCH_INDEX_URL=
WORKDIR /src
RUN python -m venv /venv
# Dependencies first, in the versions that are tested: these layers change with them, not with the source.
COPY constraints.txt ./
RUN /venv/bin/pip install --no-cache-dir ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} \
    "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml README.md LICENSE ./
COPY pushforward/__init__.py pushforward/
RUN /venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[worker,table,otel,tensorboard,mlflow]"
COPY pushforward pushforward
COPY models models
COPY service service
RUN /venv/bin/pip install --no-cache-dir --no-deps --force-reinstall .

FROM python:3.12-slim
# The compiler with which networks that are asked much are compiled; without it they stay as they are.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --no-create-home pushforward \
    && install --directory --owner 10001 --group 10001 /store /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    PUSHFORWARD_STORE=/store \
    PUSHFORWARD_DATA_ROOT=/data
USER 10001
HEALTHCHECK --interval=10s --timeout=8s --start-period=60s CMD ["python", "-m", "pushforward.service.healthcheck", "worker"]
CMD ["python", "-m", "pushforward.service.worker"]
