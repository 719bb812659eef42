/** The path at the host that a grant is used at. */

/** `/capabilities/<type>/<grant id>`, to which clients append `/package.Service/Method`. */
export const capabilityPath = (type: string, grantId: string): string => `/capabilities/${type}/${grantId}`;

const PATH = /^\/capabilities\/[\w.-]+\/[\w.-]+(?=\/)/;

/** The path of the capability's own method: that of a handler. A path without grant is answered as it is. */
export const withoutGrant = (path: string): string => path.replace(PATH, '');
