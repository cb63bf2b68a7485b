// Node's fetch. Arguments: METHOD URL BODY_FILE|- OUT_FILE NAME:VALUE…; prints the status.
import { readFile, writeFile } from 'node:fs/promises';

const [method, url, bodyFile, outFile, ...pairs] = process.argv.slice(2);
const headers = Object.fromEntries(pairs.map((pair) => pair.split(/:(.*)/s).slice(0, 2)));
const body = bodyFile === '-' ? undefined : await readFile(bodyFile);
const reply = await fetch(url, { method, headers, body });
await writeFile(outFile, Buffer.from(await reply.arrayBuffer()));
process.stdout.write(`${reply.status}`);
