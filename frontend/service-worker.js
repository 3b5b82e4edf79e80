// Lets the app start without a network: what the server gave last is served again when it cannot be reached. Data
// needs nothing here, it is in SQLite.
import { clientsClaim } from "workbox-core";
import { precacheAndRoute } from "workbox-precaching";
import { registerRoute } from "workbox-routing";
import { NetworkFirst } from "workbox-strategies";

self.skipWaiting();
clientsClaim();

// The SDK with its SQLite, named by the build.
precacheAndRoute(SDK_FILES);

// A page that was never loaded from the server is served as another page of its route, which the app has stored by
// then: before hydration they are the same.
const page = ({ pathname }) => {
  const [, route, id] = pathname.split("/");
  return id ? `/${route}/offline` : `/${route}`;
};
const otherPage = {
  handlerDidError: async ({ request }) =>
    request.mode === "navigate" ? caches.match(page(new URL(request.url))) : undefined,
};

registerRoute(
  ({ sameOrigin, url }) => sameOrigin && !url.pathname.startsWith("/api/"),
  new NetworkFirst({ cacheName: "app", plugins: [otherPage] }),
);
