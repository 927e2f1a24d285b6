# The gateway: REST and gRPC. No PyTorch, so it is small and starts in a second.
#   docker build -f docker/gateway.Dockerfile -t pushforward-gateway .
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /venv
# Dependencies first, in the versions that are tested: this layer changes with them, not with the source.
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY pushforward/__init__.py pushforward/
RUN /venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[server,table,otel]"
COPY pushforward pushforward
COPY models models
COPY service service
RUN /venv/bin/pip install --no-cache-dir --no-deps --force-reinstall .

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home pushforward \
    && install --directory --owner 10001 --group 10001 /store /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PUSHFORWARD_STORE=/store \
    PUSHFORWARD_DATA_ROOT=/data \
    PUSHFORWARD_HTTP_HOST=0.0.0.0 \
    PUSHFORWARD_GRPC_HOST=0.0.0.0
USER 10001
EXPOSE 8000 8001
HEALTHCHECK --interval=10s --timeout=8s --start-period=20s CMD ["python", "-m", "pushforward.service.healthcheck", "gateway"]
CMD ["python", "-m", "pushforward.service.gateway"]
