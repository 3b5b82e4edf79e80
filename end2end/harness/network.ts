import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * The network of one browser: an HTTP proxy that can be cut. Playwright's own offline mode does not reach shared
 * workers, and it is in one that syncing happens.
 */
export class Network {
  private isCut = false;
  private readonly refused = new Set<string>();
  private readonly sockets = new Set<Socket>();
  private readonly open = new Map<IncomingMessage, string>();

  private constructor(private readonly server: Server) {
    server.on("connection", (socket) => {
      if (this.isCut) {
        socket.destroy();
        return;
      }
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    server.on("request", (incoming, answer) => this.forward(incoming, answer));
  }

  static async start(): Promise<Network> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Network(server);
  }

  /** What a browser context is given, so that everything goes this way; loopback, too, which is usually spared. */
  get proxy() {
    const address = this.server.address();
    if (!address || typeof address === "string") throw new Error("The proxy is closed.");
    return { server: `http://127.0.0.1:${address.port}`, bypass: "<-loopback>" };
  }

  /** Ends every connection and lets no new one in. */
  cut() {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Ends every request for this path, as a broken line would. */
  refuse(path: string) {
    this.refused.add(path);
  }

  /** Undoes a cut and all refusals. */
  restore() {
    this.isCut = false;
    this.refused.clear();
  }

  /** How many requests for this path are under way. */
  openRequests(path: string): number {
    return [...this.open.values()].filter((open) => open === path).length;
  }

  async close() {
    this.cut();
    this.server.close();
    await once(this.server, "close");
  }

  private forward(incoming: IncomingMessage, answer: ServerResponse) {
    const { method, headers, url } = incoming;
    const path = URL.parse(url ?? "")?.pathname ?? "";
    if (this.refused.has(path)) {
      incoming.socket.destroy();
      return;
    }
    this.open.set(incoming, path);
    const outgoing = request(url ?? "", { method, headers, agent: false }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.on("error", () => answer.destroy()).pipe(answer);
    });
    // To the browser, a server that is gone looks like one: not like a proxy's opinion of it.
    outgoing.on("error", () => incoming.socket.destroy());
    answer.on("close", () => {
      this.open.delete(incoming);
      outgoing.destroy();
    });
    incoming.pipe(outgoing);
  }
}
