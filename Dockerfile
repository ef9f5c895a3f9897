# Production image of the service. `docker build -t user-service:0.1.0 .`
#
# The base image's Node is the version of the dev dependency `node`; a test compares the two.
# To pin by digest: --build-arg NODE_IMAGE=node:24.21.0-bookworm-slim@sha256:…
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No package of production needs its install script.
RUN npm ci --omit=dev --ignore-scripts && rm .npmrc
# Type declarations and source maps are half of what npm installs, and nothing reads them here.
RUN find node_modules -type f -regex '.*\.\(d\.[cm]?ts\|map\)' -delete
COPY configs configs
COPY migrations migrations
COPY src src
COPY deploy/image/health.mjs health.mjs
# A container may not write to V8's compile cache, so it is filled here for its user.
COPY deploy/image/compile.mjs ../compile.mjs
RUN node ../compile.mjs 65532
RUN mkdir data

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="user-service" \
  org.opencontainers.image.description="A user API over REST, Connect, gRPC and gRPC-Web" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.base.name="docker.io/library/node:24.21.0-bookworm-slim"
ENV NODE_ENV=production \
  LOG_FORMAT=json \
  SQLITE_PATH=/data/user-service.db
WORKDIR /app
COPY --from=build /app .
# The one place that is written to, and only when no DSN is given: mount a volume there.
COPY --from=build --chown=65532:65532 /app/data /data
USER 65532:65532
EXPOSE 8000 9000 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["node", "/app/health.mjs"]
ENTRYPOINT ["node", "/app/src/start.js"]
