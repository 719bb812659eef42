/** Credentials from exec plugins: programs that print a token or a client certificate. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import type { CredentialSource, Credentials } from './connection.js';
import { cannotConnect } from './errors.js';

/** The `exec` of a kubeconfig's user. */
export interface ExecConfig {
  apiVersion?: string;
  command?: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  provideClusterInfo?: boolean;
  interactiveMode?: string;
}

export interface ExecSettings {
  /** Where a command that is a relative path starts from: the kubeconfig's folder. */
  folder: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Told to plugins that ask for it. */
  cluster(): Promise<unknown>;
}

interface ExecCredential {
  apiVersion?: string;
  kind?: string;
  status?: {
    token?: string;
    expirationTimestamp?: string;
    clientCertificateData?: string;
    clientKeyData?: string;
  };
}

/** A plugin's answer counts as expired so long before it is. */
const SKEW_MS = 5_000;
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT = 1024 * 1024;

/** Runs the plugin when there is nothing yet, when its answer has expired, and after a 401; never twice at once. */
export function execCredentials(exec: ExecConfig, settings: ExecSettings): CredentialSource {
  let current: Credentials | undefined;
  let goodUntil = Infinity;
  let running: Promise<Credentials> | undefined;

  const refresh = async () => {
    try {
      const { status = {} } = await runPlugin(exec, settings);
      const { token, expirationTimestamp, clientCertificateData: cert, clientKeyData: key } = status;
      if (!token && !(cert && key)) {
        throw cannotConnect(
          `The credential plugin ${exec.command} gave neither a token nor a certificate with its key.`,
        );
      }
      const expires = expirationTimestamp === undefined ? Infinity : Date.parse(expirationTimestamp);
      goodUntil = expires - SKEW_MS;
      current = {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(cert && key && { cert, key }),
      };
      return current;
    } finally {
      running = undefined;
    }
  };

  return {
    get: () => (current && Date.now() < goodUntil ? current : (running ??= refresh())),
    renew(used) {
      if (used === current) goodUntil = 0;
    },
  };
}

async function runPlugin(exec: ExecConfig, settings: ExecSettings): Promise<ExecCredential> {
  const { command, apiVersion = 'client.authentication.k8s.io/v1', installHint } = exec;
  if (!command) throw cannotConnect('The kubeconfig has an exec credential plugin without a command.');
  if (exec.interactiveMode === 'Always') {
    throw cannotConnect(
      `The credential plugin ${command} wants a terminal (interactiveMode: Always); there is none here.`,
    );
  }
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(exec.provideClusterInfo && { cluster: await settings.cluster() }) },
  };
  const env = {
    ...settings.env,
    ...Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value])),
    KUBERNETES_EXEC_INFO: JSON.stringify(info),
  };
  const program = /[/\\]/.test(command) ? resolve(settings.folder, command) : command;
  const output = await outputOf(program, exec.args ?? [], env).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'is not installed or not on the PATH' : `failed: ${cause.message}`;
    throw cannotConnect(
      `The credential plugin ${command} ${why}.${installHint ? `\n${installHint.trim()}` : ''}`,
      cause,
    );
  });
  let credential: ExecCredential;
  try {
    credential = JSON.parse(output) as ExecCredential;
  } catch (cause) {
    throw cannotConnect(`The credential plugin ${command} printed no JSON.`, cause);
  }
  if (credential?.kind !== 'ExecCredential' || credential.apiVersion !== apiVersion) {
    throw cannotConnect(
      `The credential plugin ${command} printed ${credential?.apiVersion} ${credential?.kind} instead of ${apiVersion} ExecCredential.`,
    );
  }
  return credential;
}

function outputOf(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    // spawn's own timeout leaves its timer running when the program does not exist.
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        if (texts[name].length < MAX_OUTPUT) texts[name] += text;
      });
    }
    child.on('error', (error) => {
      clearTimeout(timer);
      fail(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return done(texts.stdout);
      const how = code === null ? `it was ended by ${signal}` : `exit code ${code}`;
      fail(new Error(`${how}${texts.stderr && `: ${texts.stderr.trim().slice(0, 500)}`}`));
    });
  });
}
