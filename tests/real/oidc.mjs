// A certified OAuth 2.0 server: client credentials in Basic and in the body, tokens with a given lifetime (an hour for the client `lasting`), introspection.
// Prints `listening PORT`, then one line of JSON per token request.
import http from 'node:http';
import process from 'node:process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { clients, life, lasting } = JSON.parse(process.argv[2]);
const require = createRequire(`${process.cwd()}/`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const server = http.createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address();

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: clients.map((client) => ({
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    ...client,
  })),
  scopes: ['api'],
  ttl: { ClientCredentials: (ctx, token, client) => (client.clientId === lasting ? 3600 : life) },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    revocation: { enabled: true },
    devInteractions: { enabled: false },
  },
});

provider.use(async (ctx, next) => {
  await next();
  if (ctx.path !== '/token') return;
  const line = { client: ctx.oidc?.client?.clientId, status: ctx.status, error: ctx.body?.error };
  process.stdout.write(`${JSON.stringify(line)}\n`);
});

server.on('request', provider.callback());
process.stdout.write(`listening ${port}\n`);
