import closeWithGrace from 'close-with-grace';

/**
 * Has the process end at SIGTERM, SIGINT and their like: `close` is called, and the exit code is 0. It is 1 at an error that nothing
 * caught, which is printed, when `close` fails or takes longer than `graceMs`, and at once at a second signal.
 * @param command the subcommand, as its errors name it. @param graceMs 15 s by default.
 */
export function closeAtSignal(
  command: string,
  close: () => Promise<void> | undefined,
  graceMs = 15_000,
): void {
  // One that ends by itself, as after a wrong command line, keeps the exit code that it chose.
  closeWithGrace({ delay: graceMs, logger: false, skip: ['beforeExit'] }, async ({ err }) => {
    if (err !== undefined) process.stderr.write(`xi-k8s ${command}: ${err.stack ?? err.message}\n`);
    await close();
  });
}
