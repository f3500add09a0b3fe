import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** In a process of its own, since tests wait for vagga without an event loop. Keeps in memory what is PUT. */
const program = `
const files = new Map(), asked = [];
require('node:http').createServer((request, response) => {
  if (request.method === 'PUT') {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => { files.set(request.url, Buffer.concat(parts)); response.writeHead(201).end(); });
    return;
  }
  if (request.url === '/asked') return response.end(JSON.stringify(asked));
  asked.push(request.url);
  const file = files.get(request.url);
  if (file === undefined) return response.writeHead(404).end();
  response.writeHead(200, { 'content-length': file.length });
  // Slowly, so that two who want it are there at once.
  response.write(file.subarray(0, file.length / 2));
  setTimeout(() => response.end(file.subarray(file.length / 2)), Number(process.argv[1]));
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
`;

export interface FileServer {
  readonly url: string;
  put(path: string, bytes: Buffer | string): Promise<void>;
  /** Paths in the order in which they were asked for. */
  asked(): Promise<readonly string[]>;
  stop(): void;
}

/** `pauseMs` in the midst of each answer. */
export async function fileServer(pauseMs = 0): Promise<FileServer> {
  const child = spawn(process.execPath, ['-e', program, String(pauseMs)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = `http://127.0.0.1:${String(line).trim()}`;
  return {
    url,
    async put(path, bytes) {
      await fetch(`${url}${path}`, { method: 'PUT', body: bytes });
    },
    asked: async () => (await (await fetch(`${url}/asked`)).json()) as readonly string[],
    stop: () => child.kill('SIGKILL'),
  };
}
