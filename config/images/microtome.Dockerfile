# The data plane. The build context is a folder that holds the built binary and nothing else.
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE}
LABEL org.opencontainers.image.title="microtome" \
      org.opencontainers.image.description="Microtome's data plane" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY microtome /usr/local/bin/microtome
# a number, so that runAsNonRoot can be checked
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/microtome"]
