# Midge as one file in an image like nats-server's own:
#
#   docker build -t midge .                             on Bun; --build-arg RUNTIME=deno for Deno
#   docker run -p 4222:4222 -p 8222:8222 midge          with docker/nats-server.conf
#   docker run -p 4222:4222 -v "$PWD/my.conf:/etc/nats/nats-server.conf" midge  with a file of your own

ARG RUNTIME=bun

# Debian as below, so that both have the same libc.
FROM node:24-trixie-slim AS build
ARG RUNTIME
WORKDIR /midge
COPY package.json package-lock.json ./
COPY scripts/bootstrap.mjs scripts/
RUN node scripts/bootstrap.mjs install
COPY src src
COPY workers workers
COPY scripts/executable.ts scripts/
RUN npm run build:$RUNTIME

FROM debian:trixie-slim
ARG RUNTIME
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates libssl3t64 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --uid 10001 --no-create-home nats \
  && ln -s nats-server /usr/local/bin/midge
COPY --from=build /midge/dist/midge-$RUNTIME /usr/local/bin/nats-server
COPY docker/nats-server.conf /etc/nats/nats-server.conf
USER 10001
# Clients, monitoring, routes.
EXPOSE 4222 8222 6222
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8222 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1.. 200' <&3"]
ENTRYPOINT ["nats-server"]
CMD ["--config", "/etc/nats/nats-server.conf"]
