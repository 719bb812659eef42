/** How a peer talks with the benchmark: messages in, one answer each, by Node's channel between processes. */

/** Serves messages until the benchmark ends the process or is gone itself. A failure is answered as one. */
export function serveMessages<Message>(handle: (message: Message) => Promise<unknown>): void {
  process.on('message', (message: Message) => {
    handle(message).then(
      (answer) => process.send?.({ answer: answer ?? null }),
      (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
}
