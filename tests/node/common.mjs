// What the three programs share: the served emulator (argument: its URL without the API's path), its control API, a
// receiver of webhooks, and the report that the test reads from stdout.

import http from 'node:http';

export const origin = new URL(process.argv[2]);
export const key = process.argv[3];
const report = {};

export function note(name, value) {
  report[name] = value;
}

export async function refused(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('it was not refused');
}

export async function control(method, path, body) {
  const answer = await fetch(`${origin.origin}/_control/${path}`, {
    method,
    body: body && JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw new Error(value.error);
  return value;
}

// Collects `number` deliveries that `act` causes; each is { headers, body }.
export async function deliveries(number, act, endpoint = {}) {
  const received = [];
  let done;
  const all = new Promise((resolve) => (done = resolve));
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
      response.writeHead(204).end();
      if (received.length >= number) done();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  await control('POST', 'webhooks', { url: `http://127.0.0.1:${server.address().port}/`, ...endpoint });
  await act();
  const late = setTimeout(() => {
    console.error(`${received.length} of ${number} deliveries arrived`);
    process.exit(1);
  }, 20000);
  await all;
  clearTimeout(late);
  await control('DELETE', 'webhooks');
  server.closeAllConnections();
  server.close();
  return received;
}

export async function run(program) {
  await control('POST', 'reset');
  await program();
  console.log(JSON.stringify(report));
}
