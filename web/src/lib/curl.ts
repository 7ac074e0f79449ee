// Requests to paste into a terminal. The key is a shell variable: a copied command must never carry
// the secret into a history file or a chat.

export function curl(origin: string, path: string, { withKey, stream }: { withKey: boolean; stream?: boolean }): string {
  const key = withKey ? ` -H "Authorization: Bearer $TICKERD_KEY"` : "";
  return `curl -s${stream ? "N" : ""}${key} '${(origin + path).replaceAll("'", "'\\''")}'`;
}
