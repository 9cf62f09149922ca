# quire for CPUs. From the root of the repository:
#   docker build -f docker/cpu.Dockerfile -t quire:cpu .
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
      build-essential pkg-config clang libclang-dev libtesseract-dev libleptonica-dev libssl-dev zlib1g-dev \
      python3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /quire
COPY . .
# The caches outlive the layer: only what changed is compiled again.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/quire/target \
    cargo build --profile dist --locked --bin quire && cp target/dist/quire /usr/local/bin/quire \
    && scripts/sbom.py > /usr/local/share/quire.cdx.json

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
      ca-certificates libssl3 zlib1g libtesseract5 liblept5 tesseract-ocr-eng tesseract-ocr-deu tesseract-ocr-osd \
      python3 python3-pip \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 quire \
    && install -d -m 0700 -o quire -g quire /data
COPY --from=build /usr/local/bin/quire /usr/local/bin/quire
# What the program is made of (CycloneDX); Debian's packages are in dpkg's own list.
COPY --from=build /usr/local/share/quire.cdx.json /usr/local/share/quire.cdx.json
USER quire
WORKDIR /data
ENV QUIRE_DATA__DIR=/data QUIRE_TELEMETRY__FORMAT=json
VOLUME /data
EXPOSE 8737
# 200 once models are loaded and the ends are there; the image has no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8737 && printf 'GET /health/ready HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["quire"]
CMD ["run"]
