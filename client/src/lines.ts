/** The lines of a body, decoded as they come, wherever its chunks are cut. */
export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let begun: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      const parts = text.split('\n');
      const rest = parts.pop() ?? '';
      for (const part of parts) {
        const line = begun.join('') + part;
        begun = [];
        if (line.trim() !== '') yield line;
      }
      if (rest !== '') begun.push(rest);
      if (done) break;
    }
    const last = begun.join('');
    if (last.trim() !== '') yield last;
  } finally {
    // Leaving early lets go of the connection.
    await reader.cancel().catch(() => undefined);
  }
}
