# The `tfrec` command for what surrounds the server: pulling versions into a pod, training, gate, canary.
#   docker build --tag tfrec --file serving/tools.Dockerfile .
ARG PYTHON_TAG=3.11-slim-bookworm
FROM python:${PYTHON_TAG}

WORKDIR /opt/tfrec
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY tfrec/ tfrec/
# Versions stand in setup.cfg.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[train,publish]" \
 && groupadd --gid 10001 tfrec \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin tfrec
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["tfrec"]
