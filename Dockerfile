# tickerd in a container: one binary, no shell, not root.
#
#   docker build -t tickerd .                              # for this machine
#   docker build --platform linux/arm64 -t tickerd .       # for another (amd64 and arm64 are built by CI)
#   docker run -p 127.0.0.1:8000:8000 -v tickerd:/data --read-only --cap-drop ALL tickerd
#
# Without a crate registry: put `cargo vendor` output into vendor/ and its settings into
# .cargo/config.toml, and pass --build-arg CARGO_ARGS=--offline. Without npm: build web/dist
# beforehand and pass --build-arg WEB=prebuilt. scripts/container-test does both.

ARG NODE_IMAGE=docker.io/library/node:22.21.1-bookworm-slim
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-bookworm

# The dashboard is the same on every machine, so it is built on that of the builder.
FROM --platform=${BUILDPLATFORM:-linux/amd64} ${NODE_IMAGE} AS web
ARG WEB=build
WORKDIR /web
COPY web/ ./
RUN if [ "$WEB" = prebuilt ]; then \
        test -f dist/index.html || { echo 'WEB=prebuilt needs web/dist' >&2; exit 1; }; \
    else \
        rm -rf dist node_modules && npm ci && npm run build; \
    fi

FROM ${RUST_IMAGE} AS build
# What cargo is given besides, such as `--offline`, and the features, such as `--features otlp`.
ARG CARGO_ARGS=
ARG FEATURES=
# Keeps what is built for one architecture apart from what is built for another.
ARG TARGETARCH=amd64
WORKDIR /src
COPY . .
COPY --from=web /web/dist web/dist
# The target directory outlives the build on a builder that keeps caches; the registry does too,
# where it is asked at all.
RUN --mount=type=cache,id=tickerd-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=tickerd-target-${TARGETARCH},target=/src/target \
    TICKERD_SKIP_WEB=1 cargo build --release --locked --bin tickerd ${CARGO_ARGS} ${FEATURES} \
    && install -D target/release/tickerd /image/usr/local/bin/tickerd

# The image holds the binary, the C library it was linked with, certificates, and a user by name.
RUN for library in $(ldd /image/usr/local/bin/tickerd | grep -o '/[^ ]*'); do \
        install -D "$library" "/image$library"; \
    done \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && echo 'hosts: files dns' >/image/etc/nsswitch.conf \
    && echo 'nonroot:x:65532:65532::/data:/sbin/nologin' >/image/etc/passwd \
    && echo 'nonroot:x:65532:' >/image/etc/group \
    && mkdir /data

FROM scratch
LABEL org.opencontainers.image.title="tickerd" \
      org.opencontainers.image.description="A self-hosted market-data service" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /image /
# The owner of the directory becomes the owner of a new volume.
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
ENV TICKERD_SERVER__HOST=0.0.0.0 \
    TICKERD_STORE__DATA_DIR=/data \
    TICKERD_LOG__FORMAT=json
VOLUME /data
EXPOSE 8000
# Asks /ready. A service that works with a part away is degraded, which is healthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/tickerd", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/tickerd"]
CMD ["serve"]
