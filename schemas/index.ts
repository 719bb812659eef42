/** All contracts, by name. A function exists when it stands here; the server does not compile without its implementation. */
import * as cluster from './cluster.js';
import * as deployments from './deployments.js';
import * as networks from './networks.js';
import * as plugins from './plugins.js';
import * as pods from './pods.js';
import type { Contract } from './define.js';

export const contracts = {
  create_deployment: deployments.create_deployment,
  get_deployment: deployments.get_deployment,
  list_deployments: deployments.list_deployments,
  scale_deployment: deployments.scale_deployment,
  set_deployment_image: deployments.set_deployment_image,
  restart_deployment: deployments.restart_deployment,
  rollback_deployment: deployments.rollback_deployment,
  wait_for_deployment: deployments.wait_for_deployment,
  delete_deployment: deployments.delete_deployment,
  list_pods: pods.list_pods,
  get_pod: pods.get_pod,
  delete_pod: pods.delete_pod,
  pod_logs: pods.pod_logs,
  list_networks: networks.list_networks,
  get_network: networks.get_network,
  watch_network: networks.watch_network,
  join_network: networks.join_network,
  leave_network: networks.leave_network,
  query_network: networks.query_network,
  persist_to_network: networks.persist_to_network,
  watch_network_state: networks.watch_network_state,
  add_lightpeer: networks.add_lightpeer,
  list_plugins: plugins.list_plugins,
  get_plugin: plugins.get_plugin,
  list_plugin_services: plugins.list_plugin_services,
  call_plugin_service: plugins.call_plugin_service,
  watch_plugins: plugins.watch_plugins,
  get_plugin_graph: plugins.get_plugin_graph,
  deploy_plugins: plugins.deploy_plugins,
  remove_plugin: plugins.remove_plugin,
  list_namespaces: cluster.list_namespaces,
  server_info: cluster.server_info,
};

export type Contracts = typeof contracts;
export type FunctionName = keyof Contracts;
export const contractList: readonly Contract[] = Object.values(contracts);

export * from './define.js';
export * from './errors.js';
