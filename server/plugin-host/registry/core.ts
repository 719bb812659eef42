/** The registry's state and everything that changes it. Each change is whole when it returns: nothing here waits. */
import { createEnrolment } from './enrolment.js';
import type { Enrolment } from './enrolment.js';
import { createGround } from './ground.js';
import type { CoreOptions, Ground } from './ground.js';
import { createLiveness } from './liveness.js';
import type { Liveness } from './liveness.js';
import { fromSnapshot, parseSnapshot, toSnapshot } from './snapshot.js';
import type { RegistrySnapshot } from './snapshot.js';

export type { Admission, Offer } from './enrolment.js';
export type { CoreOptions, RegistryChange } from './ground.js';
export type { Report } from './model.js';

export interface Core extends Enrolment, Liveness, Pick<Ground, 'roster' | 'directory'> {
  /** False when there is no such plugin. */
  remove(runtimeId: string, why: string): boolean;
  snapshot(): RegistrySnapshot;
  /** @throws Error when the data is no snapshot, or there are plugins already */
  restore(data: unknown): void;
}

export function createCore(options: CoreOptions): Core {
  const ground = createGround(options);
  const { roster, directory, registrations, tally, changed } = ground;
  const enrolment = createEnrolment(ground);

  function remove(runtimeId: string, why: string): boolean {
    const plugin = roster.get(runtimeId);
    if (plugin !== undefined) ground.end(plugin, why);
    return plugin !== undefined;
  }

  function snapshot(): RegistrySnapshot {
    return {
      version: 1,
      // Discovery meets its plugins anew, and knows where they are by then.
      plugins: [...roster.all()].filter(({ origin }) => origin !== 'discovered').map(toSnapshot),
      order: directory.order(),
      successors: directory.successors(),
    };
  }

  function restore(data: unknown): void {
    const { plugins, order, successors } = parseSnapshot(data);
    if (roster.size > 0) throw new Error('a registry that has plugins already cannot be restored');
    // All of them before the first counts: a state is restored as a whole or not at all.
    for (const plugin of plugins.map((kept) => fromSnapshot(kept, options.allowBaseUrl, options.now()))) {
      roster.add(plugin);
      tally.weighPlugin(plugin);
      for (const service of plugin.services.values()) {
        registrations.set(service.id, service);
        tally.weighService(service);
      }
    }
    for (const [type, providers] of order)
      for (const provider of providers) {
        const service = roster.get(provider)?.services.get(type);
        if (service !== undefined) directory.put(service);
      }
    for (const [gone, by] of successors) directory.succeed(gone, by);
    for (const plugin of roster.all()) changed(plugin, 'added');
  }

  return {
    ...{ roster, directory, remove, snapshot, restore },
    ...enrolment,
    ...createLiveness(ground, enrolment.overtaken),
  };
}
