# The image of all programs of xi-k8s. Any base with Node 20 or newer will do: --build-arg BASE=…
# Where that one has no npm, another one builds: --build-arg BUILD_BASE=…
# With an npm configuration of your own: --secret id=npmrc,src=$HOME/.npmrc
ARG BASE=docker.io/library/node:lts-slim
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
COPY client/package.json client/
COPY plugin-sdk/package.json plugin-sdk/
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
COPY . .
RUN ["node", "node_modules/typescript/bin/tsc", "-b"]
RUN ["npm", "prune", "--omit=dev", "--offline", "--ignore-scripts", "--no-audit", "--no-fund"]
RUN ["node", "dist/scripts/image-tree.js", ".", "/app"]
# The folder of a peer that is told of none, for whatever user it runs as.
RUN ["node", "-e", "fs.mkdirSync('/app/blocks'); fs.chmodSync('/app/blocks', 0o1777)"]

FROM ${BASE}
ENV NODE_ENV=production XI_CLUSTER=in-cluster
WORKDIR /app
COPY --from=build /app ./
USER 1000:1000
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "-e", "fetch('http://127.0.0.1:'+(process.env.XI_OPS_PORT??9090)+'/healthz').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli/xi-k8s.js"]
CMD ["serve"]
