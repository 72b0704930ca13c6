# The operator. The build context is a folder that holds the built binary and nothing else.
# Nothing but glibc and the certificates of public authorities: storage is reached by HTTPS.
ARG BASE=gcr.io/distroless/cc-debian12:nonroot
FROM ${BASE}
LABEL org.opencontainers.image.title="microtome-operator" \
      org.opencontainers.image.description="Microtome's Kubernetes operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY microtome-operator /usr/local/bin/microtome-operator
# The allocator gives memory back at once: passes come in bursts, and a pod is charged for its peak.
ENV MIMALLOC_PURGE_DELAY=0 MIMALLOC_ARENA_EAGER_COMMIT=0
# a number, so that runAsNonRoot can be checked
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/microtome-operator"]
