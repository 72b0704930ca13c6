# The operator. The build context is a folder that holds the built binary and nothing else.
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE}
LABEL org.opencontainers.image.title="microtome-operator" \
      org.opencontainers.image.description="Microtome's Kubernetes operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY microtome-operator /usr/local/bin/microtome-operator
# a number, so that runAsNonRoot can be checked
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/microtome-operator"]
