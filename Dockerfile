# syntax=docker/dockerfile:1

# The app's image: the server, the built site, and nothing else. The server has the migrations and sync-config.yaml
# inside it.
#
#   docker build --tag app .
#
# Not run by Docker yet. Outside it, on Debian 12, the npm stage, the release build and the server in a folder laid out
# like the last stage were run; docs/production.md says more.

FROM node:24-bookworm-slim AS npm
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
# The PowerSync SDK and the service worker, bundled into public/.
COPY frontend/build.mjs frontend/service-worker.js frontend/
RUN npm run build

FROM rust:1-bookworm AS build
# The toolchain that the image has, instead of another download of the one that rust-toolchain.toml names.
ENV RUSTUP_TOOLCHAIN=$RUST_VERSION
RUN rustup target add wasm32-unknown-unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install cargo-leptos --locked --version 0.3.10
WORKDIR /app
# cargo-leptos runs the wasm-bindgen that is on PATH, and any version but that of the library refuses the app's wasm.
COPY Cargo.lock ./
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/tmp/wasm-bindgen,sharing=locked \
    CARGO_TARGET_DIR=/tmp/wasm-bindgen cargo install wasm-bindgen-cli --locked \
    --version "$(sed -n '/^name = "wasm-bindgen"$/{n;s/.*"\(.*\)"/\1/p}' Cargo.lock)"
# wasm-opt comes from npm too, so Node stays at hand.
COPY --from=npm /usr/local/bin/node /usr/local/bin/
COPY . .
COPY --from=npm /app/node_modules node_modules
COPY --from=npm /app/public/powersync public/powersync
COPY --from=npm /app/public/sw.js public/
# The cache may hold another app's build, with newer files under the same names. What is touched is compiled in any
# case; so only dependencies ever come from the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/app/target,sharing=locked \
    touch */src/*.rs && \
    cargo leptos build --release --precompress --cargo-locked && \
    mkdir /out && cp target/release/server /out/ && cp -r target/site /out/

# The same Debian as above, for its C library. TLS roots are inside the server.
FROM debian:bookworm-slim
WORKDIR /app
COPY --from=build /out ./
ENV LEPTOS_OUTPUT_NAME=app \
    LEPTOS_SITE_ROOT=/app/site \
    LEPTOS_SITE_ADDR=0.0.0.0:8080
USER nobody
EXPOSE 8080
CMD ["/app/server"]
