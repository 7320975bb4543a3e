# The service as an image: slim, non-root, nothing but the locked dependencies. Build: docker build -t acrux .
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/acrux
COPY requirements.lock pyproject.toml README.md CHANGELOG.md LICENSE ./
RUN /opt/acrux/bin/pip install --no-deps --require-hashes -r requirements.lock
COPY service service
COPY migrations migrations
RUN /opt/acrux/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim-bookworm
RUN groupadd --gid 10001 acrux \
    && useradd --uid 10001 --gid acrux --no-create-home --home-dir /var/lib/acrux --shell /usr/sbin/nologin acrux \
    && install -d -o acrux -g acrux -m 0700 /var/lib/acrux /var/lib/acrux-keys /tokens
COPY --from=build /opt/acrux /opt/acrux
COPY policies /etc/acrux/policies
ENV PATH=/opt/acrux/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    ACRUX_POLICIES=/etc/acrux/policies \
    ACRUX_STATE=/var/lib/acrux \
    ACRUX_HOST=0.0.0.0 \
    ACRUX_PORT=8080
USER acrux
# The spool: a 200 promises that this directory's disk has the record, so it must be a volume that outlives the container.
VOLUME /var/lib/acrux
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["acrux"]
CMD ["serve"]
