/** Write a plugin for a connect-plugin host in a few lines. */
export { startPlugin } from './plugin.js';
export type { Plugin } from './plugin.js';
export type { PluginLog, PluginOptions, ProvidedService, RequiredService } from './options.js';
export type { Method, MethodContext, MethodRequest } from './method.js';
export type { RawAnswer, RawRequest, ServiceClient } from './service.js';
export type { Health, HealthReport } from './health.js';
export { ConnectError, serverStream, unary } from '../../connect/index.js';
export type { CallContext, CallOptions, Code, Handler } from '../../connect/index.js';
