# For those who have a container engine; `make image` needs none, and makes the image that is tested.
#
#   docker build --build-arg BASE_DIGEST=sha256:… --tag pimpernel-operator:0.1.0 .
#
# The base is named by digest alone, so that what is built is known. None stands here: whoever builds looks up the present
# one of `cc-debian12`, checks its signature, and gives it.
#
# For both processors in one image, each built by a compiler of its own platform: by emulation, or on builders of both.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg BASE_DIGEST=sha256:… --tag HOST/pimpernel-operator:0.1.0 --push .
#
# The digest must then be that of the image index. That of one platform's image would be the base of both.
ARG RUST=1.95.0
ARG BASE_DIGEST

FROM rust:${RUST}-bookworm AS build
WORKDIR /pimpernel
COPY . .
RUN cargo build --release --locked --package pimpernel --bin pimpernel-operator

# The C library and what unwinds a panic, of the same Debian that the program was built on; no shell.
FROM gcr.io/distroless/cc-debian12@${BASE_DIGEST}
ARG REVISION
LABEL org.opencontainers.image.title="pimpernel-operator" \
      org.opencontainers.image.source="https://github.com/pimpernel-dev/pimpernel" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /pimpernel/target/release/pimpernel-operator /pimpernel-operator
COPY LICENSE docs/licenses.md /licenses/
USER 65532:65532
ENTRYPOINT ["/pimpernel-operator"]
