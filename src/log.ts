import { pino } from 'pino';

export type Logger = pino.Logger;

/**
 * JSON lines on a file descriptor, written at once: a daemon that dies has said why. What cannot be written (a full
 * disk) is lost, and the daemon goes on.
 */
export function logTo(fd: number, level: string): Logger {
  const destination = pino.destination({ dest: fd, sync: true });
  destination.on('error', () => {});
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
