/** Label selectors as text. */
import type { Deployment } from '../ports.js';

type Selector = NonNullable<Deployment['spec']>['selector'];

/** A label selector in the form of the `labelSelector` query. */
export function selectorText(selector: Selector | undefined): string {
  const equal = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    switch (operator) {
      case 'Exists':
        return key;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
    }
  });
  return [...equal, ...expressions].join(',');
}
