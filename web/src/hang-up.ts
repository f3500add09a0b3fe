/** Closes without a word: a socket that still connects would complain in the console, so it is closed as soon as it is open. */
export function hangUp(socket: WebSocket): void {
  socket.onmessage = null;
  socket.onclose = null;
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
