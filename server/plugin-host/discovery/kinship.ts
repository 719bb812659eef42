/**
 * Which pods are the same plugin, and where it is routed to. A pod has one identity, however many Services name it: it keeps that for
 * as long as one of them does.
 */
import type { PluginInfo } from '../introduce.js';
import type { Registry } from '../registry/registry.js';
import { isOf, podKey } from './endpoints.js';
import type { Endpoint } from './endpoints.js';
import { departed, isHere, relativesOf, targetsOf } from './found.js';
import type { Found, Kin } from './found.js';

/** What plugins that are found are told to the registry by. */
export type KinRegistry = Pick<Registry, 'admit' | 'addPod' | 'dropPod' | 'setTargets' | 'remove'>;

export interface Kinship {
  /** The plugin that says this of itself at an endpoint of the Service, which is about to be told so. */
  identify(at: Found, endpoint: Endpoint, info: PluginInfo): Kin;
  /** Whether the plugin is there as yet. */
  isKnown(kin: Kin): boolean;
  /**
   * The endpoint took the plugin's identity.
   * @param sinceReady whether it was ready all the while
   * @returns whether it was none of the plugin before
   */
  join(at: Found, key: string, kin: Kin, sinceReady: boolean): boolean;
  /** Ends an identity that nobody took. */
  dismiss(kin: Kin): void;
  /** Brings what is known in line with the endpoints that the Service has now. Answers the Services that may have somebody to meet. */
  settle(at: Found, before: ReadonlyMap<string, Endpoint>): ReadonlySet<Found>;
  /** The Service is gone, and so are its endpoints. */
  forget(at: Found): void;
  /** The registry ended an identity. Answers the Services behind which pods have it. */
  lose(runtimeId: string): Found[];
}

export function createKinship(registry: KinRegistry): Kinship {
  const all = new Map<string, Kin>();
  /** The Services that name a pod, by its key. */
  const naming = new Map<string, Set<Found>>();

  const hold = (at: Found, kin: Kin): void => {
    at.kin.add(kin);
    kin.behind.add(at);
  };

  const release = (at: Found, kin: Kin, why: string): void => {
    at.kin.delete(kin);
    kin.behind.delete(at);
    if (kin.behind.size > 0) return;
    all.delete(kin.runtimeId);
    registry.remove(kin.runtimeId, why);
  };

  /** Takes out what has no pod left, as long as another version has some: a plugin whose pods are all away may come back. */
  const prune = (at: Found): void => {
    const here = [...at.kin].filter((kin) => isHere(at, kin));
    if (here.every(({ targets }) => targets === '')) return;
    for (const kin of at.kin) if (!here.includes(kin)) release(at, kin, 'other pods took its place');
  };

  const route = (at: Found): void => {
    for (const kin of at.kin) {
      const targets = targetsOf(kin);
      const text = targets.join(' ');
      if (text === kin.targets) continue;
      kin.targets = text;
      registry.setTargets(kin.runtimeId, targets);
    }
    for (const one of relativesOf(at)) prune(one);
  };

  /** The token that a pod has may be that of an endpoint that is gone: at its other ones it is met anew, and called meanwhile. */
  const doubt = (pod: Endpoint['pod']): Found[] => {
    const services = [...(naming.get(podKey(pod)) ?? [])];
    for (const { members } of services.flatMap(({ kin }) => [...kin]))
      for (const key of members.keys()) if (isOf(pod, key)) members.set(key, false);
    return services;
  };

  const index = (at: Found, before: ReadonlyMap<string, Endpoint>): void => {
    for (const { pod } of before.values()) {
      const services = naming.get(podKey(pod));
      services?.delete(at);
      if (services?.size === 0) naming.delete(podKey(pod));
    }
    for (const [key, { pod }] of at.wanted) {
      const services = naming.get(podKey(pod)) ?? new Set();
      naming.set(podKey(pod), services.add(at));
      // What is a member by another Service is one here too.
      for (const { kin } of services) for (const one of kin) if (one.members.has(key)) hold(at, one);
    }
  };

  return {
    identify(at, { baseUrl, pod }, info) {
      const says = JSON.stringify(info);
      const known = [...(naming.get(podKey(pod)) ?? [])].flatMap(({ kin }) => [...kin]);
      let kin = known.find((one) => one.says === says);
      if (kin === undefined) {
        const identity = registry.admit({ ...info, origin: 'discovered', baseUrls: [] });
        kin = { ...identity, says, behind: new Set(), members: new Map(), targets: '' };
        all.set(kin.runtimeId, kin);
      }
      hold(at, kin);
      registry.addPod(kin.runtimeId, baseUrl);
      return kin;
    },
    isKnown: (kin) => all.get(kin.runtimeId) === kin,
    join(at, key, kin, sinceReady) {
      const { pod, baseUrl } = at.wanted.get(key)!;
      // What started anew may say something else.
      const others = [...at.kin].filter((other) => other !== kin && other.members.delete(key));
      const fresh = !kin.members.has(key);
      kin.members.set(key, sinceReady);
      for (const one of naming.get(podKey(pod)) ?? []) if (one.wanted.has(key)) hold(one, kin);
      route(at);
      for (const { runtimeId } of others) registry.dropPod(runtimeId, baseUrl);
      return fresh;
    },
    dismiss(kin) {
      if (kin.members.size > 0) return;
      for (const at of kin.behind) release(at, kin, 'it does not take its identity');
    },
    settle(at, before) {
      index(at, before);
      const gone = departed(at, before);
      for (const { members } of at.kin) for (const [key] of gone) members.delete(key);
      const touched = new Set([...relativesOf(at), ...gone.flatMap(([, { pod }]) => doubt(pod))]);
      const endpoints = [...touched].flatMap(({ wanted }) => [...wanted]);
      const kin = [...at.kin];
      route(at);
      for (const [key, { baseUrl }] of gone) {
        // The next pod may have its address already.
        if (endpoints.some(([other, endpoint]) => other !== key && endpoint.baseUrl === baseUrl)) continue;
        for (const { runtimeId } of kin) registry.dropPod(runtimeId, baseUrl);
      }
      return touched;
    },
    forget(at) {
      for (const kin of at.kin) release(at, kin, `Service ${at.service} is gone`);
    },
    lose(runtimeId) {
      const kin = all.get(runtimeId);
      if (kin === undefined) return [];
      all.delete(runtimeId);
      for (const { kin: kins } of kin.behind) kins.delete(kin);
      return [...kin.behind];
    },
  };
}
