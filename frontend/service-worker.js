// Lets the app start without a network: what the server gave last is served again when it cannot be reached. Data
// needs nothing here, it is in SQLite.
import { clientsClaim } from "workbox-core";
import { precacheAndRoute } from "workbox-precaching";
import { registerRoute } from "workbox-routing";
import { NetworkFirst, NetworkOnly } from "workbox-strategies";

self.skipWaiting();
clientsClaim();

// The SDK with its SQLite, named by the build.
precacheAndRoute(SDK_FILES);

// A page holds rows as they were, so none is stored. Without a network each is served as the skeleton of its route, which
// the app has stored by then.
const skeleton = ({ pathname }) => {
  const [, route, id] = pathname.split("/");
  return caches.match(`${id ? `/${route}/offline` : `/${route}`}?skeleton`);
};
const withoutNetwork = { handlerDidError: ({ request }) => skeleton(new URL(request.url)) };

registerRoute(({ request }) => request.mode === "navigate", new NetworkOnly({ plugins: [withoutNetwork] }));
registerRoute(
  ({ sameOrigin, url }) => sameOrigin && !url.pathname.startsWith("/api/"),
  new NetworkFirst({ cacheName: "app" }),
);
