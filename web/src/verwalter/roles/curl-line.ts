/** For a POSIX shell, whatever the names hold. */
export function curlLine(origin: string, button: Readonly<Record<string, unknown>>): string {
  const body = JSON.stringify({ button }).replaceAll("'", "'\\''");
  return `curl -H "Authorization: Bearer $TOKEN" -H 'content-type: application/json' ${origin}/v1/wait_action -d '${body}'`;
}
