// better-auth with its magic-link plugin, Redis as secondary storage and users in memory. Instead of mailing the link,
// it returns it in the X-Link header. Usage: `node server.mjs PORT REDIS_URL`.
import { AsyncLocalStorage } from "node:async_hooks";
import http from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { magicLink } from "better-auth/plugins";
import Redis from "ioredis";

const [port, redisUrl] = process.argv.slice(2);
const redis = new Redis(redisUrl);
const answering = new AsyncLocalStorage();

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: "a-secret-for-the-bench-of-32-characters",
  database: memoryAdapter({ user: [], session: [], account: [], verification: [] }),
  secondaryStorage: {
    get: (key) => redis.get(key),
    set: (key, value, ttl) => (ttl ? redis.set(key, value, "EX", ttl) : redis.set(key, value)),
    delete: (key) => redis.del(key),
    getAndDelete: (key) => redis.getdel(key),
  },
  rateLimit: { enabled: false },
  logger: { disabled: true },
  telemetry: { enabled: false },
  plugins: [
    magicLink({
      sendMagicLink: ({ url }) => {
        answering.getStore().setHeader("x-link", url);
      },
    }),
  ],
});

const handler = toNodeHandler(auth);
const server = http.createServer((request, response) => {
  if (request.url === "/ready") return response.end();
  return answering.run(response, () => handler(request, response));
});
server.listen(Number(port), "127.0.0.1");
