/** A command line that says something else than a subcommand understands. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** What is printed below the message; the overview of all commands when absent. */
  readonly usage: string | undefined;
  constructor(message: string, usage?: string) {
    super(message);
    this.usage = usage;
  }
}
