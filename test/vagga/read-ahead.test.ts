import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { httpClient } from '../../src/vagga/build/http.ts';

describe('a download from a server that closes its connections', () => {
  it('is whole, however slowly it is read', async () => {
    const body = Buffer.alloc(1024 ** 2, 'a');
    const server = createServer((socket) => {
      socket.on('error', () => {});
      // Head and body come apart, as from servers of files.
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`);
        socket.write(body);
        socket.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = httpClient(new Map());
    try {
      const answer = await client.get(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      let size = 0;
      for await (const chunk of answer.body ?? []) {
        size += (chunk as Uint8Array).length;
        await sleep(10); // so that the end of the connection comes while the last of it is not read yet
      }
      expect(size).toBe(body.length);
    } finally {
      await client.close();
      server.close();
    }
  });
});

describe('a download from nowhere', () => {
  it('says so', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
    await new Promise((resolve) => server.close(resolve));
    const client = httpClient(new Map());
    await expect(client.get(url)).rejects.toThrow(/^Error downloading http:\S+\/x: .*ECONNREFUSED/);
    await client.close();
  });
});
