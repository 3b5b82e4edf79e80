import { createHash, createPrivateKey, createPublicKey, sign } from "node:crypto";
import type { Stack } from "./stack.ts";

/** Signs sync tokens as the app's server does, for any user. */
export class TokenSigner {
  private readonly key;
  private readonly kid: string;
  private readonly audience: string;

  constructor({ environment }: Stack) {
    const der = Buffer.from(environment.POWERSYNC_SIGNING_KEY ?? "", "base64");
    this.key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const { crv, kty, x } = createPublicKey(this.key).export({ format: "jwk" });
    // RFC 7638: the members in this order.
    this.kid = createHash("sha256").update(JSON.stringify({ crv, kty, x })).digest("base64url");
    this.audience = environment.VITE_POWERSYNC_URL ?? "";
  }

  /** The public key as PEM. */
  get publicKey(): string {
    return createPublicKey(this.key).export({ format: "pem", type: "spki" }) as string;
  }

  /** A token for that user; with other claims and another header, one that means harm. */
  token(sub: string, claims: object = {}, header: object = {}): string {
    const iat = Math.floor(Date.now() / 1000);
    const parts = [
      { alg: "EdDSA", typ: "JWT", kid: this.kid, ...header },
      { sub, aud: this.audience, iat, exp: iat + 300, ...claims },
    ];
    const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    return `${signed}.${sign(null, Buffer.from(signed), this.key).toString("base64url")}`;
  }
}
