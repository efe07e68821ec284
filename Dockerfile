# A worker, its core compiled. Settings come from /app/config (mount your own over it) and the environment.
FROM python:3.11.13-slim-bookworm AS wheel

RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY stream/ stream/
RUN HATCH_BUILD_HOOKS_ENABLE=1 pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# The locked dependencies first: this layer stays as long as the lock does.
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock

COPY --from=wheel /wheels /wheels
RUN pip install --no-deps /wheels/*.whl && useradd --system --no-create-home funnel
COPY config/ config/

USER funnel
EXPOSE 9108
CMD ["funnel", "worker"]
