# The data plane. The build context is a folder that holds the built binary and, as python/, the unpacked wheel
# (tests/unpacked-wheel), which a head's init container hands to the user's image; nothing else.
# Nothing but glibc and the certificates of public authorities: storage is reached by HTTPS.
ARG BASE=gcr.io/distroless/cc-debian12:nonroot
FROM ${BASE}
LABEL org.opencontainers.image.title="microtome" \
      org.opencontainers.image.description="Microtome's data plane" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY microtome /usr/local/bin/microtome
COPY python/ /usr/local/share/microtome/python/
# a number, so that runAsNonRoot can be checked
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/microtome"]
