/** gRPC's standard health service: SERVING as long as the process answers, as the reference. */
import type { Health } from '../../proto/gen/grpc/health/v1/health_pb.js';
import { HealthCheckResponse_ServingStatus as Serving } from '../../proto/gen/grpc/health/v1/health_pb.js';
import type { ServiceHandlers } from '../grpc/server.js';

export function healthService(): ServiceHandlers<typeof Health> {
  return {
    check: async () => ({ status: Serving.SERVING }),
    watch: async function* (_, { signal }) {
      yield { status: Serving.SERVING };
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };
}
