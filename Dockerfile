# No build step: Node runs the TypeScript as it is. Any Linux image with Node 24 and npm will do as the base.
ARG BASE=node:24-slim
FROM ${BASE}

WORKDIR /app
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    LOG_FORMAT=json \
    ORDERWIRE_DATA=/data

COPY package.json package-lock.json .npmrc ./
# The optional dependency is a Node for machines without one; the base has it.
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund && npm cache clean --force

COPY . .
RUN install -d -o 10001 -g 10001 -m 0700 /data
USER 10001:10001

EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "src/main.ts"]
CMD ["start"]
