// undici's own pool, with pipelining. Arguments: METHOD URL BODY_FILE|- OUT_FILE NAME:VALUE…; prints the status.
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const { Pool } = createRequire(`${process.env.NPM}/`)('undici');
const [method, url, bodyFile, outFile, ...pairs] = process.argv.slice(2);
const headers = Object.fromEntries(pairs.map((pair) => pair.split(/:(.*)/s).slice(0, 2)));
const body = bodyFile === '-' ? undefined : await readFile(bodyFile);
const { origin, pathname, search } = new URL(url);
const pool = new Pool(origin, { pipelining: 4, connections: 2 });
const path = pathname + search;
// Several equal requests at once, so that pipelining is used; the last response counts.
const replies = await Promise.all(Array.from({ length: body ? 1 : 4 }, () => pool.request({ path, method, headers, body })));
const bodies = await Promise.all(replies.map((reply) => reply.body.arrayBuffer()));
await writeFile(outFile, Buffer.from(bodies.at(-1)));
process.stdout.write(`${Math.max(...replies.map((reply) => reply.statusCode))}`);
await pool.close();
